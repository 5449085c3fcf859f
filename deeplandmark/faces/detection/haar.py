"""The frontal face cascade of Haar features that comes with OpenCV's wheel (Viola and Jones, CVPR 2001)."""

import threading
from pathlib import Path

import cv2
import numpy as np

from ..errors import FacesError
from .box_map import to_list_boxes
from .detections import Detections

# Chosen on every tenth face of the training list among the wheel's frontal cascades, steps of 1.1 and 1.2 and 2 to 10
# agreeing windows: the most faces found at less than 3 % of boxes that are none.
CASCADE_FILE, STEP, AGREEING_WINDOWS = "haarcascade_frontalface_alt2.xml", 1.1, 4
SMALLEST_WINDOW = 24  # pixels, of the shrunken picture; the cascade file itself starts at 20


class HaarDetector:
    """
    Parameters
    ----------
    min_face : float
        Width of the smallest face, as the detector frames it, as a fraction of the picture's shorter side. Time grows
        with 1 / min_face squared, and does not depend on the picture's resolution.
    """
    name = "haar"

    def __init__(self, min_face=0.1):
        self.min_face = min_face
        self._mine = threading.local()  # an OpenCV classifier keeps the picture it works on

    def detect(self, image):
        """`Detections` of the list's kind of box; the score is the number of windows that agreed."""
        found = self.find(image)
        return Detections.of(to_list_boxes(self.name, found.boxes), found.scores)

    def find(self, image):
        """`Detections` as the cascade frames faces."""
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        small = shrink_to(grey, SMALLEST_WINDOW / self.min_face, min)
        smallest = max(1, round(self.min_face * min(small.shape)))
        found, agreeing = self._classifier().detectMultiScale2(small, STEP, AGREEING_WINDOWS,
                                                               minSize=(smallest, smallest))
        boxes = np.array(found, np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return Detections.of(boxes * np.tile(_ratio(grey, small), 2), agreeing)

    def _classifier(self):
        if not hasattr(self._mine, "classifier"):
            self._mine.classifier = _load(Path(cv2.data.haarcascades, CASCADE_FILE))
        return self._mine.classifier


def shrink_to(image, side, which):
    """The picture with `which` (min or max) of its sides brought down to `side` pixels; a smaller one stays as it is.

    Averages areas: a detector that steps over the pixels of a large picture would see their noise.
    """
    height, width = image.shape[:2]
    factor = side / which(height, width)
    if factor >= 1:
        return image
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _ratio(image, small):
    return np.array(image.shape[1::-1], np.float64) / small.shape[1::-1]


def _load(path):
    classifier = cv2.CascadeClassifier()
    if not path.is_file() or not classifier.load(str(path)):
        raise FacesError(f"{path}: this OpenCV brings no face cascade; install opencv-python 4, or give a "
                         "FaceDetectorYN model or boxes")
    return classifier
