"""The smallest face that a detector looks for: a share of the picture's shorter side, or pixels."""
from __future__ import annotations

import numpy as np


def smallest_share(min_face: float, image: np.ndarray) -> float:
    """The width of the smallest face as a fraction of the shorter side of a picture (h, w, ...), at most 1.

    `min_face` is that fraction up to 1, above it pixels.
    """
    return min_face if min_face <= 1 else min(1.0, min_face / min(image.shape[:2]))
