"""What a cascade found on faces that were never drawn, with odds of being right that a test knows."""
import numpy as np

from deeplandmark.cascade.confidence.calibration import Observations
from deeplandmark.cascade.confidence.confidence import EPSILON
from deeplandmark.networks.regression import sigmoid

MIRROR = (1, 0, 2, 4, 3)


def drawn(count, levels=3, points=5, seed=4):
    """Faces in boxes of 100 pixels; a point is 1 or 20 pixels off, by odds that fall as level 1's networks disagree."""
    rng = np.random.default_rng(seed)
    spread = np.exp(rng.normal(0, 1, (count, levels, points)))
    truth = rng.uniform(0, 100, (count, points, 2))
    right = rng.uniform(0, 1, (count, points)) < sigmoid(-7 - 2 * np.log(EPSILON + spread[:, 0] / 100))
    levels_px = np.repeat(truth[:, None], levels, axis=1)
    levels_px[..., 0] += np.where(right, 1, 20)[:, None]
    return Observations(levels_px, spread, truth, np.full(count, 100.0))
