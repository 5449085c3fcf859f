"""Faces cut out upright: where a face is and how far it is turned, and the patch in which it stands as those of the
training list do."""
from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike

from deeplandmark.faces.alignment import crop_aligned
from deeplandmark.faces.box import move_edges, usable
from deeplandmark.faces.box_of_points import EDGE_SHIFTS
from deeplandmark.faces.in_steps import in_steps

# Pixels of a patch, and of the face's box in its middle. The finest windows of a cascade see 15 pixels of 0.22 boxes:
# 68 a box. Boxes of 96 and 160 pixels did not change the error on held-back faces.
PATCH, BOX = 144, 96


# The usual five in the list's box, x then y as fractions of it: means over the nine tenths of the training list that
# networks are trained on, made symmetric.
MEAN_FACE = np.array([[0.265, 0.255], [0.735, 0.255], [0.5, 0.542], [0.296, 0.766], [0.704, 0.766]])
# Of the box of points that lie about 0 in a square of side 1: its middle, and the side of a square as large.
_EDGES = move_edges([-0.5, -0.5, 0.5, 0.5], EDGE_SHIFTS)[0]
_SHIFT, _SIZE = complex(*(_EDGES[:2] + _EDGES[2:]) / 2), float(np.sqrt(np.prod(_EDGES[2:] - _EDGES[:2])))
_MEAN_FACE = (MEAN_FACE - MEAN_FACE.mean(axis=0)) @ [1, 1j]


class Frames(NamedTuple):
    """Where n faces are: squares of the list's kind of box that are turned with their faces.

    Attributes
    ----------
    angles : float64 (n,)
        Degrees clockwise to the eye, 0 being upright.
    centres : float64 (n, 2), pixels
    sides : float64 (n,), pixels
    """
    angles: np.ndarray
    centres: np.ndarray
    sides: np.ndarray

    def chosen(self, faces: np.ndarray) -> Frames:
        """Those of some faces, by their numbers or a mask."""
        return Frames(*(array[faces] for array in self))

    @property
    def usable(self) -> np.ndarray:
        """Which of them points can be looked for in (see `box.usable`): bool (n,)."""
        half = self.sides[:, None] / 2
        return usable(np.concatenate([self.centres - half, self.centres + half], axis=1)) & np.isfinite(self.angles)


def frames_of_boxes(boxes: ArrayLike, angles: ArrayLike = 0.0) -> Frames:
    """Boxes (n, 4), pixels, turned by `angles` (n,) degrees about their middle; one that is no square becomes the
    square of its area."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    sides = boxes[:, 2:] - boxes[:, :2]
    angles = np.broadcast_to(np.asarray(angles, np.float64), len(boxes))
    return Frames(angles, (boxes[:, :2] + boxes[:, 2:]) / 2, np.sqrt(np.maximum(sides, 0).prod(axis=1)))


def frames_of_points(points_px: ArrayLike) -> Frames:
    """Where the usual five points (n, 5, 2) say that faces are.

    Their angle is that of the similarity which takes MEAN_FACE nearest to the points (see `alignment.similarity_to`),
    for which all five count: on held-back faces tilted by 45 degrees a second look by it fails at 1.3 % of the points,
    by the line through the eyes at 1.6 %. Turned upright, their box is `boxes_of_points`. Told in complex numbers,
    x + iy, since it is done for every face. Not `usable` for points that are all in one place.
    """
    points = np.ascontiguousarray(points_px, np.float64).view(np.complex128)[..., 0]
    centres = points.mean(axis=1)
    points = points - centres[:, None]
    turns = points @ _MEAN_FACE.conj()
    lengths = np.abs(turns)
    squares = 4 * np.sqrt(np.mean(points.real ** 2 + points.imag ** 2, axis=1))     # as those of squares_of_points
    centres = centres + squares * _SHIFT * turns / np.where(lengths > 0, lengths, 1)
    return Frames(np.degrees(np.angle(turns)), centres.view(np.float64).reshape(-1, 2), squares * _SIZE)


def misfit(frames: Frames, others: Frames) -> np.ndarray:
    """How far frames are off from others, float64 (n,): the sum of three squares, of their angle in 20 degrees, of
    their distance in 0.15 sides, and of the logarithm of their sizes' ratio in 0.2.

    The boxes of the training list are off from the frames of their own points by 0.35 in half of the faces, by more
    than 1 in 11 % and by more than 2 in 1 %.
    """
    angle = (others.angles - frames.angles + 180) % 360 - 180
    away = (others.centres - frames.centres) / frames.sides[:, None]
    with np.errstate(divide="ignore"):                           # a frame without a side is infinitely far off
        size = np.log(others.sides / frames.sides)
    return (angle / 20) ** 2 + (away ** 2).sum(axis=1) / 0.15 ** 2 + (size / 0.2) ** 2


def patch_side(reach: float) -> int:
    """Pixels of the side of a patch for networks that see so much beyond the box, fraction of it: PATCH, or more."""
    return max(PATCH, 2 * int(np.ceil(BOX * (0.5 + reach))))


def patch_box(side: int = PATCH) -> np.ndarray:
    """The face's box (4,) in a patch of so many pixels."""
    return np.array([side - BOX, side - BOX, side + BOX, side + BOX]) / 2 - 0.5


def matrices(frames: Frames, side: int = PATCH, mirrored: bool = False) -> list[np.ndarray]:
    """For each face the similarity (2, 3) from pixels of the picture to those of its patch of side x side pixels, which
    shows it mirrored where that is asked for; its frame counts in steps (see in_steps.py), the angle in those of a 16th
    of a degree."""
    found = []
    angles = np.floor(16 * frames.angles + 0.5) / 16
    for angle, (x, y), length in zip(angles, in_steps(frames.centres, frames.sides),
                                     in_steps(frames.sides, frames.sides)):
        matrix = cv2.getRotationMatrix2D((float(x), float(y)), float(angle), float(BOX / length))
        matrix[:, 2] += (side - 1) / 2 - x, (side - 1) / 2 - y
        if mirrored:
            matrix[0] = [0, 0, side - 1] - matrix[0]
        found.append(matrix)
    return found


def cut_upright(image: np.ndarray, matrix: np.ndarray, side: int = PATCH) -> np.ndarray:
    """The patch of a face, (side, side) or (side, side, 3), of a picture uint8 (h, w) or (h, w, 3): its box is that of
    `patch_box`; beyond the picture's edge its border is repeated."""
    return crop_aligned(image, matrix, (side, side), cv2.BORDER_REPLICATE)
