"""Plain bilinear values of a picture, for the tests of layers that look between its cells."""
import math

import numpy as np


def between(x, row, column):
    """Channels (C,) of a picture (C, H, W) at a place, by the four cells around it, those outside 0."""
    total = np.zeros(len(x))
    for r in (math.floor(row), math.floor(row) + 1):
        for c in (math.floor(column), math.floor(column) + 1):
            if 0 <= r < x.shape[1] and 0 <= c < x.shape[2]:
                total += (1 - abs(row - r)) * (1 - abs(column - c)) * x[:, r, c]
    return total


def held(x, row, column):
    """The same with the last row and column going on for one more cell, 0 beyond them and before the first."""
    height, width = x.shape[1:]
    if not (0 <= row < height and 0 <= column < width):
        return np.zeros(len(x))
    return between(x, min(row, height - 1), min(column, width - 1))
