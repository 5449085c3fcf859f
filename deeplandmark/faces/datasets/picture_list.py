"""The archive's picture lists: one face a line, `folder\\name.jpg left right top bottom x1 y1 ... xk yk`, in pixels.

A point `-1 -1` or `nan nan` is not visible.
"""
from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from deeplandmark.faces.box import BBox
from deeplandmark.faces.datasets.annotation import Annotation, Problem, box_text
from deeplandmark.faces.datasets.labels import (
    Label,
    Labels,
    as_it_is,
    hidden_as_nan,
    hidden_as_number,
    picture_path,
)
from deeplandmark.faces.datasets.text_lines import finite, lines_of, numbers_of
from deeplandmark.faces.datasets.written import number, relative_name
from deeplandmark.faces.errors import ListError
from deeplandmark.work.whole_file import write_text

# A path may hold blanks; it ends with the suffix of a picture.
_PATH = re.compile(r"^(.*?\.(?:jpe?g|png|bmp|webp|tiff?|p[gpn]m))(?=\s|$)", re.IGNORECASE)


def read_list(list_path: str | os.PathLike[str], points: int = 5, problems: list[Problem] | None = None,
              folder: str | os.PathLike[str] | None = None) -> list[Annotation]:
    """All faces of a list, in its order: a list of `Annotation`.

    `points` is the number of landmarks a line holds. Pictures are looked for in `folder`, by default the folder of
    the list; nothing is opened here (see `check_picture`). A bad line is appended to the list `problems` as a
    `Problem` and skipped; without `problems` it raises ListError, as does a list that cannot be read.
    """
    list_path = Path(list_path)
    return list(_faces(list_path, points, problems, list_path.parent if folder is None else Path(folder)))


def write_list(list_path: str | os.PathLike[str], annotations: Iterable[Annotation]) -> None:
    """Writes `annotations` as the archive does: backslashes, CRLF, `left right top bottom`, box in whole pixels.
    Paths become relative to the list's folder. Raises ListError for a path outside it."""
    folder = Path(list_path).parent
    text = "".join(_format(annotation, folder) + "\r\n" for annotation in annotations)
    write_text(list_path, text)


def read_labels(list_path, folder, wanted):
    """The Labels of a list, whose lines hold as many points as most of them do."""
    lengths = Counter(len(_fields(line)[1]) for _, line in lines_of(list_path))
    counts = {(length - 4) // 2: faces for length, faces in lengths.items() if length > 4 and length % 2 == 0}
    count = wanted if wanted in counts or not counts else max(counts, key=counts.get)
    problems = []
    faces = (Label(face.path, face.landmark_px, face.bbox, face.list_file, face.line)
             for face in _faces(list_path, count or 5, problems, folder))
    return Labels(faces, problems, count or 5, box_of=as_it_is)


def write_labels(list_path, faces, points):
    """As `write_list`, with pictures anywhere and exact boxes."""
    text = "".join(_row(face, relative_name(face.path, list_path.parent), number) + "\r\n" for face in faces)
    write_text(list_path, text)


def _faces(list_path, points, problems, folder):
    """Each face, as its line is read; see `read_list`."""
    for place, line in lines_of(list_path):
        try:
            yield _parse(line, points, folder, list_path.name, place)
        except ListError as error:
            if problems is None:
                raise
            problems.append(Problem(place, str(error)))


def _parse(line, points, folder, list_file, number):
    place = f"{list_file}:{number}"
    name, fields = _fields(line)
    if len(fields) != 4 + 2 * points:
        expected = f"path + 4 box + {2 * points} landmark numbers"
        raise ListError(f"{place}: expected {expected}, found {1 + len(fields)} fields")
    numbers = numbers_of(fields, place)
    bbox = BBox.from_left_right_top_bottom(*numbers[:4])
    if not bbox.has_area:
        raise ListError(f"{place}: {box_text(bbox)} has no area (the order is left right top bottom)")
    landmark_px = finite(hidden_as_nan(numbers[4:].reshape(points, 2)), place)
    return Annotation(picture_path(folder, name), bbox, landmark_px, list_file, number)


def _fields(line):
    """The picture's name, and the words after it."""
    match = _PATH.match(line)
    name = match[1] if match else line.split()[0]
    return name, line[len(name):].split()


def _format(annotation, folder):
    try:
        name = annotation.path.relative_to(folder)
    except ValueError:
        raise ListError(f"{annotation.path} does not lie below the list's folder {folder}") from None
    return _row(annotation, str(name), lambda edge: f"{round(edge):d}")


def _row(face, name, edge_text):
    box = face.bbox
    numbers = [edge_text(edge) for edge in (box.left, box.right, box.top, box.bottom)]
    numbers += [f"{value:f}" for value in hidden_as_number(face.landmark_px).ravel()]
    return " ".join([name.replace("/", "\\"), *numbers])
