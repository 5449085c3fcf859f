"""The pictures that a detector is trained on: those of lists of faces, and those that are known to show none."""
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deeplandmark.faces.datasets.annotation import Problem, face_or_problem
from deeplandmark.faces.datasets.held_back import is_held_back
from deeplandmark.faces.errors import ListError, PictureError
from deeplandmark.faces.picture import pictures_below, read_colour


@dataclass(frozen=True)
class Picture:
    """A picture and its labelled faces.

    Attributes
    ----------
    path : Path
    faces : tuple of Annotation
        None: it is known to show no face.
    held_back : bool
        Whether nothing is trained on it.
    """
    path: Path
    faces: tuple = ()
    held_back: bool = False

    @property
    def boxes(self):
        """float64 (n, 4), pixels."""
        return np.array([face.bbox.as_array() for face in self.faces], np.float64).reshape(-1, 4)

    @property
    def points_px(self):
        """float64 (n, 5, 2)."""
        return np.array([face.landmark_px for face in self.faces], np.float64).reshape(-1, 5, 2)


def pictures_of(annotations):
    """The Pictures of a list of Annotation, in the order of their first faces; one is held back where the first of its
    faces is among the tenth of the list that no network is trained on."""
    by_path, first = {}, {}
    for index, annotation in enumerate(annotations):
        by_path.setdefault(annotation.path, []).append(annotation)
        first.setdefault(annotation.path, index)
    return [Picture(path, tuple(faces), is_held_back(first[path])) for path, faces in by_path.items()]


def empty_pictures(folder):
    """The Pictures, without faces, below a folder, in the order of their names; each tenth is held back.

    Raises
    ------
    ListError
        When there are none.
    """
    paths = pictures_below(folder)
    if not paths:
        raise ListError(f"{folder}: no pictures in it")
    return [Picture(path, (), is_held_back(index)) for index, path in enumerate(paths)]


def picture_or_problem(picture, line):
    """The picture, uint8 (h, w, 3), blue green red, or the Problem with it; `line` is its number among all."""
    if picture.faces:
        return face_or_problem(picture.faces[0], 3)
    try:
        return read_colour(picture.path)
    except PictureError as error:
        return Problem(line, str(error))
