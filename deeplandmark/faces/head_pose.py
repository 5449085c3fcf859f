"""The pose of a head: where it looks, how large it is in the picture and where; as numbers, as three points of its
axes, and of 68 points by a mean face.

The head's frame: x to the right of the picture, y down, z towards the viewer; (0, 0, 0) is the middle between eyes and
corners of the mouth, and one unit is half the width of the face. It is level as heads in photographs are on the median.
A pose takes it to the picture by a scaled orthographic projection: turned, enlarged, moved, z left out.

Angles are degrees. Yaw is above 0 where the nose points to the right side of the picture, pitch where it points up,
roll where the head is tilted clockwise: the rotation is Rz(roll) Ry(yaw) Rx(pitch). So the line through the eyes has
the angle roll in the picture, whatever the others are, and yaw and pitch are where the nose points.
"""
from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike

from deeplandmark.faces.points import HEAD_AXES, IBUG_68, Points

FILE = Path(__file__).with_name("mean_face.json")
_FROM = 10.0                # units: as far off is the camera of faces whose points are labelled
_TO_OPENCV = np.diag([1.0, 1.0, -1.0])      # OpenCV's z points away from the viewer
RIGID = slice(17, 68)       # of 68: those of the contour are marked where a turned face ends, not at one place of it
_FEWEST = 6                 # points that solvePnP wants


class HeadPose(NamedTuple):
    """The poses of n heads.

    Attributes
    ----------
    angles : float64 (n, 3): pitch, yaw, roll, degrees
    scale : float64 (n,): pixels a unit
    middle : float64 (n, 2): x, y of the frame's (0, 0, 0), pixels
    """
    angles: np.ndarray
    scale: np.ndarray
    middle: np.ndarray

    @classmethod
    def of_axes(cls, points_px: ArrayLike) -> HeadPose:
        """The one pose that three points (n, 3, 2) tell, pixels: HEAD_AXES of faces/points.py.

        Three axes of one length, square to each other, seen in the picture as complex numbers X, Y and Z, are those
        with X^2 + Y^2 + Z^2 = 0 (Gauss's theorem of axonometry): any X and Z have their Y, and of its two signs that
        one counts with which the head faces the viewer. So no three points are wrong, and no two poses have the same.
        """
        left, right, front = np.moveaxis(np.asarray(points_px, np.float64).reshape(-1, 3, 2), 1, 0)
        middle = (left + right) / 2
        x, z = ((end @ [1, 1j]) for end in ((right - left) / 2, front - middle))
        y = np.sqrt(-(x * x + z * z))
        y = np.where((x.conj() * y).imag < 0, -y, y)
        axes = np.stack([x, y, z], axis=1)
        scale = np.sqrt((np.abs(axes) ** 2).sum(axis=1) / 2)
        rows = axes / np.where(scale > 0, scale, np.nan)[:, None]
        rotation = np.stack([rows.real, rows.imag, np.cross(rows.real, rows.imag)], axis=1)
        return cls(angles_of(rotation), scale, middle)

    def project(self, shape: ArrayLike) -> np.ndarray:
        """Points (k, 3) of the head's frame in the picture, (n, k, 2), pixels."""
        turned = np.asarray(shape, np.float64) @ np.swapaxes(rotation_of(self.angles), -1, -2)
        return self.middle[:, None] + self.scale[:, None, None] * turned[..., :2]

    @property
    def axes(self) -> np.ndarray:
        """(n, 3, 2), pixels: HEAD_AXES."""
        return self.project(_ENDS)

    def points(self, known: Points = IBUG_68) -> np.ndarray:
        """The mean face's points under these poses, (n, k, 2), pixels: all 68, or the usual five of them."""
        projected = self.project(mean_face())
        return projected if known == IBUG_68 else IBUG_68.to_five(projected)


_IS_RIGID = np.isin(np.arange(68), np.arange(68)[RIGID])
_ENDS = np.array([[-1.0, 0, 0], [1, 0, 0], [0, 0, 1]])


def rotation_of(angles: ArrayLike) -> np.ndarray:
    """Rotations (..., 3, 3) of pitch, yaw and roll (..., 3), degrees."""
    (sp, sy, sr), (cp, cy, cr) = (np.moveaxis(f(np.radians(angles)), -1, 0) for f in (np.sin, np.cos))
    rows = [[cr * cy, cr * sy * sp - sr * cp, cr * sy * cp + sr * sp],
            [sr * cy, sr * sy * sp + cr * cp, sr * sy * cp - cr * sp],
            [-sy, cy * sp, cy * cp]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def angles_of(rotation: ArrayLike) -> np.ndarray:
    """The inverse of `rotation_of`, yaw in -90 .. 90: (..., 3)."""
    r = np.asarray(rotation, np.float64)
    return np.degrees(np.stack([np.arctan2(r[..., 2, 1], r[..., 2, 2]), np.arcsin(np.clip(-r[..., 2, 0], -1, 1)),
                                np.arctan2(r[..., 1, 0], r[..., 0, 0])], axis=-1))


@lru_cache
def mean_face() -> np.ndarray:
    """iBUG's 68 points of the mean face in the head's frame, float64 (68, 3): `python -m docs.fit_mean_face` makes
    them, of lists of 68 points in pictures."""
    face = np.array(json.loads(FILE.read_text(encoding="utf-8"))["points"])
    face.setflags(write=False)
    return face


def pose_of_points(points_px: ArrayLike, shape: ArrayLike | None = None) -> HeadPose:
    """The poses in which the mean face's points lie nearest to 68 points of n heads, by OpenCV's solvePnP. The contour
    does not count; the camera is thought of as ten units away, so that nearer parts are larger.

    points_px : (n, 68, 2), pixels; NaN for points that are not visible. A face with fewer than six has a NaN pose.
    shape : (68, 3), another head's points instead of the mean face's
    """
    shape = mean_face() if shape is None else np.asarray(shape, np.float64)
    found = [_pose_of_face(points, shape) for points in np.asarray(points_px, np.float64).reshape(-1, 68, 2)]
    angles, scale, middle = zip(*found) if found else ((), (), ())
    return HeadPose(np.array(angles).reshape(-1, 3), np.array(scale, np.float64), np.array(middle).reshape(-1, 2))


def _pose_of_face(points_px, shape):
    seen = np.isfinite(points_px).all(axis=1) & _IS_RIGID
    if seen.sum() < _FEWEST:
        return np.full(3, np.nan), np.nan, np.full(2, np.nan)
    points_px, shape = points_px[seen], shape[seen]
    centre = points_px.mean(axis=0)
    size = np.linalg.norm(points_px - centre) / np.linalg.norm((shape - shape.mean(axis=0))[:, :2])
    focal = _FROM * size
    camera = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
    shape = shape @ _TO_OPENCV
    start = np.zeros(3), np.array([0, 0, _FROM])
    _, turn, shift = cv2.solvePnP(shape, points_px, camera, None, *start, True, cv2.SOLVEPNP_ITERATIVE)
    rotation, shift = _TO_OPENCV @ cv2.Rodrigues(turn)[0] @ _TO_OPENCV, shift.ravel()
    scale = focal / shift[2]
    return angles_of(rotation), scale, centre + scale * shift[:2]


def axes_of_points(points_px: ArrayLike) -> np.ndarray:
    """HEAD_AXES (..., 3, 2) of 68 points (..., 68, 2), pixels, by their pose."""
    points_px = np.asarray(points_px, np.float64)
    return pose_of_points(points_px).axes.reshape(*points_px.shape[:-2], len(HEAD_AXES), 2)
