"""A picture and its halves: large pictures made small at little cost."""
from __future__ import annotations

import cv2
import numpy as np

_MOST = 32000          # pixels of a side that OpenCV's remap and warpAffine take


class Halves:
    """A picture uint8 (h, w) or (h, w, 3), halved again and again, each pixel the mean of four; each half is made when
    it is needed, and kept.

    Of a picture of 1920 x 1080 that takes a tenth of the time that averaging over areas takes at once.
    """

    def __init__(self, image: np.ndarray) -> None:
        self.image = image
        self._halves = [image]

    def halved(self, times: int) -> tuple[np.ndarray, int]:
        """The picture halved so many times, or as often as it has two rows and columns, and oftener where it is too
        large for OpenCV; and how often it is."""
        while len(self._halves) <= times or max(self._halves[-1].shape[:2]) > _MOST:
            image = self._halves[-1]
            height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
            if not (height and width):
                break
            self._halves.append(cv2.resize(image[:height, :width], (width // 2, height // 2),
                                           interpolation=cv2.INTER_AREA))
        first = min(times, len(self._halves) - 1)
        return next((image, number) for number, image in enumerate(self._halves)
                    if number >= first and max(image.shape[:2]) <= _MOST)

    def resized(self, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """The picture in `size` (width, height), and how large that is beside the picture, (2,) for x and y."""
        times = int(np.log2(max((np.array(self.image.shape[1::-1]) / size).min(), 1)))
        image, times = self.halved(times)
        ratio = np.array(size) / image.shape[1::-1] / 2 ** times
        if image.shape[1::-1] == tuple(size):
            return image, ratio
        # Where one side grows, OpenCV's averaging would move what it shows.
        shrinks = (np.array(image.shape[1::-1]) >= size).all()
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), ratio

    def window(self, matrix: np.ndarray, size: int) -> np.ndarray:
        """A window (size, size, ...), of which a matrix (2, 3) brings pixels to the picture's, which may be turned; the
        picture's border pixels are repeated outwards."""
        image, times = self.halved(int(np.log2(max(np.hypot(*matrix[:, 0]), 1))))
        # Pixel x of the picture is pixel (x + 0.5) / 2 ** times - 0.5 of its half.
        matrix = matrix / 2 ** times
        matrix[:, 2] += 0.5 / 2 ** times - 0.5
        return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                              borderMode=cv2.BORDER_REPLICATE)
