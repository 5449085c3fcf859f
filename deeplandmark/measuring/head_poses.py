"""How good the poses of heads are: on drawn heads, whose poses are exact, and on labelled faces, as far as their
points tell.

Of faces with the usual five points, set by people, the pose is not known, but two things are: to which side of the
eyes' middle the nose lies, and the angle of the line through the eyes. Of faces with 68 points the mean face's is.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from deeplandmark.faces.datasets.annotation import Annotation, Problem, face_or_problem
from deeplandmark.faces.datasets.bad_lines import BadLines
from deeplandmark.faces.head_pose import HeadPose
from deeplandmark.faces.points import FIVE_POINTS, HEAD_AXES
from deeplandmark.faces.synthetic.face import draw_posed_face
from deeplandmark.work.in_order import in_order
from deeplandmark.work.progress import Progress

ANGLES = ("pitch", "yaw", "roll")
TURNED = 15.0               # degrees of yaw from which on the nose's side is asked for
DRAWN_SEED = 9_000          # of heads that no training is given (faces/synthetic/generate.py counts lists from 0)


@dataclass(frozen=True)
class Angles:
    """Of n heads.

    Attributes
    ----------
    found, truth : float64 (n, 3), pitch, yaw, roll, degrees
    """
    found: np.ndarray
    truth: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """float64 (n, 3), degrees; the shorter way round."""
        return np.abs((self.found - self.truth + 180) % 360 - 180)


@dataclass(frozen=True)
class Sides:
    """What the usual five points tell of n heads.

    Attributes
    ----------
    found : float64 (n, 3), pitch, yaw, roll, degrees
    nose : float64 (n,)
        How far the nose is to the right of the eyes' middle, along the line through them, in distances of the eyes.
    eyes : float64 (n,)
        The angle of that line, degrees, clockwise.
    """
    found: np.ndarray
    nose: np.ndarray
    eyes: np.ndarray

    @classmethod
    def of(cls, found: np.ndarray, five: np.ndarray) -> Sides:
        """Of poses (n, 3) and points (n, 5, 2); faces without eyes or nose are left out."""
        known = np.isfinite(five[:, :3]).all(axis=(1, 2))
        found, five = found[known], five[known]
        across = five[:, 1] - five[:, 0]
        off = five[:, 2] - five[:, :2].mean(axis=1)
        return cls(found, (off * across).sum(axis=1) / (across ** 2).sum(axis=1),
                   np.degrees(np.arctan2(across[:, 1], across[:, 0])))

    @property
    def turned(self) -> np.ndarray:
        """bool (n,): found to be turned by more than TURNED."""
        return np.abs(self.found[:, 1]) > TURNED

    @property
    def agreement(self) -> float:
        """Share of the turned heads whose yaw has the sign of the nose's side; NaN where none is turned."""
        turned = self.turned
        return float(np.mean(np.sign(self.found[turned, 1]) == np.sign(self.nose[turned]))) if turned.any() else np.nan

    @property
    def roll_errors(self) -> np.ndarray:
        """float64 (n,), degrees between roll and the line through the eyes."""
        return np.abs((self.found[:, 2] - self.eyes + 180) % 360 - 180)


def on_drawn_heads(system: Any, count: int = 500, seed: int = DRAWN_SEED, far: bool = False) -> Angles:
    """`Angles` of heads that are drawn for it, in usual poses or turned far (see `draw_posed_face`); `system` finds
    HEAD_AXES."""
    pairs = []
    for i in Progress("heads", count, "drawing and measuring").over(range(count)):
        image, pose, box = draw_posed_face(np.random.default_rng([seed, i]), far)
        pairs.append((_angles(system, image, box), pose.angles[0]))
    found, truth = zip(*pairs)
    return Angles(np.array(found), np.array(truth))


def on_faces(system: Any, faces: list[Annotation]) -> tuple[np.ndarray, np.ndarray, list[Problem]]:
    """(angles (m, 3), points (m, k, 2), problems) of the m faces of a list whose pictures can be read."""
    bad, found = BadLines(len(faces)), []
    results = in_order(partial(_of_face, system), faces, ahead=2)
    for result in Progress("faces", len(faces), "measuring").over(results):
        if not bad.takes(result):
            found.append(result)
    angles, points = zip(*found)
    return np.array(angles), np.array(points), bad.problems


def compared(angles: np.ndarray, points_px: np.ndarray) -> Angles | Sides:
    """What the points (n, k, 2) of faces tell about angles (n, 3): HEAD_AXES the poses, the usual five the sides.
    Raises ValueError for others."""
    if points_px.shape[1] == len(HEAD_AXES):
        return Angles(angles, HeadPose.of_axes(points_px).angles)
    if points_px.shape[1] == len(FIVE_POINTS):
        return Sides.of(angles, points_px)
    raise ValueError(f"{points_px.shape[1]} points tell no pose")


def _of_face(system, face):
    image = face_or_problem(face, system.settings.channels)
    return image if isinstance(image, Problem) else (_angles(system, image, face.bbox), face.landmark_px)


def _angles(system, image, bbox):
    return HeadPose.of_axes(system.predict(image, bbox.as_array()[None])).angles[0]
