"""How many of all labelled faces a detector finds at so many false boxes: recall over false boxes, as FDDB has it."""
from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from deeplandmark.detectors import Detections, intersection_over_union
from deeplandmark.detectors.box_map import fit_edge_shifts
from deeplandmark.faces.box import move_edges
from deeplandmark.faces.datasets.annotation import Problem
from deeplandmark.faces.datasets.bad_lines import BadLines
from deeplandmark.faces.errors import PictureError
from deeplandmark.faces.picture import read_colour
from deeplandmark.measuring.detection import FOUND
from deeplandmark.work.in_order import in_order
from deeplandmark.work.progress import Progress

ENOUGH_TO_FIT = 20     # pairs from which on boxes of another kind are brought to the list's


@dataclass(frozen=True)
class DetectionCurve:
    """What `measure_places` found.

    Attributes
    ----------
    places : tuple of Places, the pictures that could be read
    boxes, scores : tuples of arrays (m, 4) and (m,), of each picture, surest first, in the list's kind of box
    right : tuple of bool arrays (m,), whether a box is the first on some labelled face
    shifts : float64 (4,) or None
        How edges were moved from the detector's to the list's kind of box, fractions of its sides.
    seconds : float, of detection alone
    problems : tuple of Problem
    """
    places: tuple
    boxes: tuple
    scores: tuple
    right: tuple
    shifts: np.ndarray | None
    seconds: float
    problems: tuple = ()

    @property
    def faces(self):
        """How many are labelled."""
        return sum(len(each.boxes) for each in self.places)

    def curve(self):
        """(false boxes, faces found, threshold) as arrays (k,), from the surest box to all: what a threshold on the
        score lets through."""
        scores, right = np.concatenate([np.zeros(0), *self.scores]), np.concatenate([np.zeros(0, bool), *self.right])
        order = np.argsort(-scores, kind="stable")
        scores, right = scores[order], right[order]
        last = np.append(scores[1:] != scores[:-1], True)[:len(scores)]      # equal scores come together
        return np.cumsum(~right)[last], np.cumsum(right)[last], scores[last]

    def recall(self, false_boxes=None):
        """Share of the faces found at no more than so many false boxes, by default at any; NaN without faces."""
        false, found, _ = self.curve()
        allowed = found if false_boxes is None else found[false <= false_boxes]
        return allowed.max(initial=0) / self.faces if self.faces else float("nan")


class StageWindows:
    """The windows that a detector of several stages, MTCNN, lets through to one of its networks, as if they were what
    it finds; all of one score."""

    def __init__(self, detector, network):
        self._detector, self._network = detector, network

    def detect(self, image):
        windows = self._detector.windows(self._network, image)
        return Detections.of(windows, np.zeros(len(windows)))


def measure_stages(detector, places, threads=2):
    """[(name of a network, DetectionCurve of the windows that it lets through)] of those before the last; none for a
    detector without stages."""
    stages = getattr(detector, "stages", ())
    return [(before, measure_places(StageWindows(detector, network), places, threads))
            for before, network in pairwise(stages)]


def measure_places(detector, places, threads=2, fit=True):
    """Looks for the faces of every picture.

    Parameters
    ----------
    detector : one of detectors/
    places : list of Places
    threads : int
    fit : bool
        Bring the boxes to the list's kind, by four numbers fitted to the list itself (see `fit_edge_shifts`): detectors
        frame faces differently, and overlap is to say whether a face is found, not how it is framed.

    Returns
    -------
    DetectionCurve

    Raises
    ------
    ListError
        If too many pictures cannot be read (see `BadLines`).
    """
    bad, used = BadLines(len(places)), []
    results = in_order(partial(_look, detector), enumerate(places, 1), threads)
    for result in Progress("pictures", len(places), "finding faces").over(results):
        if not bad.takes(result):
            used.append(result)
    kept, found, seconds = zip(*used)
    shifts = _shifts(kept, found) if fit else None
    boxes = [each.boxes if shifts is None else move_edges(each.boxes, shifts) for each in found]
    right = tuple(first_on_a_face(each, place.as_array()) for each, place in zip(boxes, kept))
    return DetectionCurve(kept, tuple(boxes), tuple(each.scores for each in found), right, shifts, sum(seconds),
                          tuple(bad.problems))


def first_on_a_face(boxes, faces, least=FOUND):
    """Which of boxes (n, 4), surest first, are right, bool (n,): each overlaps with a face of `faces` (m, 4) by `least`
    or more that no surer one has taken."""
    right, free = np.zeros(len(boxes), bool), np.ones(len(faces), bool)
    overlap = intersection_over_union(boxes, faces) if len(boxes) and len(faces) else np.zeros((len(boxes), 0))
    for i, row in enumerate(overlap):
        allowed = np.where(free, row, 0)
        if allowed.max(initial=0) >= least:
            right[i], free[allowed.argmax()] = True, False
    return right


def _shifts(places, found):
    pairs = [(boxes[i], truth[overlap[i].argmax()])
             for boxes, truth in ((each.boxes, place.as_array()) for each, place in zip(found, places))
             if len(boxes) and len(truth)
             for overlap in (intersection_over_union(boxes, truth),)
             for i in np.flatnonzero(overlap.max(axis=1) >= FOUND / 2)]
    return fit_edge_shifts(*zip(*pairs))[0] if len(pairs) >= ENOUGH_TO_FIT else None


def _look(detector, item):
    """(Places, Detections, seconds), or the Problem."""
    number, place = item
    try:
        image = read_colour(place.path)
    except PictureError as error:
        return Problem(number, str(error))
    start = time.thread_time()
    found = detector.detect(image)
    return place, found, time.thread_time() - start
