"""A system of more points judged on a list of the usual five, which its points tell."""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.points import FIVE_POINTS, Points
from deeplandmark.faces.result import Faces
from deeplandmark.measuring.evaluation import Evaluation


@dataclass(frozen=True, eq=False, kw_only=True)
class FiveFaces(Faces):
    """`Faces` of five points, and how often each was looked at, int (n,), where the system tells."""
    looks: np.ndarray | None = None


class FiveSettings(NamedTuple):
    """What a list is read by: the points, and the channels of the pictures."""
    points: Points
    channels: int


class FiveOfMore:
    """A system that finds the usual five by one of more points: each is the mean of its parts (`Points.to_five`), its
    confidence the mean of theirs. Of a system of levels the last counts.

    Raises FacesError for a system whose points are the five, or do not tell them.
    """

    def __init__(self, system: Any) -> None:
        self._system, self.of = system, system.settings.points
        if self.of == FIVE_POINTS:
            raise FacesError("--five: the model has the usual five points, and no others to make them of")
        if not self.of.five:
            raise FacesError(f"--five: the model's {len(self.of)} points do not say which of them make the usual five")
        self.points, self.settings = FIVE_POINTS, FiveSettings(FIVE_POINTS, system.settings.channels)
        if hasattr(system, "looks"):
            self.looks = system.looks

    def locate(self, image: Any, boxes: Any, **options: Any) -> FiveFaces:
        """As the system's own."""
        found = self._system.locate(image, boxes, **options)
        confidence = found.confidence
        if confidence is not None:
            confidence = np.stack([confidence[:, list(part)].mean(axis=1) for part in self.of.five], axis=1)
        return FiveFaces(self.of.to_five(found.points).astype(np.float32), confidence, np.asarray(boxes, np.float32),
                         looks=getattr(found, "looks", None))


def without_offsets(found: Evaluation, of: Points) -> Evaluation:
    """An evaluation whose predictions are moved by a constant for each point, in box widths: its median over the list.

    The middle of an eye's lids is no pupil, and a nose tip of one mark-up is not that of another: such a difference of
    definition is no error, nor is what else is the same in every face.

    Parameters
    ----------
    found : Evaluation, of n faces and k points
    of : Points
        What the five were made of, to be told with the offsets.

    Returns
    -------
    Evaluation
        With `offsets`: float64 (k, 2), right and down, fractions of the box width; NaN, and nothing taken off, for a
        point that is visible in no face.
    """
    widths = np.array([face.bbox.width for face in found.annotations])[:, None, None]
    off = (found.predicted[:, -1] - found.truth) / widths
    seen = np.isfinite(off).any(axis=(0, 2))
    offsets = np.full(off.shape[1:], np.nan)
    offsets[seen] = np.nanmedian(off[:, seen], axis=0)
    moved = found.predicted - (np.nan_to_num(offsets) * widths)[:, None]
    return replace(found, predicted=moved, offsets=offsets, made_of=of)
