"""The families of the regressor, a row each; the templates are prototxt/regressor/NAME_*.prototxt.template."""
from deeplandmark.faces.augment import Augmentation
from deeplandmark.faces.cutting import Normalisation
from deeplandmark.networks.family import Family
from deeplandmark.networks.network import Network


def whole_face(size, channels=3, beyond=0.1):
    """A rule for one network that sees the face box and `beyond` of it more on each side, size x size pixels."""
    window = (-beyond, 1 + beyond, -beyond, 1 + beyond)
    return lambda points: (Network(1, "face", "net", tuple(range(len(points))), (size, size), window,
                                   channels=channels),)


FACE112 = Family(
    "face112", "regressor", whole_face(112), "one colour network of 112 x 112 for all points",
    normalisation=Normalisation(127.5, 128.0), variables={1: {"rotation": 30, "scale": 0.15, "shift": 0.16}},
    augmentation={1: Augmentation(angle=30.0, scale=0.15, shift=0.08)},
    minutes={"fast": {"train_1": 25}, "full": {"train_1": 75}})

FAMILIES = (FACE112,)
