"""The frontal face cascades of Haar features that come with OpenCV's wheel (Viola and Jones, CVPR 2001): one searches
the picture, a second one, trained differently, has a look at what it found."""
from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from deeplandmark.detectors.box_map import to_list_boxes
from deeplandmark.detectors.detections import Detections, intersection_over_union, one_per_face
from deeplandmark.detectors.min_face import smallest_share
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.picture_input import grey_picture

# Chosen on 1,500 pictures of the training list. The first cascade alone, asked for 4 agreeing windows, finds 98.4 % of
# the labelled faces, but 8.3 % of its boxes lie elsewhere. With the second one's consent and 6 windows of both together
# it finds 98.3 %, and 3.7 % lie elsewhere, half of them on faces without a label.
SEARCHING, CONFIRMING = "haarcascade_frontalface_default.xml", "haarcascade_frontalface_alt2.xml"
AGREEING_WINDOWS, SAME_FACE = 6, 0.4
STEP = 1.1            # between two sizes that are looked for
SMALLEST_WINDOW = 24  # pixels of the shrunken picture: the size the searching cascade was trained at
MARGIN = 0.3          # around a found box that the second cascade sees, in sides of the box
SIZES = (0.7, 1.4)    # of the face that it looks for there


class HaarDetector:
    """
    Parameters
    ----------
    min_face : float
        Width of the smallest face, as the detector frames it, as a fraction of the picture's shorter side, or, above 1,
        in pixels. Time grows with 1 / min_face squared, and hardly depends on the picture's resolution.
    """
    name = "haar"

    def __init__(self, min_face: float = 0.1) -> None:
        self.min_face = min_face
        self._mine = threading.local()  # an OpenCV classifier keeps the picture it works on

    def detect(self, image: Any) -> Detections:
        """`Detections` of the list's kind of box in a picture (see faces/picture_input.py); the score is the number of
        windows that agreed."""
        found = self.find(image)
        return Detections.of(to_list_boxes(self.name, found.boxes), found.scores)

    def find(self, image: Any) -> Detections:
        """`Detections` as the cascades frame faces."""
        grey = grey_picture(image)
        min_face = smallest_share(self.min_face, grey)
        small = shrink_to(grey, SMALLEST_WINDOW / min_face, min)
        smallest = max(1, round(min_face * min(small.shape)))
        found = zip(*self._search(SEARCHING, small, smallest))
        confirmed = [face for box, windows in found if (face := self._confirm(small, box, windows)) is not None]
        boxes = np.array([box for box, _ in confirmed]).reshape(-1, 4)
        return one_per_face(Detections.of(boxes * _ratio(grey, small), [windows for _, windows in confirmed]))

    def _confirm(self, image, box, windows):
        """The mean of both cascades' boxes and the sum of their windows, or None when they do not agree on a face."""
        side = box[2] - box[0]
        left, top = np.maximum(box[:2] - MARGIN * side, 0).astype(int)
        right, bottom = np.ceil(box[2:] + MARGIN * side).astype(int)
        sizes = (round(size * side) for size in SIZES)
        seconds, counts = self._search(CONFIRMING, image[top:bottom, left:right], *sizes)
        seconds = seconds + [left, top, left, top]
        counts = np.where(intersection_over_union(box, seconds)[0] >= SAME_FACE, counts, 0)
        best = int(counts.argmax()) if len(counts) else 0
        if not counts.any() or windows + counts[best] < AGREEING_WINDOWS:
            return None
        total = windows + counts[best]
        return (windows * box + counts[best] * seconds[best]) / total, total

    def _search(self, file, image, smallest, largest=0):
        """Boxes float64 (n, 4) and the number of windows that agreed on each (n,)."""
        found, windows = self._classifier(file).detectMultiScale2(image, STEP, 1, minSize=(smallest, smallest),
                                                                  maxSize=(largest, largest))
        boxes = np.array(found, np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return boxes, np.array(windows, np.float64).reshape(-1)

    def _classifier(self, file):
        if not hasattr(self._mine, "classifiers"):
            self._mine.classifiers = {name: _load(name) for name in (SEARCHING, CONFIRMING)}
        return self._mine.classifiers[file]


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
    """(4,): from the pixels of the shrunken picture to those of the whole one."""
    return np.tile(np.array(image.shape[1::-1], np.float64) / small.shape[1::-1], 2)


def _load(name):
    """OpenCV's cascade of that name. OpenCV 5 has neither the class nor the files."""
    folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
    classifier = cv2.CascadeClassifier() if hasattr(cv2, "CascadeClassifier") else None
    path = Path(folder, name)
    if classifier is None or not path.is_file() or not classifier.load(str(path)):
        raise FacesError(f"{path}: this OpenCV ({cv2.__version__}) brings no face cascade; install opencv-python 4, or "
                         "give a FaceDetectorYN model or boxes")
    return classifier
