"""Pictures through a detector and a system that finds points."""

import os
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from deeplandmark.detectors import Detections, largest
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.many_pictures import PIXELS_HELD, TOGETHER
from deeplandmark.faces.picture import read_upright
from deeplandmark.work.in_order import in_chunks


@dataclass(frozen=True)
class Located:
    """The faces of a picture, or why it could not be read.

    Attributes
    ----------
    path : str
    boxes : float32 (n, 4), left, top, right, bottom, pixels: what the system was given
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
    """A detector and a system that finds points, together. May be used by several threads at once.

    Parameters
    ----------
    system : System (see models/)
    detector : anything with `detect(image)` -> Detections
    max_faces : int or None
        Only the largest ones.
    level : int or None
        The last level to run, of a system that has levels; None is the system's own choice.
    boxes : {absolute path of a picture: [box, ...]} or None
        Boxes given for each picture; the detector is then not asked.
    """

    def __init__(self, system, detector, max_faces=None, level=None, boxes=None):
        self.system, self.detector, self.max_faces = system, detector, max_faces
        self.boxes = None if boxes is None else {str(path): own for path, own in boxes.items()}
        self._real_folder = lru_cache(os.path.realpath)
        self._options = {} if level is None else {"level": level}

    def read(self, paths):
        """`Located` of each of some picture files, in order. Small faces of several pictures go through the networks
        together; few pictures are in memory, however many there are."""
        for group in in_chunks(map(self._look, paths), TOGETHER, _pixels, PIXELS_HELD):
            yield from self._locate_group(group)

    def locate(self, path, image, found):
        """`Located` of a picture in memory, uint8 (h, w, 3), with these `Detections`."""
        faces = self.system.locate(image, found.boxes, **self._options)
        return Located(path, found.boxes, faces.points, faces.confidence, found.scores, image)

    def look(self, path, image):
        """`Located`, without points yet, of a picture in memory, uint8 (h, w, 3)."""
        found = largest(self.detector.detect(image) if self.boxes is None else self._given(path), self.max_faces)
        return Located(path, found.boxes, scores=found.scores, image=image)

    def _look(self, path):
        try:
            return self.look(path, read_upright(path))
        except FacesError as error:
            return Located(path, problem=str(error))

    def _locate_group(self, group):
        """The points of those that have no problem."""
        seen = [(each.image, each.boxes) for each in group if each.problem is None]
        answers = iter(self.system.locate_group(seen, **self._options))
        for each in group:
            faces = None if each.problem is not None else next(answers)
            if isinstance(faces, Exception):
                yield Located(each.path, problem=f"{each.path}: {faces}")
            else:
                yield each if faces is None else replace(each, points=faces.points, confidence=faces.confidence)

    def _given(self, path):
        """`Detections` of the boxes that were given for a picture."""
        folder, name = os.path.split(path)
        here = os.path.join(self._real_folder(folder), name)
        boxes = self.boxes.get(os.path.realpath(here) if os.path.islink(here) else here, ())
        return Detections.of(boxes, np.full(len(boxes), np.nan))


def _pixels(located):
    """Those of the picture that is held."""
    return 0 if located.image is None else located.image.shape[0] * located.image.shape[1]
