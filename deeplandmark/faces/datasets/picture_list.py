"""The archive's picture lists: one face a line, `folder\\name.jpg left right top bottom x1 y1 ... xk yk`, in pixels."""
from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from deeplandmark.faces.box import BBox
from deeplandmark.faces.datasets.annotation import Annotation, Problem, box_text
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
    folder = list_path.parent if folder is None else Path(folder)
    annotations = []
    for number, line in enumerate(_lines(list_path), 1):
        if not line.strip():
            continue
        try:
            annotations.append(_parse(line.strip(), points, folder, list_path.name, number))
        except ListError as error:
            if problems is None:
                raise
            problems.append(Problem(number, str(error)))
    return annotations


def write_list(list_path: str | os.PathLike[str], annotations: Iterable[Annotation]) -> None:
    """Writes `annotations` as the archive does: backslashes, CRLF, `left right top bottom`, box in whole pixels.
    Paths become relative to the list's folder. Raises ListError for a path outside it."""
    folder = Path(list_path).parent
    text = "".join(_format(annotation, folder) + "\r\n" for annotation in annotations)
    write_text(list_path, text)


def _lines(list_path):
    try:
        return list_path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    except OSError as error:
        raise ListError(f"{list_path}: cannot be read ({error.strerror})") from None


def _parse(line, points, folder, list_file, number):
    place = f"{list_file}:{number}"
    match = _PATH.match(line)
    name = match[1] if match else line.split()[0]
    fields = line[len(name):].split()
    if len(fields) != 4 + 2 * points:
        expected = f"path + 4 box + {2 * points} landmark numbers"
        raise ListError(f"{place}: expected {expected}, found {1 + len(fields)} fields")
    numbers = _numbers(fields, place)
    bbox = BBox.from_left_right_top_bottom(*numbers[:4])
    if not bbox.has_area:
        raise ListError(f"{place}: {box_text(bbox)} has no area (the order is left right top bottom)")
    landmark_px = numbers[4:].reshape(points, 2)
    if not np.isfinite(landmark_px).all():
        raise ListError(f"{place}: a landmark is not finite: {' '.join(fields[4:])}")
    return Annotation(folder / name.replace("\\", "/"), bbox, landmark_px, list_file, number)


def _numbers(fields, place):
    for field in fields:
        try:
            float(field)
        except ValueError:
            raise ListError(f"{place}: {field!r} is not a number") from None
    return np.array(fields, dtype=np.float64)


def _format(annotation, folder):
    try:
        name = annotation.path.relative_to(folder)
    except ValueError:
        raise ListError(f"{annotation.path} does not lie below the list's folder {folder}") from None
    box = annotation.bbox
    edges = (box.left, box.right, box.top, box.bottom)
    numbers = [f"{round(edge):d}" for edge in edges] + [f"{value:f}" for value in annotation.landmark_px.ravel()]
    return " ".join([str(name).replace("/", "\\"), *numbers])
