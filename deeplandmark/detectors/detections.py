"""What a detector finds, and how boxes are compared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

_BLOCK = 1024          # boxes that are compared with one another at once


class _Boxes(NamedTuple):
    boxes: np.ndarray
    scores: np.ndarray


class Detections(_Boxes):
    """Faces found in a picture: a pair (boxes, scores), with points where the detector tells them. n may be 0.

    Attributes
    ----------
    boxes : float32 (n, 4)
        left, top, right, bottom, pixels; may reach over the picture's edge.
    scores : float32 (n,)
        Higher is surer, each detector's own measure; NaN for a box that was given.
    points : float32 (n, 5, 2) or None
        x, y in pixels of LE RE N LM RM, left being left in the picture.
    """
    points: np.ndarray | None = None

    def __new__(cls, boxes: np.ndarray, scores: np.ndarray, points: np.ndarray | None = None) -> Detections:
        self = super().__new__(cls, boxes, scores)
        self.points = points
        return self

    @classmethod
    def of(cls, boxes: ArrayLike, scores: ArrayLike, points: ArrayLike | None = None) -> Detections:
        """From anything that numpy can turn into arrays, surest first; boxes without a score keep their order."""
        boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
        scores = np.asarray(scores, np.float32).reshape(-1)
        points = None if points is None else np.asarray(points, np.float32).reshape(-1, 5, 2)
        return cls(boxes, scores, points).chosen(np.argsort(-scores, kind="stable"))

    def chosen(self, faces: np.ndarray) -> Detections:
        """Those of some faces, by their numbers, in that order."""
        points = None if self.points is None else self.points[faces]
        return Detections(self.boxes[faces], self.scores[faces], points)


def largest(found: Detections, count: int | None) -> Detections:
    """The `count` faces of the largest boxes, in the order of `found`."""
    if count is None or len(found.boxes) <= count:
        return found
    area = np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)
    return found.chosen(np.sort(np.argsort(-area, kind="stable")[:count]))


def one_per_face(found: Detections, most: float = 0.5) -> Detections:
    """`Detections` without those of whose box, or of a surer one's, more than the fraction `most` lies in the other:
    faces do not lie inside faces."""
    return found.chosen(suppressed(found.boxes, most, by="smaller"))


def suppressed(boxes: ArrayLike, most: float, by: str = "union") -> np.ndarray:
    """Non-maximum suppression: which of boxes (n, 4), surest first, are kept, int (k,), in their order.

    A box is left out when it overlaps with one that is kept by more than the fraction `most` of the two's union, or
    with by="smaller" of the smaller one's area.
    """
    boxes, kept = np.asarray(boxes, np.float64).reshape(-1, 4), np.zeros(0, int)
    for start in range(0, len(boxes), _BLOCK):                   # all pairs of a block at once: many more do not fit
        block = boxes[start:start + _BLOCK]
        free = ~_overlap_more(block, boxes[kept], most, by).any(axis=1)
        inside, chosen = _overlap_more(block, block, most, by), []
        for i in range(len(block)):
            if free[i]:
                chosen.append(start + i)
                free &= ~inside[i]
        kept = np.concatenate([kept, np.array(chosen, int)])
    return kept


def _overlap_more(boxes, others, most, by):
    """bool (n, m): whether each of boxes shares more than that with each of others."""
    shared, own, theirs = _sharedareas(boxes, others), areas(boxes)[:, None], areas(others)
    return shared > most * (np.minimum(own, theirs) if by == "smaller" else own + theirs - shared)


def intersection_over_union(boxes: ArrayLike, others: ArrayLike) -> np.ndarray:
    """Overlap of each of boxes (n, 4) with each of others (m, 4): float64 (n, m), 0..1."""
    boxes, others = (np.asarray(each, np.float64).reshape(-1, 4) for each in (boxes, others))
    shared = _sharedareas(boxes, others)
    return shared / (areas(boxes)[:, None] + areas(others) - shared)


def share_of_smaller(boxes: ArrayLike, others: ArrayLike) -> np.ndarray:
    """What each of boxes (n, 4) shares with each of others (m, 4), of the smaller one's area: float64 (n, m), 0..1."""
    boxes, others = (np.asarray(each, np.float64).reshape(-1, 4) for each in (boxes, others))
    return _sharedareas(boxes, others) / np.minimum(areas(boxes)[:, None], areas(others))


def _sharedareas(boxes, others):
    """float64 (n, m)."""
    left, top, right, bottom = np.asarray(boxes, np.float64).reshape(-1, 4).T[..., None]
    others = np.asarray(others, np.float64).reshape(-1, 4).T
    width = np.minimum(right, others[2]) - np.maximum(left, others[0])
    height = np.minimum(bottom, others[3]) - np.maximum(top, others[1])
    return np.maximum(width, 0) * np.maximum(height, 0)


def areas(boxes: np.ndarray) -> np.ndarray:
    """Areas (n,) of boxes (n, 4)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
