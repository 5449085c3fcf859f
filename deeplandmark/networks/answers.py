"""What one look finds of some faces, and what becomes of it."""
from typing import NamedTuple

import numpy as np

from deeplandmark.faces.metrics import face_confidence


class Answers(NamedTuple):
    """What was found of n faces, pixels, as by `Cascade.locate`; float arrays.

    Attributes
    ----------
    levels : (n, L, k, 2)
    spread : (n, L, k)
    confidence : (n, k)
    first : (n, k, 2)
    """
    levels: np.ndarray
    spread: np.ndarray
    confidence: np.ndarray
    first: np.ndarray

    @property
    def sure(self):
        """The faces' confidence, (n,)."""
        return face_confidence(self.confidence)

    def chosen(self, faces):
        """Those of some faces, by their numbers or a mask."""
        return Answers(*(array[faces] for array in self))

    def mirrored(self, mirror):
        """What was found in mirrored pictures, each point's under the name that it has in the picture as it is."""
        mirror = list(mirror)
        return Answers(self.levels[:, :, mirror], self.spread[:, :, mirror], self.confidence[:, mirror],
                       self.first[:, mirror])

    def moved(self, corner):
        """With points further right and down by (2,)."""
        return self._replace(levels=self.levels + corner, first=self.first + corner)

    def mixed(self, others, share):
        """The means with others, whose share is (n,)."""
        return Answers(*(mine + share.reshape(-1, *[1] * (mine.ndim - 1)) * (new - mine)
                         for mine, new in zip(self, others)))
