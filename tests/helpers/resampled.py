"""Resample of FlowNet2 as loops over cells."""
import math

import numpy as np


def resampled(x, size, kind, antialias):
    """As the fork's loops over the cells around each place have it, in float64."""
    triangle = kind == "LINEAR"
    (height, width), top = x.shape[2:], np.zeros((*x.shape[:2], *size))
    fy, fx = height / size[0], width / size[1]
    antialias = antialias and (fx > 1 or fy > 1)
    ax, ay = (1 / (f if antialias else 1) for f in (fx, fy))
    rx, ry = (2 if f < 1 else math.ceil((2 if triangle else 4) / a) for f, a in ((fx, ax), (fy, ay)))

    def kernel(t):
        t = abs(t)
        if triangle:
            return max(0.0, 1 - t)
        if t <= 1:
            return t * t * (1.5 * t - 2.5) + 1
        return t * (t * (-0.5 * t + 2.5) - 4) + 2 if t < 2 else 0.0

    def nearest(place):
        return math.floor(abs(place) + 0.5) * (1 if place >= 0 else -1)
    for row, column in np.ndindex(size):
        at_x, at_y = column * fx + fy / 2 - 0.5, row * fy + fx / 2 - 0.5
        if kind == "NEAREST":
            top[:, :, row, column] = x[:, :, min(max(nearest(at_y), 0), height - 1),
                                       min(max(nearest(at_x), 0), width - 1)]
            continue
        total = 0.0
        for r in range(nearest(at_y) - ry, nearest(at_y) + ry + 1):
            for c in range(nearest(at_x) - rx, nearest(at_x) + rx + 1):
                if 0 <= r < height and 0 <= c < width:
                    share = ax * kernel(ax * (at_x - c)) * ay * kernel(ay * (at_y - r))
                    top[:, :, row, column] += share * x[:, :, r, c]
                    total += share
        top[:, :, row, column] /= total or 1
    return top
