"""The tenth of a training list that no network is trained on: it tests the networks while they train, and serves for
choices and fits."""


def is_held_back(index):
    """Whether the face at this place of a training list, counted from 0, is one of the tenth."""
    return index % 10 == 9


def held_back(faces):
    """Those of the faces of a training list that no network is trained on, in their order."""
    return [face for index, face in enumerate(faces) if is_held_back(index)]


def training_part(faces):
    """Those of the faces of a training list that networks are trained on, in their order."""
    return [face for index, face in enumerate(faces) if not is_held_back(index)]
