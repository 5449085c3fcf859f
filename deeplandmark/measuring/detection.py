"""Measuring a cascade on detected faces: how many are found, how many boxes are on none, what a detected box costs."""

import time
from dataclasses import dataclass
from functools import partial

import numpy as np

from deeplandmark.detectors import intersection_over_union
from deeplandmark.faces.datasets.annotation import Problem, face_or_problem
from deeplandmark.faces.datasets.bad_lines import BadLines
from deeplandmark.faces.metrics import detection_error
from deeplandmark.models import looks_option
from deeplandmark.work.in_order import in_order
from deeplandmark.work.progress import Progress

FOUND = 0.5  # overlap with the labelled box from which on the labelled face counts as found


@dataclass(frozen=True)
class DetectedFaces:
    """What `evaluate_detected` found for n faces of a list, in its order.

    Attributes
    ----------
    annotations : tuple of n Annotation
    boxes : tuple of n float32 arrays (m_i, 4): every box of each picture
    overlap : tuple of n float64 arrays (m_i,): of each with the labelled box
    given, detected : float32 (n, k, 2), points from the labelled box and from the detected one, pixels; NaN where the
        labelled face was not found
    seconds : float, of detection alone, summed over the threads
    problems : tuple of Problem, pictures that were skipped
    """
    annotations: tuple
    boxes: tuple
    overlap: tuple
    given: np.ndarray
    detected: np.ndarray
    seconds: float
    problems: tuple = ()

    @property
    def found(self):
        """bool (n,): where some box overlaps the labelled one enough."""
        return np.array([overlap.max(initial=0) >= FOUND for overlap in self.overlap], bool)

    @property
    def box_count(self):
        return sum(map(len, self.boxes))

    def unmatched(self):
        """[(annotation, box (4,), overlap)] of every box that is not on the labelled face; some are on other faces."""
        return [(face, box, float(overlap)) for face, boxes, overlaps in zip(self.annotations, self.boxes, self.overlap)
                for box, overlap in zip(boxes, overlaps) if overlap < FOUND]

    def errors(self, points):
        """Fractions of the labelled box's width (found, k), of `given` or `detected`, where the face was found."""
        found = [face for face, found in zip(self.annotations, self.found) if found]
        widths = [face.bbox.width for face in found]
        return detection_error(points[self.found], [face.landmark_px for face in found], widths)


def evaluate_detected(cascade, detector, annotations, threads):
    """Detects the faces in every picture of a list, and locates the labelled one twice: from its labelled box and from
    the detected box that overlaps it most.

    Parameters
    ----------
    cascade : Cascade
    detector : one of detectors/
    annotations : list of Annotation
    threads : int

    Returns
    -------
    DetectedFaces

    Raises
    ------
    ListError
        If there are no faces, or too many pictures cannot be read (see `BadLines`).
    """
    bad, used = BadLines(len(annotations)), []
    results = in_order(partial(_look, cascade, detector), annotations, threads)
    for result in Progress("pictures", len(annotations), "finding faces").over(results):
        if not bad.takes(result):
            used.append(result)
    faces, boxes, overlap, given, detected, seconds = zip(*used)
    return DetectedFaces(faces, boxes, overlap, np.array(given), np.array(detected), sum(seconds), tuple(bad.problems))


def _look(cascade, detector, face):
    """(face, boxes, overlap, given, detected, seconds); a Problem where its picture cannot be read."""
    image = face_or_problem(face, channels=3)
    if isinstance(image, Problem):
        return image
    start = time.thread_time()
    boxes = detector.detect(image).boxes
    seconds = time.thread_time() - start
    label = face.bbox.as_array()
    overlap = intersection_over_union(label, boxes)[0]
    if overlap.max(initial=0) < FOUND:
        nowhere = np.full((len(cascade.settings.points), 2), np.nan, np.float32)
        return face, boxes, overlap, nowhere, nowhere, seconds
    given, detected = cascade.predict(image, [label, boxes[overlap.argmax()]], **looks_option(cascade, 1))
    return face, boxes, overlap, given, detected, seconds
