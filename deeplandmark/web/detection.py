"""The face detector of the web page."""
import threading

import cv2
import numpy as np


class Detector:
    """OpenCV's frontal Haar cascade. May be used by several threads at once."""

    def __init__(self):
        self._mine = threading.local()                            # a CascadeClassifier serves one thread only

    def detect(self, image):
        """Boxes float32 (n, 4): left, top, right, bottom, and scores (n,), of a colour picture."""
        if not hasattr(self._mine, "haar"):
            self._mine.haar = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        scale = min(1.0, 640 / max(grey.shape))
        small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
        found, _, weights = self._mine.haar.detectMultiScale3(small, 1.1, 4, minSize=(24, 24), outputRejectLevels=True)
        corners = np.array(found, np.float32).reshape(-1, 4) / scale
        side, middle = corners[:, 2:] * 0.43, corners[:, :2] + corners[:, 2:] * [0.5, 0.56]
        return np.concatenate([middle - side, middle + side], axis=1), np.array(weights, np.float32).reshape(-1)
