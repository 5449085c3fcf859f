"""Faces of a list, whatever its format: what every command reads them with. The formats are rows of formats.py."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from deeplandmark.faces.datasets.annotation import Annotation, Problem
from deeplandmark.faces.datasets.bad_lines import too_many_bad
from deeplandmark.faces.datasets.formats import format_of
from deeplandmark.faces.datasets.labels import Labels, as_annotations
from deeplandmark.faces.datasets.pts import files_of
from deeplandmark.faces.errors import ListError
from deeplandmark.faces.points import FIVE_POINTS, Points

_BLOCK = 1 << 20        # bytes of a list that are hashed at a time


def read_faces(path: str | os.PathLike[str], points: Points = FIVE_POINTS,
               folder: str | os.PathLike[str] | None = None,
               boxes: str = "") -> tuple[list[Annotation], list[Problem]]:
    """The faces of a list in any of the formats, in its order; no picture is opened (see `face_or_problem`).

    Parameters
    ----------
    path : path of the list, or of a folder of .pts files
    points : Points
        What each face has to have; the usual five are made of other sets that tell how.
    folder : path, optional
        Where the pictures' names start; the list's own folder by default.
    boxes : "", "file" or "points"
        The cascade's kind of box, made of the points where the format's own kind is unknown; the file's as they are; or
        made of the points in any case.

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
    return list(each_face(path, points, problems, folder, boxes)), problems


def each_face(path: str | os.PathLike[str], points: Points, problems: list[Problem],
              folder: str | os.PathLike[str] | None = None, boxes: str = "") -> Iterator[Annotation]:
    """As `read_faces`, one by one: a list with a face a line is never in memory as a whole. `problems` gets what is bad
    in the other lines when the last face has been read, and ListError is raised by then."""
    labels, count = read_labels(path, len(points), folder), 0
    for face in as_annotations(labels, points, path, boxes):
        count += 1
        yield face
    problems += sorted(labels.problems, key=lambda problem: problem.line)
    if not count and not problems:
        raise ListError(f"{path}: the list holds no faces")
    too_many_bad(problems, count + len(problems))


def read_labels(path: str | os.PathLike[str], wanted: int | None = None,
                folder: str | os.PathLike[str] | None = None) -> Labels:
    """What a list says, in its own terms (see labels.py); `wanted` points are looked for where lines may hold any
    number. Raises ListError when it cannot be read."""
    path = Path(path)
    own = path if path.is_dir() else path.parent
    return format_of(path).read(path, own if folder is None else Path(folder), wanted)


def hash_of(path: str | os.PathLike[str]) -> bytes:
    """Changes whenever a list does, or one of the files of a folder of .pts files."""
    path, digest = Path(path), hashlib.sha256()
    for file in files_of(path) if path.is_dir() else [path]:
        if file != path:
            digest.update(f"{file.relative_to(path)} {file.stat().st_size}\n".encode())
        with file.open("rb") as stream:
            for block in iter(partial(stream.read, _BLOCK), b""):
                digest.update(block)
    return digest.digest()
