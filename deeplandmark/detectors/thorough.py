"""A detector that looks at a picture in several orientations, for pictures that are turned or hard."""
from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from deeplandmark.detectors.detections import Detections, one_per_face
from deeplandmark.faces.box_of_points import boxes_of_points
from deeplandmark.faces.picture_input import uint8_picture

ANGLES = (0, 45, -45, 90, -90, 180)    # degrees that the picture is turned by


class ThoroughDetector:
    """What another detector finds in a picture that is turned step by step; of a face that is found several times the
    surest answer.

    Parameters
    ----------
    detector : object with `detect(image)` -> Detections
    """

    def __init__(self, detector: Any) -> None:
        self.detector, self.name = detector, detector.name

    def detect(self, image: Any) -> Detections:
        """`Detections` of the list's kind of box in a picture (see faces/picture_input.py): upright ones, also of
        turned faces; the score is the detector's."""
        image = uint8_picture(image)
        found = [self._turned(image, angle) for angle in ANGLES]
        points = None if any(each.points is None for each in found) else np.concatenate([f.points for f in found])
        return one_per_face(Detections.of(np.concatenate([each.boxes for each in found]),
                                          np.concatenate([each.scores for each in found]), points))

    def _turned(self, image, angle):
        """What is found in the picture turned by `angle`, as of the picture itself."""
        if not angle:
            return self.detector.detect(image)
        matrix, size = _turn(image.shape[1::-1], angle)
        found = self.detector.detect(cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR))
        back = cv2.invertAffineTransform(matrix)
        if found.points is None:
            middle = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2 @ back[:, :2].T + back[:, 2]
            half = (found.boxes[:, 2:] - found.boxes[:, :2]) / 2
            return Detections(np.concatenate([middle - half, middle + half], axis=1), found.scores)
        points = found.points @ back[:, :2].T + back[:, 2]
        return Detections(boxes_of_points(points).reshape(-1, 4), found.scores, points)


def _turn(sides, angle):
    """The matrix (2, 3) that turns a picture of those sides (width, height) and the size of what holds all of it."""
    middle = (np.array(sides) - 1) / 2
    matrix = cv2.getRotationMatrix2D(tuple(middle.tolist()), angle, 1)
    size = np.ceil(np.abs(matrix[:, :2]) @ sides - 1e-6).astype(int)
    matrix[:, 2] += (size - 1) / 2 - middle
    return matrix, tuple(size.tolist())
