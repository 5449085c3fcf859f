"""Boxes of the training list's kind around facial points: of a detector, of the last picture of a film, of a list."""
from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from deeplandmark.faces.alignment import ARCFACE, similarity_to
from deeplandmark.faces.augment import apply
from deeplandmark.faces.box import move_edges

# From squares of points to the training list's boxes: measured by `deeplandmark fit_boxes`, as the rows of box_map.py.
EDGE_SHIFTS = (0.089, 0.080, -0.105, -0.107)


def boxes_of_points(points_px: ArrayLike) -> np.ndarray:
    """The list's kind of box around the usual five points of n faces (n, 5, 2), or others that spread about as far:
    float64 (n, 4)."""
    return move_edges(squares_of_points(points_px), EDGE_SHIFTS)


def squares_of_points(points_px: ArrayLike) -> np.ndarray:
    """Squares (n, 4) about the mean of the points (n, k, 2), with a side of 4 root mean square distances from it: they
    turn with the head only about their centre, so that a tilted head keeps its size."""
    points_px = np.asarray(points_px, np.float64)
    centre = points_px.mean(axis=1)
    spread = np.sqrt(np.square(points_px - centre[:, None]).sum(axis=2).mean(axis=1))
    return np.concatenate([centre - 2 * spread[:, None], centre + 2 * spread[:, None]], axis=1)


def completed(five_px: ArrayLike) -> np.ndarray:
    """The usual five (5, 2), NaN where not visible, with the others where those of a common face lie beside the visible
    ones (ArcFace's, turned, enlarged and shifted): float64 (5, 2). Raises ValueError for fewer than two different
    ones."""
    five_px = np.array(five_px, np.float64)
    seen = np.isfinite(five_px).all(axis=1)
    if not seen.all():
        matrix = similarity_to(ARCFACE.points[seen], five_px[seen])
        five_px[~seen] = apply(matrix, ARCFACE.points)[~seen]
    return five_px
