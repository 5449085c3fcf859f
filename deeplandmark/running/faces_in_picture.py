"""One picture through detector and cascade."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deeplandmark.detectors import GivenBoxes, largest
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.picture import read_upright


@dataclass(frozen=True)
class Located:
    """The faces of a picture, or why it could not be read.

    Attributes
    ----------
    path : str
    boxes : float32 (n, 4), left, top, right, bottom, pixels: what the cascade was given
    points : float32 (n, k, 2), pixels, x then y
    confidence : float32 (n, k), 0..1
    scores : float32 (n,), the detector's; NaN for a box that was given
    image : uint8 (h, w, 3), blue green red, upright
    problem : str or None
    """
    path: str
    boxes: np.ndarray = None
    points: np.ndarray = None
    confidence: np.ndarray = None
    scores: np.ndarray = None
    image: np.ndarray = None
    problem: str = None


class FaceFinder:
    """Detector and cascade together. May be used by several threads at once.

    Parameters
    ----------
    cascade : Cascade
    detector : anything with `detect(image)` -> Detections
    max_faces : int or None
        Only the largest ones.
    level : int
        The last level of the cascade to run.
    boxes : {absolute path of a picture: [box, ...]} or None
        Boxes given for each picture; the detector is then not asked.
    """

    def __init__(self, cascade, detector, max_faces=None, level=3, boxes=None):
        self.cascade, self.detector, self.max_faces, self.level, self.boxes = cascade, detector, max_faces, level, boxes

    def read(self, path):
        """`Located` of a picture file."""
        try:
            image = read_upright(path)
            return self.locate(path, image, largest(self._detector_of(path).detect(image), self.max_faces))
        except FacesError as error:
            return Located(path, problem=str(error))

    def locate(self, path, image, found):
        """`Located` of a picture in memory, uint8 (h, w, 3), with these `Detections`."""
        faces = self.cascade.locate(image, found.boxes, self.level)
        return Located(path, found.boxes, faces.points, faces.confidence, found.scores, image)

    def _detector_of(self, path):
        return self.detector if self.boxes is None else GivenBoxes(self.boxes.get(Path(path).resolve(), ()))
