"""One face of a list, whatever its format, and its picture."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deeplandmark.faces.box import BBox
from deeplandmark.faces.errors import PictureError
from deeplandmark.faces.picture import read_colour, read_grey


@dataclass(frozen=True)
class Annotation:
    """One face of a list."""
    path: Path               # of the picture
    bbox: BBox
    landmark_px: np.ndarray  # (k, 2) float64: x, y; NaN where the list says that the point is not visible
    list_file: str           # name of the list, for messages
    line: int                # in the list, from 1

    @property
    def visible(self) -> np.ndarray:
        """bool (k,): the points that the list tells."""
        return np.isfinite(self.landmark_px).all(axis=-1)


@dataclass(frozen=True)
class Problem:
    """A line of a list that cannot be used, and why."""
    line: int
    text: str

    def __str__(self):
        return self.text


def read_face(annotation: Annotation, channels: int = 1) -> np.ndarray:
    """The picture of one face, uint8 (h, w), or (h, w, 3), blue green red, for 3 channels. Raises PictureError, naming
    the list's line, for a picture that is missing, cut short or none at all, and for a box entirely outside it."""
    place = f"{annotation.list_file}:{annotation.line}"
    try:
        image = read_grey(annotation.path) if channels == 1 else read_colour(annotation.path)
    except PictureError as error:
        raise PictureError(f"{place}: {error}") from None
    height, width = image.shape[:2]
    if not annotation.bbox.overlaps(width, height):
        box = box_text(annotation.bbox)
        raise PictureError(f"{place}: {box} lies outside the picture of {width} x {height} pixels")
    return image


def face_or_problem(annotation: Annotation, channels: int = 1) -> np.ndarray | Problem:
    """What `read_face` returns, or the `Problem` that it raised an error about."""
    try:
        return read_face(annotation, channels)
    except PictureError as error:
        return Problem(annotation.line, str(error))


def check_picture(annotation: Annotation) -> Problem | None:
    """None when `read_face` can read the face, else the `Problem`."""
    found = face_or_problem(annotation)
    return found if isinstance(found, Problem) else None


def box_text(bbox: BBox) -> str:
    """A box as messages say it, in the order of the archive's lists."""
    return f"box left {bbox.left:g} right {bbox.right:g} top {bbox.top:g} bottom {bbox.bottom:g}"
