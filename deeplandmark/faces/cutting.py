"""Cutting a window out of a picture and resampling it to a network's input size.

Two rules exist, and a model folder says which one its networks were trained with (`cascade.json`, "cutting"):

``area``
    Ours. Each pixel of the patch is the mean of the picture over a rectangle centred on that pixel's place, as large as
    the pixel's own cell or one picture pixel, whichever is larger. Shrinking, that is exact area averaging (no
    aliasing, whatever the picture's resolution); enlarging, it is bilinear interpolation. Window edges are not rounded.
``truncate``
    The original's: `img[int(top):int(bottom)+1, int(left):int(right)+1]`, then bilinear `cv2.resize`.

Where a window reaches over the picture's edge, ``area`` sees the picture's border pixels repeated outwards and
``truncate`` clips the window to the picture.

Coordinates: pixel i covers i-0.5 .. i+0.5, so a point at (0, 0) is the middle of the first pixel.
"""
from dataclasses import dataclass

import cv2
import numpy as np

from deeplandmark.work.patch_variance import FLAT

RULES = ("area", "truncate")


def cut(image, window, size, rule="area"):
    """The part of a picture inside a window, resampled.

    Parameters
    ----------
    image : uint8 array, shape (h, w) grey or (h, w, 3) colour
    window : sequence of 4 floats
        left, top, right, bottom in pixels; may reach over the edge of the picture.
    size : (rows, columns) of the patch.
    rule : "area" or "truncate"

    Returns
    -------
    float32 array, shape (rows, columns) or (rows, columns, 3), in the picture's 0..255.

    Raises
    ------
    ValueError
        If the window has no area or the rule is unknown.
    """
    left, top, right, bottom = (float(edge) for edge in window)
    if not (right > left and bottom > top):
        raise ValueError(f"window {left, top, right, bottom} has no area")
    if rule == "area":
        return _cut_area(image, (left, top, right, bottom), size)
    if rule == "truncate":
        return _cut_truncate(image, (left, top, right, bottom), size)
    raise ValueError(f"unknown cutting rule {rule!r} (known: {', '.join(RULES)})")


def _cut_area(image, window, size):
    left, top, right, bottom = window
    first_row, by_row = area_weights(top, bottom, size[0], image.shape[0])
    first_column, by_column = area_weights(left, right, size[1], image.shape[1])
    part = image[first_row:first_row + by_row.shape[1], first_column:first_column + by_column.shape[1]]
    part = part.astype(np.float32)
    if part.ndim == 2:
        return by_row @ part @ by_column.T
    return np.stack([by_row @ part[..., channel] @ by_column.T for channel in range(part.shape[2])], axis=-1)


def area_weights(start, stop, count, length):
    """One axis of the ``area`` rule: which picture pixels a patch pixel averages, and with what weight.

    Parameters
    ----------
    start, stop : float
        The window's edges on this axis, pixels.
    count : int
        Patch pixels on this axis.
    length : int
        Picture pixels on this axis.

    Returns
    -------
    first : int
        The first picture pixel used.
    weights : float32 array, shape (count, used)
        Rows sum to 1.
    """
    cell = (stop - start) / count
    middle = start + (np.arange(count) + 0.5) * cell
    half = max(cell, 1.0) / 2
    first = int(np.clip(np.floor(start - 1.0), 0, length - 1))
    last = int(np.clip(np.ceil(stop + 1.0), first, length - 1))
    edges = np.arange(first, last + 2) - 0.5
    # The outermost pixels stand for everything beyond them: the border, repeated.
    edges[0], edges[-1] = -np.inf, np.inf
    inside = np.clip(edges, (middle - half)[:, None], (middle + half)[:, None])
    return first, (np.diff(inside, axis=1) / (2 * half)).astype(np.float32)


def _cut_truncate(image, window, size):
    height, width = image.shape[:2]
    left, top, right, bottom = (int(edge) for edge in window)      # towards zero, as Python's int does
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    right, bottom = min(max(right, left), width - 1), min(max(bottom, top), height - 1)
    part = image[top:bottom + 1, left:right + 1]
    return cv2.resize(part, (size[1], size[0]), interpolation=cv2.INTER_LINEAR).astype(np.float32)


@dataclass(frozen=True)
class Normalisation:
    """How the values of a patch become those that a network is given.

    Attributes
    ----------
    mean, deviation : float or None
        (x - mean) / deviation, the same for every patch; None: (x - its mean) / sqrt(its variance + FLAT), each patch
        by itself, all of its channels together.
    """
    mean: float | None = None
    deviation: float | None = None

    def __post_init__(self):
        numbers = np.array([number for number in (self.mean, self.deviation) if number is not None], np.float32)
        if numbers.size not in (0, 2) or not np.isfinite(numbers).all() or not (numbers[1:] > 0).all():
            raise ValueError(f"normalisation: a mean of {self.mean} and a deviation of {self.deviation}")

    def apply(self, patch):
        """A patch (channels, rows, columns), normalised: float32."""
        if self.mean is not None:
            return (patch - np.float32(self.mean)) / np.float32(self.deviation)
        patch = patch - patch.mean()
        return patch / np.sqrt(patch.var() + np.float32(FLAT))

    def to_json(self):
        """What a model folder's JSON file says of it: words, or the two numbers."""
        return _WORDS if self.mean is None else {"mean": self.mean, "deviation": self.deviation}

    @classmethod
    def from_json(cls, value):
        return cls() if value == _WORDS else cls(**value)


EACH_PATCH = Normalisation()
_WORDS = f"each patch: (x - mean) / sqrt(variance + {FLAT:.4f})"
