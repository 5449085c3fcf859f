"""What was found of the faces of a picture."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, TypeVar, overload

import numpy as np

_Kind = TypeVar("_Kind", bound="Faces")


@dataclass(frozen=True, eq=False)
class Face:
    """One of some `Faces`: a row of each of its arrays.

    Attributes
    ----------
    points : float32 (k, 2), pixels, x then y
    confidence : float32 (k,), 0..1
    box : float32 (4,): left, top, right, bottom, pixels
    score : float or None
        The detector's, where one was asked.
    pose : float32 (3,) or None
        Pitch, yaw and roll of the head, degrees, where they were asked for: see faces/head_pose.py.
    """
    points: np.ndarray
    confidence: np.ndarray
    box: np.ndarray
    score: float | None = None
    pose: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Faces:
    """The n faces of a picture; n may be 0. Arrays are float32, places in pixels: (0, 0) is the middle of the first.

    `len(faces)` is n. `faces[0]`, and each face of `for face in faces`, is a `Face`; `faces[1:3]`, `faces[[2, 0]]` and
    `faces[faces.confidence.min(1) > 0.9]` are `Faces` of these only.

    Attributes
    ----------
    points : (n, k, 2), x then y
    confidence : (n, k)
        0..1, how probable it is that a point lies within 5 % of the box width of the truth.
    boxes : (n, 4): left, top, right, bottom
        What the points were looked for in.
    scores : (n,) or None
        The detector's, where one was asked: higher is surer, each detector's own measure.
    pose : (n, 3) or None
        Pitch, yaw and roll of the heads, degrees, where they were asked for: above 0 where a nose points up, where it
        points to the right side of the picture, and where a head is tilted clockwise.
    """
    points: np.ndarray
    confidence: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray | None = None
    pose: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[Face]:
        return map(self._face, range(len(self)))

    @overload
    def __getitem__(self, index: int | np.integer) -> Face: ...

    @overload
    def __getitem__(self: _Kind, index: slice | list | np.ndarray) -> _Kind: ...

    def __getitem__(self, index: Any) -> Any:
        """The `Face` of a whole number; the `Faces` of a slice, of a list of numbers or of a mask, bool (n,)."""
        if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            return self._face(int(index))
        if isinstance(index, list):
            index = np.asarray(index, None if index else int)
        if not isinstance(index, (slice, np.ndarray)) or isinstance(index, np.ndarray) and index.ndim != 1:
            raise TypeError(f"faces are taken by a number, a slice, a list of numbers or a mask; found {index!r}")
        arrays: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        rows: dict[str, Any] = {name: None if array is None else array[index] for name, array in arrays.items()}
        return type(self)(**rows)

    def _face(self, i: int) -> Face:
        return Face(self.points[i], self.confidence[i], self.boxes[i],
                    None if self.scores is None else float(self.scores[i]), None if self.pose is None else self.pose[i])
