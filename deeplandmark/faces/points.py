"""Sets of facial points as data: names, what becomes of them in a mirrored picture, lines to draw, the way to the five.

A further set is one more `Points` in SETS; a set of one's own is a points file (points_file.py). Left is always left in
the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Points:
    """A set of k points.

    Attributes
    ----------
    names : tuple of k str
        As in files and in the names of networks: LE RE N LM RM.
    mirror : tuple of k int
        mirror[i] is the point that point i becomes in the mirrored picture.
    titles : tuple of k str
        As people are shown them; the names where there are none.
    lines : tuple of tuples of int
        Points that a drawing joins, each tuple one open line; a closed one ends with its first point.
    five : tuple of 5 tuples of int, or empty
        The usual five are the means of these points; empty where the set does not tell.
    groups : tuple of (str, tuple of int)
        Parts of the face: contour, brows ... ; empty where the set has none.
    outer_corners : tuple of 2 int, or empty
        The outer corners of the left and the right eye, by whose distance papers divide; empty where there are none.
    """
    names: tuple[str, ...]
    mirror: tuple[int, ...]
    titles: tuple[str, ...] = ()
    lines: tuple[tuple[int, ...], ...] = ()
    five: tuple[tuple[int, ...], ...] = ()
    groups: tuple[tuple[str, tuple[int, ...]], ...] = ()
    outer_corners: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """((i, j), ...), i below j: the points that change places in a mirrored picture."""
        return tuple((i, j) for i, j in enumerate(self.mirror) if i < j)

    @property
    def shown(self) -> tuple[str, ...]:
        """The titles, or else the names."""
        return self.titles or self.names

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        """The groups with left and right as one: contour, brows, nose, eyes, mouth; empty where the set has none."""
        found: dict[str, tuple[int, ...]] = {}
        for name, part in self.groups:
            side, _, both = name.partition("_")
            name = both + "s" if side in ("left", "right") else name
            found[name] = (*found.get(name, ()), *part)
        return found

    def to_five(self, points_px: ArrayLike) -> np.ndarray:
        """The usual five of points (..., k, 2): float64 (..., 5, 2). Raises ValueError for a set that does not tell."""
        if not self.five:
            raise ValueError(f"the points {' '.join(self.names[:5])} ... do not say which of them make the usual five")
        points_px = np.asarray(points_px, np.float64)
        return np.stack([points_px[..., list(part), :].mean(axis=-2) for part in self.five], axis=-2)


def known(names, mirror):
    """The Points of these names: one of SETS where it has them, with all that is known of it.

    Raises
    ------
    ValueError
        If mirroring twice would not give every point back.
    """
    if sorted(mirror) != list(range(len(names))) or any(mirror[j] != i for i, j in enumerate(mirror)):
        raise ValueError(f"mirror: {list(mirror)} does not undo itself on {len(names)} points")
    found = next((points for points in (*SETS.values(), HEAD_AXES) if points.names == tuple(names)), None)
    return found if found and found.mirror == tuple(mirror) else Points(tuple(names), tuple(mirror))


def _span(first, last):
    return tuple(range(first, last + 1))


def _closed(first, last):
    return (*_span(first, last), first)


def _mirror(count, pairs):
    mirror = list(range(count))
    for i, j in pairs:
        mirror[i], mirror[j] = j, i
    return tuple(mirror)


def _named(groups):
    return tuple(f"{name}_{number}" for name, part in groups for number in range(1, len(part) + 1))


FIVE_POINTS = Points(
    names=("LE", "RE", "N", "LM", "RM"), mirror=(1, 0, 2, 4, 3),
    titles=("left eye", "right eye", "nose", "left mouth corner", "right mouth corner"),
    five=((0,), (1,), (2,), (3,), (4,)))

_IBUG_GROUPS = (
    ("contour", _span(0, 16)), ("left_brow", _span(17, 21)), ("right_brow", _span(22, 26)), ("nose", _span(27, 35)),
    ("left_eye", _span(36, 41)), ("right_eye", _span(42, 47)), ("mouth", _span(48, 67)))
# Multi-PIE's mark-up as iBUG's 300 faces in-the-wild has it (Sagonas et al., ICCV workshops 2013), counted from 0.
IBUG_68 = Points(
    names=_named(_IBUG_GROUPS),
    mirror=_mirror(68, [*((i, 16 - i) for i in range(8)), *((17 + i, 26 - i) for i in range(5)), (31, 35), (32, 34),
                        (36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46), (48, 54), (49, 53), (50, 52),
                        (55, 59), (56, 58), (60, 64), (61, 63), (65, 67)]),
    lines=(_span(0, 16), _span(17, 21), _span(22, 26), _span(27, 30), _span(31, 35), _closed(36, 41), _closed(42, 47),
           _closed(48, 59), _closed(60, 67)),
    five=(_span(36, 41), _span(42, 47), (30,), (48,), (54,)), groups=_IBUG_GROUPS, outer_corners=(36, 45))

_FACE_88_GROUPS = (
    ("contour", _span(0, 20)), ("left_eye", _span(21, 28)), ("right_eye", _span(29, 36)), ("left_brow", _span(37, 44)),
    ("right_brow", _span(45, 52)), ("nose", _span(53, 65)), ("mouth", _span(66, 87)))
# 88 points in the order of the parts above, a choice among the vertices of MediaPipe's face mesh: contour from left to
# right; eyes and brows of one side as those of the other; nose from the bridge down, wings in pairs; outer lips, then
# inner ones.
FACE_88 = Points(
    names=_named(_FACE_88_GROUPS),
    mirror=_mirror(88, [*((i, 20 - i) for i in range(10)), *((21 + i, 29 + i) for i in range(8)),
                        *((37 + i, 45 + i) for i in range(8)), (57, 58), (59, 60), (61, 62), (63, 64),
                        (66, 72), (67, 71), (68, 70), (73, 77), (74, 76), (78, 84), (79, 83), (80, 82), (85, 87)]),
    lines=(_span(0, 20), _closed(21, 28), _closed(29, 36), _closed(37, 44), _closed(45, 52), (53, 54, 55, 56),
           (57, 59, 61, 63, 65, 64, 62, 60, 58), _closed(66, 77), _closed(78, 87)),
    five=(_span(21, 28), _span(29, 36), (56,), (66,), (72,)), groups=_FACE_88_GROUPS, outer_corners=(21, 29))

_WFLW_GROUPS = (
    ("contour", _span(0, 32)), ("left_brow", _span(33, 41)), ("right_brow", _span(42, 50)), ("nose", _span(51, 59)),
    ("left_eye", _span(60, 67)), ("right_eye", _span(68, 75)), ("mouth", _span(76, 95)), ("pupil", _span(96, 97)))
# The mark-up of Wider Facial Landmarks in-the-wild (Wu et al., CVPR 2018), counted from 0: brows have two edges.
WFLW_98 = Points(
    names=_named(_WFLW_GROUPS),
    mirror=_mirror(98, [*((i, 32 - i) for i in range(16)), *((33 + i, 46 - i) for i in range(5)),
                        *((38 + i, 50 - i) for i in range(4)), (55, 59), (56, 58),
                        *((60 + i, 72 - i) for i in range(5)), *((65 + i, 75 - i) for i in range(3)),
                        (76, 82), (77, 81), (78, 80), (83, 87), (84, 86), (88, 92), (89, 91), (93, 95), (96, 97)]),
    lines=(_span(0, 32), _closed(33, 41), _closed(42, 50), _span(51, 54), _span(55, 59), _closed(60, 67),
           _closed(68, 75), _closed(76, 87), _closed(88, 95)),
    five=((96,), (97,), (54,), (76,), (82,)), groups=_WFLW_GROUPS, outer_corners=(60, 72))

# Ends of a head's axes, by which a pose is told (faces/head_pose.py): one unit to the left and right of its middle, and
# one towards where the nose points. No marks on a face: they are made of other points, and --points does not name them.
HEAD_AXES = Points(names=("left_end", "right_end", "front_end"), mirror=(1, 0, 2), lines=((0, 1),))

# Of what the flag --points calls them.
SETS = {"5": FIVE_POINTS, "68": IBUG_68, "88": FACE_88, "98": WFLW_98}
