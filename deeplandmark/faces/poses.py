"""The pose of a head as far as five points tell it, to see on which faces a cascade errs."""
from itertools import pairwise

import numpy as np

_TILTS = (0, 10, 20, np.inf)            # degrees
_TURNS = (0, 0.1, 0.25, np.inf)         # distances between the eyes


def tilt_and_turn(points_px):
    """How far heads are tilted to a shoulder, and turned to a side.

    Parameters
    ----------
    points_px : (n, 5, 2) array
        The usual five, pixels.

    Returns
    -------
    tilt : float64 (n,)
        Degrees between the line through the eyes and the picture's rows, 0 or more.
    turn : float64 (n,)
        How far the nose tip is off the middle between the eyes, along that line, in distances between the eyes: about
        0 from the front. Both are NaN where the eyes are one point.
    """
    points_px = np.asarray(points_px, np.float64)
    across = points_px[:, 1] - points_px[:, 0]
    distance = np.linalg.norm(across, axis=1, keepdims=True)
    distance[distance == 0] = np.nan
    along = across / distance
    off = points_px[:, 2] - points_px[:, :2].mean(axis=1)
    turn = np.abs((off * along).sum(axis=1)) / distance[:, 0]
    return np.degrees(np.arctan2(np.abs(along[:, 1]), along[:, 0])), turn


def pose_subsets(points_px):
    """{name: bool (n,)}: faces by tilt, then by turn."""
    tilt, turn = tilt_and_turn(points_px)
    return {**_between("tilt", tilt, _TILTS), **_between("turn", turn, _TURNS)}


def _between(name, values, edges):
    return {f"{name} {low:g}-{high:g}" if np.isfinite(high) else f"{name} over {low:g}":
            (low <= values) & (values < high) for low, high in pairwise(edges)}
