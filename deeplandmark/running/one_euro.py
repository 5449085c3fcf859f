"""The One-Euro filter: a low-pass that opens with speed (Casiez, Roussel, Vogel: 1 Euro Filter, CHI 2012).

So a still face does not tremble and a moving one does not lag.
"""

import numpy as np


class OneEuroFilter:
    """Filters a sequence of points (k, 2), one call a frame.

    Parameters
    ----------
    rate : float
        Samples a second.
    min_cutoff : float
        Hz, for a point that stands still: lower is steadier.
    beta : float
        Hz per unit of speed (lengths a second, see `__call__`): higher follows faster. A point in even motion lags by
        at most 1 / (2 pi beta) lengths.
    derivative_cutoff : float
        Hz, for the estimate of speed.
    """

    def __init__(self, rate, min_cutoff=1.5, beta=15.0, derivative_cutoff=1.0):
        self.rate, self.min_cutoff, self.beta, self.derivative_cutoff = rate, min_cutoff, beta, derivative_cutoff
        self._value = self._velocity = None

    def __call__(self, points, length=1.0):
        """The next sample (k, 2), filtered, float64. Speeds are measured in `length`, e.g. the width of the face, so
        that a face near the camera is filtered like one far away."""
        points = np.asarray(points, np.float64)
        if self._value is None:
            self._value, self._velocity = points, np.zeros_like(points)
            return points
        velocity = (points - self._value) * self.rate / length
        self._velocity = self._velocity + self._share(self.derivative_cutoff) * (velocity - self._velocity)
        speed = np.linalg.norm(self._velocity, axis=-1, keepdims=True)
        self._value = self._value + self._share(self.min_cutoff + self.beta * speed) * (points - self._value)
        return self._value

    def _share(self, cutoff):
        """How much of the new sample a low-pass of that cutoff takes: 1 / (1 + rate / (2 pi cutoff))."""
        return 1 / (1 + self.rate / (2 * np.pi * cutoff))
