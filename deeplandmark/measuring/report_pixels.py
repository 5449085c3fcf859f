"""88 points beside the network that the set comes from, whose errors are told in pixels of its crop.

The crop is a square as high as the box of an MTCNN with 20 % of its height more above and 10 % below, of 160 x 160
pixels. Boxes of that kind frame a whole face, as those of WIDER FACE, on which MTCNN and YuNet are trained: by how
YuNet's are brought to the lists' kind of box (detectors/box_map.py) the crop is 1.9 boxes high.
"""
from typing import NamedTuple

import numpy as np

from deeplandmark.detectors.box_map import BOX_MAPS
from deeplandmark.faces.points import FACE_88
from deeplandmark.measuring.results_of_others import ON_160_PIXELS, OTHER_DATA

PIXELS = 160
BEYOND = 1.3            # heights of an MTCNN's box
_LABEL, _CELL = 42, 16  # characters


class InPixels(NamedTuple):
    """Of both coordinates of all points: the mean amount of the errors, pixels, and that of their squares."""
    absolute: float
    squared: float


def in_pixels(evaluation):
    """InPixels of the last level's points; None for other points than the 88."""
    if evaluation.points != FACE_88:
        return None
    widths = np.array([face.bbox.width for face in evaluation.annotations])
    off = (evaluation.predicted[:, -1] - evaluation.truth) * (PIXELS / boxes_high() / widths)[:, None, None]
    return InPixels(float(np.nanmean(np.abs(off))), float(np.nanmean(off ** 2)))


def boxes_high():
    """The height of the crop in heights of the lists' kind of box, which is a square."""
    _, top, _, bottom = BOX_MAPS["yunet"]
    return BEYOND / (1 - top + bottom)


def pixels_lines(evaluation):
    """Lines of text: ours, and those of others; none for other points."""
    ours = in_pixels(evaluation)
    if ours is None:
        return []
    rows = [("this model", *ours), *((f"{row.name}, {OTHER_DATA}", row.absolute, row.squared) for row in ON_160_PIXELS)]
    return ["", f"All 88 points in pixels of a crop of {PIXELS} x {PIXELS}, {boxes_high():.2f} boxes wide as the "
            "original's: mean over both coordinates",
            "".ljust(_LABEL) + "of amounts".rjust(_CELL) + "of squares".rjust(_CELL),
            *(name.ljust(_LABEL) + ("-" if absolute is None else f"{absolute:.3f}").rjust(_CELL)
              + f"{squared:.3f}".rjust(_CELL) for name, absolute, squared in rows),
            *(f"  {source}" for source in dict.fromkeys(row.source for row in ON_160_PIXELS))]
