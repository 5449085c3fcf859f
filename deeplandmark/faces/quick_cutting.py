"""Many windows of a picture at once, resampled to one size: quicker than `cutting.cut` by far, and nearly as smooth.

A window is read by bilinear interpolation from the picture, halved as often as it can be without becoming smaller than
what the window is resampled to: one pixel of the result lies 1 to 2 pixels from the next. Coordinates are those of
cutting.py; beyond the picture all is black.
"""
from __future__ import annotations

import cv2
import numpy as np

from deeplandmark.faces.halves import Halves

_MOST = 32000          # rows that OpenCV's remap makes


class WindowCutter(Halves):
    """Cuts windows out of one picture, uint8 (h, w) or (h, w, 3)."""

    def cut(self, windows: np.ndarray, size: int) -> np.ndarray:
        """Windows (n, 4) - left, top, right, bottom, pixels, with an area - as uint8 (n, size, size[, 3])."""
        windows = np.array(windows, np.float64).reshape(-1, 4)
        found = np.empty((len(windows), size, size, *self.image.shape[2:]), np.uint8)
        sides = (windows[:, 2:] - windows[:, :2]).min(axis=1)
        wanted = np.floor(np.log2(np.maximum(sides / size, 1))).astype(int)
        for times in np.unique(wanted):
            chosen, (image, halvings) = np.flatnonzero(wanted == times), self.halved(times)
            for part in np.array_split(chosen, -(-len(chosen) * size // _MOST)):
                found[part] = _remapped(image, (windows[part] + 0.5) / 2 ** halvings - 0.5, size)
        return found


def _remapped(image, windows, size):
    """uint8 (n, size, size[, 3]) of windows (n, 4), by bilinear interpolation."""
    steps = (np.arange(size) + 0.5) / size
    x = windows[:, :1] + steps * (windows[:, 2:3] - windows[:, :1])              # (n, size)
    y = windows[:, 1:2] + steps * (windows[:, 3:4] - windows[:, 1:2])
    shape = (len(windows), size, size)
    x = np.broadcast_to(x[:, None, :], shape).reshape(-1, size).astype(np.float32)
    y = np.broadcast_to(y[:, :, None], shape).reshape(-1, size).astype(np.float32)
    found = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return found.reshape(*shape, *image.shape[2:])
