"""From a detector's kind of box to the kind the cascade was trained on.

Every detector frames a face in its own way: with or without forehead, chin, ears. The landmark cascade knows one way,
that of its training list (square, from the brows to below the mouth). The map between the two moves each edge by a
fixed fraction of the detector's box; the fractions are medians over the training list, measured by
`deeplandmark fit_boxes`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from deeplandmark.detectors.detections import Detections
from deeplandmark.faces.box import move_edges, usable
from deeplandmark.faces.box_of_points import EDGE_SHIFTS, boxes_of_points

# Detector: how far left, top, right and bottom edge move, in widths (left, right) and heights (top, bottom) of its box.
BOX_MAPS = {
    "haar": (0.110, 0.187, -0.118, -0.042),
    "points": EDGE_SHIFTS,
    "mtcnn": (0.108, 0.107, -0.118, -0.121),  # of the package's; only for faces whose points make no box
    "yunet": (0.019, 0.211, -0.048, -0.101),
}


def to_list_boxes(detector: str, boxes: ArrayLike) -> np.ndarray:
    """Boxes (n, 4) of the detector of that name as boxes of the training list's kind, float64 (n, 4)."""
    return move_edges(boxes, BOX_MAPS[detector])


def to_list_detections(detector: str, found: Detections) -> Detections:
    """What a detector of that name found, with boxes of the training list's kind.

    They are made from the points where it tells points, which say better where a face is than the edges of a box
    (measured with one detector: the cascade fails at 0.76 % of the points of faces framed so, at 0.97 % by a box moved
    as BOX_MAPS says); where points make no box, lying all in one place, from the box.
    """
    boxes = to_list_boxes(detector, found.boxes)
    if found.points is not None and len(boxes):
        framed = boxes_of_points(found.points)
        boxes = np.where(usable(framed)[:, None], framed, boxes)
    return Detections(boxes.astype(np.float32), found.scores, found.points)


def fit_edge_shifts(boxes: ArrayLike, truth: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The four fractions for `move_edges` that bring detected boxes (n, 4) to their faces' list boxes truth (n, 4).

    Returns (fractions (4,), what is left: float64 (n, 4), fractions of the list box's sides). Medians minimise the sum
    of absolute deviations, so a few wrong pairs do not matter. Raises ValueError without boxes.
    """
    boxes, truth = (np.asarray(array, np.float64).reshape(-1, 4) for array in (boxes, truth))
    if not len(boxes):
        raise ValueError("no boxes to fit a map to")
    edge_shifts = np.median((truth - boxes) / _sides(boxes), axis=0)
    return edge_shifts, (move_edges(boxes, edge_shifts) - truth) / _sides(truth)


def _sides(boxes):
    return np.tile(boxes[:, 2:] - boxes[:, :2], 2)
