"""What a detector finds, and how boxes are compared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Detections(NamedTuple):
    """Faces found in a picture; n may be 0."""
    boxes: np.ndarray   # (n, 4) float32: left, top, right, bottom, pixels; may reach over the picture's edge
    scores: np.ndarray  # (n,) float32, higher is surer, each detector's own measure; NaN for a box that was given

    @classmethod
    def of(cls, boxes: ArrayLike, scores: ArrayLike) -> Detections:
        """From anything that numpy can turn into arrays, surest first; boxes without a score keep their order."""
        boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
        scores = np.asarray(scores, np.float32).reshape(-1)
        order = np.argsort(-scores, kind="stable")
        return cls(boxes[order], scores[order])


def largest(found: Detections, count: int | None) -> Detections:
    """The `count` faces of the largest boxes, in the order of `found`."""
    if count is None or len(found.boxes) <= count:
        return found
    area = np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)
    chosen = np.sort(np.argsort(-area, kind="stable")[:count])
    return Detections(found.boxes[chosen], found.scores[chosen])


def one_per_face(found: Detections, most: float = 0.5) -> Detections:
    """`Detections` without those of whose box, or of a surer one's, more than the fraction `most` lies in the other:
    faces do not lie inside faces."""
    kept: list[int] = []
    for i, box in enumerate(found.boxes):
        others = found.boxes[kept]
        shared, area = _shared_area(box, others)[0], np.minimum(_area(box.astype(np.float64)), _area(others))
        if not (shared > most * area).any():
            kept.append(i)
    return Detections(found.boxes[kept], found.scores[kept])


def intersection_over_union(boxes: ArrayLike, others: ArrayLike) -> np.ndarray:
    """Overlap of each of boxes (n, 4) with each of others (m, 4): float64 (n, m), 0..1."""
    boxes, others = (np.asarray(each, np.float64).reshape(-1, 4) for each in (boxes, others))
    shared = _shared_area(boxes, others)
    return shared / (_area(boxes)[:, None] + _area(others) - shared)


def _shared_area(boxes, others):
    """float64 (n, m)."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 1, 4)
    others = np.asarray(others, np.float64).reshape(1, -1, 4)
    sides = np.minimum(boxes[..., 2:], others[..., 2:]) - np.maximum(boxes[..., :2], others[..., :2])
    return np.prod(np.maximum(sides, 0), axis=-1)


def _area(boxes):
    return np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)
