"""Boxes that the user gives instead of having faces searched for."""
from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deeplandmark.detectors.detections import Detections
from deeplandmark.faces.box import face_boxes, usable
from deeplandmark.faces.errors import FacesError
from deeplandmark.work.json_text import parse_json

_COLUMNS = ("picture", "left", "top", "right", "bottom")


class GivenBoxes:
    """A detector that finds the same boxes (n, 4) in every picture; they are taken as they are, and have no score.

    Raises ValueError or TypeError for what are no boxes, as `faces.box.face_boxes` does."""
    name = "given"

    def __init__(self, boxes: ArrayLike):
        self._boxes = face_boxes(boxes)

    def detect(self, image: Any) -> Detections:
        return Detections.of(self._boxes, np.full(len(self._boxes), np.nan))


def parse_box(text: str) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of `left,top,right,bottom`. Raises FacesError for anything else, and for a box that is
    not `usable`."""
    try:
        box = tuple(map(float, text.split(",")))
    except ValueError:
        box = ()
    if len(box) != 4:
        raise FacesError(f"{text!r} is not a box: left,top,right,bottom")
    if not usable(box)[0]:
        raise FacesError(f"box {text} has no area or lies nowhere near a picture; the order is left,top,right,bottom, "
                         "in pixels")
    return box


def doubtful_order(boxes: ArrayLike) -> str | None:
    """A remark about boxes (n, 4) that are no squares as left, top, right, bottom, as faces' boxes nearly are, but all
    are in another usual order; None where there is nothing to remark."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    left, top, right, bottom = boxes.T
    if not len(boxes) or _square(right - left, bottom - top):
        return None
    if _square(top - left, bottom - right):
        return "the boxes look like left,right,top,bottom, the archive's order; expected left,top,right,bottom"
    if _square(right, bottom):
        return "the boxes look like left,top,width,height; expected left,top,right,bottom"
    return None


def _square(width, height):
    return bool(((width > 0) & (height > 0) & (width < 1.25 * height) & (height < 1.25 * width)).all())


def read_boxes(path: str | os.PathLike[str]) -> dict[Path, list]:
    """{absolute path of a picture: [box, ...]} of a file of boxes, which is either

    JSON lines: `{"picture": path, "box": [left, top, right, bottom]}` (other keys do not matter: what `detect --json`
    writes can be read), or CSV with the columns picture, left, top, right, bottom in its first line (`detect --csv`).
    Paths start at the working directory or, when there is no such picture, at the file's folder. Raises FacesError
    naming the line that is wrong.
    """
    boxes: dict[Path, list] = {}
    path = Path(path)
    try:
        # Names of files may be any bytes; `detect --csv` writes them as they are.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            for place, picture, box in _rows(file, path):
                boxes.setdefault(_absolute(picture, path.parent, place), []).append(_checked(box, place))
    except OSError as error:
        raise FacesError(f"{path}: cannot be read ({error.strerror})") from None
    return boxes


def _rows(file, path):
    first = file.readline()
    file.seek(0)
    return _json_rows(file, path) if first.lstrip().startswith("{") else _csv_rows(file, path)


def _json_rows(file, path):
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
            if not isinstance(row["box"], list):
                raise TypeError
            yield f"{path}:{number}", row["picture"], row["box"]
        except (ValueError, KeyError, TypeError):
            expected = '{"picture": path, "box": [left, top, right, bottom]}'
            raise FacesError(f"{path}:{number}: expected {expected}") from None


def _csv_rows(file, path):
    reader = csv.DictReader(file)
    missing = [column for column in _COLUMNS if column not in _fields(reader)]
    if missing:
        raise FacesError(f"{path}:1: neither JSON lines nor CSV with the columns {', '.join(_COLUMNS)}")
    try:
        for row in reader:
            yield f"{path}:{reader.line_num}", row["picture"], [row[column] for column in _COLUMNS[1:]]
    except csv.Error as error:
        raise FacesError(f"{path}:{reader.line_num + 1}: not a row of CSV ({error})") from None


def _checked(box, place):
    try:
        return parse_box(",".join(map(str, box)))
    except (FacesError, TypeError) as error:
        raise FacesError(f"{place}: {error}") from None


def _absolute(picture, folder, place):
    try:
        here = Path(picture)
        return (here if here.exists() or here.is_absolute() else folder / here).resolve()
    except (TypeError, ValueError, OSError):                     # a zero in it, or too long a name
        raise FacesError(f"{place}: {str(picture)[:60]!r} is no name of a picture") from None


def _fields(reader):
    """The columns that a csv.DictReader's first line names."""
    try:
        return reader.fieldnames or ()
    except csv.Error:
        return ()
