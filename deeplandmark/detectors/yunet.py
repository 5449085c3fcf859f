"""OpenCV's FaceDetectorYN with a model file of the user's (YuNet; an .onnx of OpenCV's model zoo, not part of this)."""
from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from deeplandmark.detectors.box_map import to_list_detections
from deeplandmark.detectors.detections import Detections
from deeplandmark.detectors.haar import shrink_to
from deeplandmark.detectors.min_face import smallest_share
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.picture_input import colour_picture
from deeplandmark.work.onnx_session import open_session

LEAST_SCORE, MOST_OVERLAP, MOST_FACES = 0.7, 0.3, 5000
SMALLEST_FACE = 10  # pixels of the shrunken picture that the network needs of a face


class YuNetDetector:
    """
    Parameters
    ----------
    model_file : path of the .onnx
    min_face : float
        Width of the smallest face as a fraction of the picture's shorter side, or, above 1, in pixels; larger pictures
        are shrunk until such a face has 10 pixels.

    Raises
    ------
    FacesError
        When there is no such file, or OpenCV cannot read it.
    """
    name = "yunet"

    def __init__(self, model_file: str | os.PathLike[str], min_face: float = 0.02) -> None:
        self.model_file, self.min_face = Path(model_file), min_face
        self._mine = threading.local()  # the network keeps the size of its input
        if not self.model_file.is_file():
            raise FacesError(f"{model_file}: no such detector; there is haar, any .onnx model file of OpenCV's "
                             "FaceDetectorYN, and a folder of MTCNN's networks")
        open_session(self.model_file, error=FacesError)           # of some damaged files OpenCV's reader dies
        self._network()

    def detect(self, image: Any) -> Detections:
        """`Detections` of the list's kind of box in a picture (see faces/picture_input.py), made from the five points,
        which are told, too; the score is the network's, 0..1."""
        return to_list_detections(self.name, self.find(image))

    def find(self, image: Any) -> Detections:
        """`Detections` as the network frames faces."""
        image = colour_picture(image)
        small = shrink_to(image, SMALLEST_FACE / smallest_share(self.min_face, image), min)
        network = self._network()
        network.setInputSize(small.shape[1::-1])
        _, rows = network.detect(small)
        rows = np.zeros((0, 15)) if rows is None else np.asarray(rows, np.float64)
        ratio = np.array(image.shape[1::-1], np.float64) / small.shape[1::-1]
        boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1) * np.tile(ratio, 2)
        return Detections.of(boxes, rows[:, -1], rows[:, 4:14].reshape(-1, 5, 2) * ratio)

    def _network(self):
        if not hasattr(self._mine, "network"):
            try:
                self._mine.network = cv2.FaceDetectorYN.create(str(self.model_file), "", (320, 320), LEAST_SCORE,
                                                               MOST_OVERLAP, MOST_FACES)
            except cv2.error as error:
                raise FacesError(f"{self.model_file}: not a model that FaceDetectorYN can read ({error.err})") from None
        return self._mine.network
