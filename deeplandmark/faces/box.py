"""Face boxes: the frame in which landmarks are learnt and in which windows are given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

# A kind of box says how it frames a face. "list": as the lists of the paper's archive do, a square from the brows to
# below the mouth. Every detector gives this kind (see detectors/box_map.py); a system names the one it was trained on.
LIST_KIND = "list"
LARGEST = 4         # how much larger than its picture a box may be: the picture may show a part of a face
_EXPECTED = "boxes are (n, 4): left, top, right, bottom of each face, in pixels"


@dataclass(frozen=True)
class BBox:
    """A box in pixels of the picture; `width = right - left`, as in the lists of the paper's archive.

    A box may reach over the edge of the picture. Points *in the box* are fractions: (0, 0) is the left top
    corner, (1, 1) the right bottom one.
    """
    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def from_left_right_top_bottom(cls, left: float, right: float, top: float, bottom: float) -> BBox:
        """The order in which the archive's lists write a box (not the order of the fields)."""
        return cls(float(left), float(top), float(right), float(bottom))

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def centre(self) -> np.ndarray:
        """(2,) float64, pixels."""
        return np.array([(self.left + self.right) / 2, (self.top + self.bottom) / 2])

    @property
    def has_area(self) -> bool:
        """True for finite edges with left < right and top < bottom."""
        return bool(np.isfinite(self.as_array()).all()) and self.width > 0 and self.height > 0

    def as_array(self) -> np.ndarray:
        """(4,) float64: left, top, right, bottom."""
        return np.array([self.left, self.top, self.right, self.bottom], dtype=np.float64)

    def project(self, points_px: ArrayLike) -> np.ndarray:
        """Pixels (..., 2) to fractions of this box (..., 2), float64. Raises ValueError for a box of no area."""
        return (np.asarray(points_px, dtype=np.float64) - self._origin()) / self._size()

    def reproject(self, points_in_box: ArrayLike) -> np.ndarray:
        """Fractions of this box (..., 2) back to pixels (..., 2), float64. The inverse of `project`."""
        return np.asarray(points_in_box, dtype=np.float64) * self._size() + self._origin()

    def square(self, scale: float = 1.0) -> BBox:
        """The square with this box's centre and `scale` times its longer side."""
        x, y = map(float, self.centre)
        half = scale * max(self.width, self.height) / 2
        return BBox(x - half, y - half, x + half, y + half)

    def overlaps(self, picture_width: int, picture_height: int) -> bool:
        """True when some pixel of a picture of that size lies inside the box."""
        return self.right > 0 and self.bottom > 0 and self.left < picture_width and self.top < picture_height

    def _origin(self):
        return np.array([self.left, self.top])

    def _size(self):
        if self.width == 0 or self.height == 0:
            raise ValueError(f"{self} has no area: nothing can be measured in it")
        return np.array([self.width, self.height])


def usable(boxes: ArrayLike) -> np.ndarray:
    """Which of boxes (n, 4), pixels, points can be looked for in: bool (n,).

    Edges lie less than a million pixels from the picture's corner, and sides have at least 1/16 of a pixel: float32, in
    which boxes are cut out, tells no smaller steps apart so far out, and such a box would be flat there. Sides are
    therefore measured as float32 holds them. False, too, where an edge is not finite.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # of what is infinite, or becomes so
        boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4).astype(np.float32)
        sides = boxes[:, 2:] - boxes[:, :2]
    return (np.abs(boxes) < 1e6).all(axis=1) & (sides >= 1 / 16).all(axis=1)


def beyond_picture(boxes: ArrayLike, width: int, height: int) -> str | None:
    """What is wrong with the first of boxes (n, 4), pixels, that was not meant for a picture of width x height pixels:
    it lies outside, or has a side of more than LARGEST times the picture's longer one, which is slow to cut out.
    None where all are right."""
    for left, top, right, bottom in np.asarray(boxes, dtype=np.float64).reshape(-1, 4).tolist():
        name = f"box {left:g},{top:g},{right:g},{bottom:g}"
        if not BBox(left, top, right, bottom).overlaps(width, height):
            return f"{name} lies outside the picture of {width} x {height}; the order is left,top,right,bottom"
        if max(right - left, bottom - top) > LARGEST * max(width, height):
            return f"{name} is more than {LARGEST} times as large as the picture of {width} x {height}"
    return None


def face_boxes(boxes: ArrayLike) -> np.ndarray:
    """Boxes of n faces as float64 (n, 4): left, top, right, bottom in pixels, of anything that numpy makes such an
    array of; n may be 0.

    Raises
    ------
    ValueError, TypeError
        For anything else, and for a box that is not `usable`, saying which it is.
    """
    try:
        array = np.asarray(boxes, np.float64)
    except (TypeError, ValueError) as error:                     # texts, or lists of several lengths
        raise type(error)(f"{_EXPECTED}; found {_described(boxes)}") from None
    if array.size == 0:
        return array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"{_EXPECTED}; found {_described(boxes, array.shape)}")
    bad = ~usable(array)
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"box {i}, {array[i].tolist()}, has no area, or lies a million pixels away; the order is "
                         "left, top, right, bottom (not x, y, width, height: right is x + width, bottom y + height)")
    return array


def _described(boxes, shape=None):
    if hasattr(boxes, "boxes"):                                  # of a detector, or found faces
        return f"{type(boxes).__name__}: pass its .boxes"
    if boxes is None or shape is None:
        return "None" if boxes is None else f"{type(boxes).__name__} {str(boxes)[:60]}"
    return f"shape {shape}" + (": one face is [[left, top, right, bottom]]" if shape == (4,) else "")


def centred_windows(boxes: ArrayLike, points_px: ArrayLike, half_side: float) -> np.ndarray:
    """Windows around a point of n faces (levels 2 and 3; paper, Table 2).

    boxes (n, 4) as left, top, right, bottom and points_px (n, 2), pixels, to windows (n, 4) float64 in the same order.
    Half-sides are that fraction of the box's width in x and of its height in y.
    """
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    points_px = np.asarray(points_px, dtype=np.float64).reshape(-1, 2)
    half_px = half_side * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate([points_px - half_px, points_px + half_px], axis=1)


def project(boxes: ArrayLike, points_px: ArrayLike) -> np.ndarray:
    """`BBox.project` for many faces at once: boxes (n, 4), points_px (n, k, 2) pixels, to fractions (n, k, 2)."""
    boxes = np.asarray(boxes, dtype=np.float64)[:, None]
    return (np.asarray(points_px, dtype=np.float64) - boxes[..., :2]) / (boxes[..., 2:] - boxes[..., :2])


def reproject(boxes: ArrayLike, points_in_box: ArrayLike) -> np.ndarray:
    """`BBox.reproject` for many faces at once: boxes (n, 4), points_in_box (n, k, 2), to pixels (n, k, 2)."""
    boxes = np.asarray(boxes, dtype=np.float64)[:, None]
    return np.asarray(points_in_box, dtype=np.float64) * (boxes[..., 2:] - boxes[..., :2]) + boxes[..., :2]


def move_edges(boxes: ArrayLike, edge_shifts: ArrayLike) -> np.ndarray:
    """Boxes (n, 4) with left, top, right and bottom moved by fractions of their own sides, float64 (n, 4)."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    return boxes + np.asarray(edge_shifts) * np.tile(boxes[:, 2:] - boxes[:, :2], 2)
