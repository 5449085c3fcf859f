"""How sure a regressor is of each point: the probability that it lies within 5 % of the box width of the truth.

One network sees the whole face, and what makes one point wrong - a poor box, blur, a hand - mostly makes others wrong,
too. So its hidden layer h, what its last InnerProduct layer gets, tells one number of the face, and each point has its
own way with that:

    confidence_j = sigmoid(bias_j + slope_j (weights . h))

`weights . h` predicts the logarithm of the face's mean error (calibration.py). Without weights, bias_j alone is left: a
point's share of faces in which it is right.
"""
from dataclasses import dataclass

import numpy as np

from deeplandmark.networks.regression import sigmoid


@dataclass(frozen=True)
class Confidence:
    """What is fitted to a regressor of k points; tuples of float.

    Attributes
    ----------
    bias, slope : k each
    weights : D, or none
    sure, lost : float
        Mean confidence that half of the held-back faces lie below, and one in two hundred: where a second look is
        worth its time, and looks at the face turned (networks/looks.py). 0 without weights.
    """
    bias: tuple
    slope: tuple
    weights: tuple = ()
    sure: float = 0.0
    lost: float = 0.0

    @classmethod
    def of_shares(cls, shares):
        """The same for every face: shares (k,) in 0..1, neither included."""
        shares = np.asarray(shares, np.float64)
        return cls(tuple(np.log(shares / (1 - shares)).tolist()), (0.0,) * len(shares))

    def of(self, hidden):
        """Float64 (n, k) of hidden layers (n, D)."""
        told = hidden @ np.asarray(self.weights) if self.weights else np.zeros(len(hidden))
        return sigmoid(np.asarray(self.bias) + np.asarray(self.slope) * told[:, None])

    def to_json(self):
        return {name: getattr(self, name) for name in ("bias", "slope", "weights", "sure", "lost")}

    @classmethod
    def from_json(cls, values, points):
        """Of `points` points, from what a model.json says; a list is of shares. Raises ValueError for nonsense."""
        if isinstance(values, list):
            if len(values) != points or not all(0 < share < 1 for share in values):
                raise ValueError(f"confidence: expected {points} numbers in 0 .. 1")
            return cls.of_shares(values)
        found = cls(*(tuple(map(float, values[name])) for name in ("bias", "slope", "weights")),
                    float(values["sure"]), float(values["lost"]))
        numbers = (*found.bias, *found.slope, *found.weights, found.sure, found.lost)
        if not len(found.bias) == len(found.slope) == points or not np.isfinite(numbers).all():
            raise ValueError(f"confidence: expected finite numbers, bias and slope of {points} points")
        return found
