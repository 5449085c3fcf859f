"""Where faces may be that nobody labelled: the training must not learn that they are none.

A list of faces has one or some of a picture; others stay unlabelled. A detector that is asked for too much rather than
too little says where they may be; it looks at the whole picture, and at four overlapping quarters for small faces.
"""
import hashlib
import json
from functools import partial
from pathlib import Path

import numpy as np

from deeplandmark.detector_training.pictures import picture_or_problem
from deeplandmark.detectors.blazeface import BlazeFaceDetector
from deeplandmark.detectors.haar import HaarDetector
from deeplandmark.faces.datasets.annotation import Problem
from deeplandmark.work.in_order import in_chunks, in_order
from deeplandmark.work.progress import Progress
from deeplandmark.work.whole_file import write_text

LEAST_SCORE = 0.15     # of BlazeFace: from here on it may be a face
QUARTER = 0.6          # of the picture's sides: the quarters overlap
CHUNK = 500            # pictures after which what is known is written down
BLAZEFACE, HAAR = "BlazeFace, full range", "Haar"


class Suspects:
    """Boxes (n, 4), float64, of suspected faces by picture: `suspects(path)`; none for a picture nobody looked at.

    Attributes
    ----------
    found_by : str
        The detector.
    """

    def __init__(self, found_by, boxes=()):
        self.found_by, self._boxes = found_by, dict(boxes)

    def __call__(self, path):
        return np.array(self._boxes.get(str(path), ()), np.float64).reshape(-1, 4)

    def __contains__(self, path):
        return str(path) in self._boxes

    def add(self, path, boxes):
        """What was found in a picture, rounded to tenths of pixels."""
        self._boxes[str(path)] = np.round(np.asarray(boxes, np.float64), 1).tolist()

    @property
    def count(self):
        """Of boxes in all pictures."""
        return sum(map(len, self._boxes.values()))

    @property
    def fingerprint(self):
        """Changes when anything else is suspected."""
        return hashlib.sha256(self._text().encode()).hexdigest()

    def save(self, path):
        """Writes the file that `load` reads."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_text(path, self._text(), durable=False)

    @classmethod
    def load(cls, path):
        """Those of a file; None where there is none, or not a whole one."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(content["found_by"], content["boxes"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _text(self):
        return json.dumps({"found_by": self.found_by, "boxes": self._boxes})


def find_suspects(pictures, file, jobs=None):
    """Looks for faces in every picture that has labelled ones, BlazeFace where it is installed (extra [annotate]),
    else Haar; goes on from what the file holds already, and writes it from time to time.

    Parameters
    ----------
    pictures : list of Picture
    file : path
        JSON.
    jobs : int, optional
        Threads; by default every core.

    Returns
    -------
    Suspects
    """
    found_by, find = _finder()
    suspects = Suspects.load(file)
    if suspects is None or suspects.found_by != found_by:
        suspects = Suspects(found_by)
    todo = [picture for picture in pictures if picture.faces and picture.path not in suspects]
    results = in_order(partial(_look, find), todo, jobs)
    shown = zip(todo, Progress("pictures", len(todo), "faces without a label").over(results))
    for chunk in in_chunks(shown, CHUNK):
        for picture, boxes in chunk:
            suspects.add(picture.path, boxes)
        suspects.save(file)
    return suspects


def _finder():
    """The name of what looks for faces, and a function image -> boxes (n, 4)."""
    try:
        detector = BlazeFaceDetector(LEAST_SCORE)
    except ImportError:
        detector = HaarDetector(0.05)
        return HAAR, lambda image: detector.find(image).boxes
    return BLAZEFACE, partial(_in_parts, detector)


def _in_parts(detector, image):
    """Boxes (n, 4) that a detector finds in a picture and in its quarters."""
    height, width = image.shape[:2]
    found = [detector.find(image).boxes]
    for top, bottom in ((0, QUARTER), (1 - QUARTER, 1)):
        for left, right in ((0, QUARTER), (1 - QUARTER, 1)):
            x, y = int(left * width), int(top * height)
            part = image[y:max(int(bottom * height), y + 1), x:max(int(right * width), x + 1)]
            found.append(detector.find(part).boxes + np.array([x, y, x, y], np.float32))
    return np.concatenate(found)


def _look(find, picture):
    """What is suspected in a picture; nothing in one that cannot be read, which the making of samples names."""
    image = picture_or_problem(picture, 0)
    return np.zeros((0, 4)) if isinstance(image, Problem) else find(image)
