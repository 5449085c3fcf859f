"""Faces of a list, whatever its format: what every command reads them with.

A format is one file in this folder with two functions, and one row in FORMATS:

    is_FORMAT(path, beginning) -> bool                          # by the name and the first bytes of a file
    read_FORMAT(path, points, problems, folder) -> [Annotation] # `points` is a Points; see read_imglab

The reader turns whatever the format has into pixels of the picture, the points of the set asked for (or refuses it in a
ListError) and the cascade's kind of box. A face that cannot be used becomes a `Problem` in the list `problems`, whose
text names file and line; a file that is not of the format at all is a ListError.
"""
from __future__ import annotations

import os
from pathlib import Path

from deeplandmark.faces.datasets.annotation import Annotation, Problem
from deeplandmark.faces.datasets.bad_lines import too_many_bad
from deeplandmark.faces.datasets.imglab import is_imglab, read_imglab
from deeplandmark.faces.datasets.picture_list import read_list
from deeplandmark.faces.errors import ListError
from deeplandmark.faces.points import FIVE_POINTS, Points


def _read_list(path, points, problems, folder):
    return read_list(path, len(points), problems, folder)


# The first that a file is of; every other file is a list in the archive's format.
FORMATS = ((is_imglab, read_imglab), (lambda path, beginning: True, _read_list))


def read_faces(path: str | os.PathLike[str], points: Points = FIVE_POINTS,
               folder: str | os.PathLike[str] | None = None) -> tuple[list[Annotation], list[Problem]]:
    """The faces of a list in any of the formats, in its order; no picture is opened (see `face_or_problem`).

    Parameters
    ----------
    path : path of the list
    points : Points
        What each face has to have.
    folder : path, optional
        Where the pictures' names start; the list's own folder by default.

    Returns
    -------
    (list of Annotation, list of Problem)
        The faces, and what is bad in the other lines; commands name it (`commandline.face_lists`).

    Raises
    ------
    ListError
        When the list cannot be read, holds no faces, or too many of its lines are bad.
    """
    problems: list[Problem] = []
    path = Path(path)
    read = next(read for is_format, read in FORMATS if is_format(path, _beginning(path)))
    faces = read(path, points, problems, folder)
    if not faces and not problems:
        raise ListError(f"{path}: the list holds no faces")
    too_many_bad(problems, len(faces) + len(problems))
    return faces, problems


def _beginning(path, size=4096):
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise ListError(f"{path}: cannot be read ({error.strerror})") from None
