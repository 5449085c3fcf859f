"""Faces of many pictures in one, for an engine that takes one picture a call: a face costs about half as much in a
call for sixteen as in sixteen calls."""
from dataclasses import dataclass

import cv2
import numpy as np

from deeplandmark.networks.windows import surroundings

LONGEST = 512           # pixels of a tile's side: larger faces gain nothing, and would take memory


@dataclass(frozen=True)
class Tile:
    """What windows may see of a picture.

    Attributes
    ----------
    image : uint8 (h, w), grey; beyond the picture's edge its border is repeated, as cutting.py has it
    boxes : (n, 4), in pixels of the tile
    corner : (2,), x and y of the tile's first pixel in the picture
    """
    image: np.ndarray
    boxes: np.ndarray
    corner: np.ndarray


def tile_of(image, boxes, reach):
    """The Tile of a grey picture with its boxes (n, 4), or None without boxes or where it would be too large."""
    if not len(boxes):
        return None
    first, last = surroundings(boxes, reach)
    first, last = np.floor(first), np.ceil(last)
    if not (last - first < LONGEST).all():                       # also where the reach is infinite
        return None
    rows, above, below = _within(int(first[1]), int(last[1]) + 1, image.shape[0])
    columns, before, after = _within(int(first[0]), int(last[0]) + 1, image.shape[1])
    part = image[rows, columns]
    if above or below or before or after:
        part = cv2.copyMakeBorder(part, above, below, before, after, cv2.BORDER_REPLICATE)
    return Tile(part, boxes - np.tile(first, 2), first)


def _within(start, stop, size):
    """The part of start..stop that lies in 0..size, at least one pixel of it, as a slice; how much is missing before
    and after it."""
    inside = slice(min(max(start, 0), size - 1), max(min(stop, size), 1))
    missing = stop - start - (inside.stop - inside.start)
    before = min(max(-start, 0), missing)
    return inside, before, missing - before


def mosaic(tiles):
    """The tiles below one another as one picture, with all of their boxes (n, 4) in it."""
    starts = np.cumsum([0] + [len(tile.image) for tile in tiles])
    image = np.zeros((starts[-1], max(tile.image.shape[1] for tile in tiles)), np.uint8)
    for tile, start in zip(tiles, starts):
        image[start:start + len(tile.image), :tile.image.shape[1]] = tile.image
    return image, np.concatenate([tile.boxes + [0, start, 0, start] for tile, start in zip(tiles, starts)])


def taken_apart(tiles, levels, first):
    """[(levels (n, L, k, 2), first (n, k, 2))] of each tile's faces, in pixels of its picture, from the mosaic's."""
    starts = np.cumsum([0] + [len(tile.image) for tile in tiles])
    stops = np.cumsum([len(tile.boxes) for tile in tiles])[:-1]
    found = zip(tiles, starts, np.split(levels, stops), np.split(first, stops))
    return [(own + tile.corner - [0, start], own_first + tile.corner - [0, start])
            for tile, start, own, own_first in found]
