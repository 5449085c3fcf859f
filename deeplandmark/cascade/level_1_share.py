"""The last level's points, drawn back a little towards those of level 1.

Each level overshoots: a tenth or two of what it moves a point is noise of its own networks, and those of level 1, which
saw other pixels, err independently. So the answer of a whole cascade is

    (1 - share) * last level + share * level 1

with the share that fits held-back faces best, by least squares over all points, as a fraction of the box width
(`deeplandmark.calibrate` finds it). The levels between are as they are: the next level looks around them.
"""
import numpy as np

from deeplandmark.cascade.networks import LEVELS


def with_level_1_share(levels, share):
    """Points (n, L, k, 2) after each level, the last of a whole cascade blended; the same array if nothing changes."""
    if not share or levels.shape[1] < len(LEVELS):
        return levels
    last = levels[:, -1] + share * (levels[:, 0] - levels[:, -1])
    return np.concatenate([levels[:, :-1], last[:, None]], axis=1)


def without_level_1_share(levels, share):
    """The inverse of `with_level_1_share`."""
    return with_level_1_share(levels, share / (share - 1))


def fit_share(levels, truth, width):
    """The share 0 .. 0.5 for points (n, L, k, 2) that are not blended, truth (n, k, 2) and box widths (n,), all pixels;
    0 for less than a whole cascade."""
    if levels.shape[1] < len(LEVELS):
        return 0.0
    width = np.asarray(width)[:, None, None]
    back, wanted = (levels[:, 0] - levels[:, -1]) / width, (truth - levels[:, -1]) / width
    squares = (back ** 2).sum()
    return float(np.clip((back * wanted).sum() / squares, 0, 0.5)) if squares > 0 else 0.0
