"""The levels of a picture that MTCNN's first network looks at, several of them side by side on one sheet.

The network slides a window over whatever it is given, so that one run over a sheet does for all levels on it. Each
level has a black margin, for faces that the picture's edge cuts off.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from deeplandmark.detectors.min_face import smallest_share
from deeplandmark.faces.quick_cutting import WindowCutter

WINDOW, STRIDE = 12, 2  # of the first network, pixels
FACTOR = 0.709         # between two levels
MARGIN = 4             # pixels of a level; even, or its windows would lie between those of the sheet
LEAST = 9              # pixels of the last level's shorter side, at least: a face that fills the picture
MOST = 1 << 20         # pixels of a sheet; a larger level has one of its own


@dataclass
class Sheet:
    """Levels side by side.

    Attributes
    ----------
    levels : list of (level (h, w, 3), its size / the picture's (2,), left, top)
        Where each lies, its margin included.
    width, height : int, even
    """
    levels: list = field(default_factory=list)
    width: int = 0
    height: int = 0
    _shelves: list = field(default_factory=list)    # [top, height, width that is taken]

    def add(self, level: np.ndarray, ratio: np.ndarray) -> None:
        """Puts a level, no larger than those before, where there is room, or below all of them."""
        height, width = _even(level.shape[0] + 2 * MARGIN), _even(level.shape[1] + 2 * MARGIN)
        self.width = max(self.width, width)
        shelf = next((each for each in self._shelves if each[2] + width <= self.width and height <= each[1]), None)
        if shelf is None:
            shelf = [self.height, height, 0]
            self._shelves.append(shelf)
            self.height += height
        self.levels.append((level, ratio, shelf[2], shelf[0]))
        shelf[2] += width

    def image(self) -> np.ndarray:
        """uint8 (height, width, 3)."""
        image = np.zeros((self.height, self.width, 3), np.uint8)
        for level, _, left, top in self.levels:
            image[top + MARGIN:top + MARGIN + level.shape[0], left + MARGIN:left + MARGIN + level.shape[1]] = level
        return image

    def in_picture(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of windows (n, 4) on the sheet lie inside one level and its margin, bool (n,); and these, float64
        (m, 4), in pixels of the picture."""
        inside, boxes = np.zeros(len(windows), bool), np.zeros((len(windows), 4))
        lefts, tops, rights, bottoms = windows.T
        for level, ratio, left, top in self.levels:
            right, bottom = left + _even(level.shape[1] + 2 * MARGIN), top + _even(level.shape[0] + 2 * MARGIN)
            here = (lefts >= left) & (tops >= top) & (rights <= right) & (bottoms <= bottom)
            inside |= here
            boxes[here] = (windows[here] - np.tile([left, top], 2) - MARGIN) / np.tile(ratio, 2) - 0.5
        return inside, boxes[inside]


def pyramid(cutter: WindowCutter, min_face: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Levels of a picture (h, w, 3), each 0.709 times as large: the first shows the smallest face, `min_face` of the
    shorter side, 12 pixels wide; in the last the shorter side has at least 9. Yields (level, its size / the picture's,
    (2,) for x and y)."""
    sides = np.array(cutter.image.shape[1::-1], np.float64)
    scale = WINDOW / max(smallest_share(min_face, cutter.image) * sides.min(), WINDOW)
    level, _ = cutter.halved(int(np.log2(1 / scale)))            # averaging a large picture over any areas takes long
    while sides.min() * scale >= LEAST:
        size = np.ceil(sides * scale).astype(int)
        level = cv2.resize(level, size, interpolation=cv2.INTER_AREA)
        yield level, size / sides
        scale *= FACTOR


def sheets(cutter: WindowCutter, min_face: float) -> list[Sheet]:
    """All levels of a picture, on as many sheets as they need."""
    found: list[Sheet] = []
    for level, ratio in pyramid(cutter, min_face):
        if not found or found[-1].width * found[-1].height + level.size // 3 > MOST:
            found.append(Sheet())
        found[-1].add(level, ratio)
    return found


def _even(number):
    return number + number % 2
