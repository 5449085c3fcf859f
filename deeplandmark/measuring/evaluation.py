"""Running a cascade over the faces of a list and measuring its errors at every level."""
import time
from dataclasses import dataclass, replace
from functools import partial
from os.path import commonpath

import numpy as np

from deeplandmark.faces.datasets.annotation import face_or_problem
from deeplandmark.faces.datasets.bad_lines import BadLines
from deeplandmark.faces.errors import ListError
from deeplandmark.faces.metrics import (
    FAILURE,
    detection_error,
    face_confidence,
    interocular_error,
    mean_error,
    rejection_curve,
    reliability,
)
from deeplandmark.faces.points import FIVE_POINTS, Points
from deeplandmark.faces.poses import pose_subsets
from deeplandmark.models import looks_option
from deeplandmark.work.in_order import in_order
from deeplandmark.work.progress import Progress

_AHEAD = 16        # pictures decoded before they are needed
_MOST_SUBSETS = 8  # more folders than that are no collections of pictures, but e.g. a folder a person


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found for n faces, L levels and k points.

    Attributes
    ----------
    annotations : tuple of n Annotation
    predicted : float32 array (n, L, k, 2)
        Pixels, after each level.
    first : float32 array (n, k, 2) or None
        Pixels, network F alone.
    confidence : float32 array (n, k) or None
    ms_per_face : float
        Milliseconds in `cascade.locate`, decoding excluded, mean over the faces.
    problems : tuple of Problem
        Lines that were skipped.
    points : Points
    looks : int array (n,) or None
        How often each face was looked at.
    offsets : float64 array (k, 2) or None
        Right and down, in box widths: what was taken off every prediction (see five_of_more.py).
    made_of : Points or None
        What the points were made of, if not of themselves.
    """
    annotations: tuple
    predicted: np.ndarray
    first: np.ndarray
    confidence: np.ndarray
    ms_per_face: float
    problems: tuple = ()
    points: Points = FIVE_POINTS
    looks: np.ndarray = None
    offsets: np.ndarray = None
    made_of: Points = None

    def __len__(self):
        return len(self.annotations)

    @property
    def level_count(self):
        return self.predicted.shape[1]

    @property
    def is_usual(self):
        """Whether the points are the usual five, of which the original and the paper tell."""
        return self.points == FIVE_POINTS

    @property
    def names(self):
        """The points' names, as they are shown."""
        return self.points.shown

    @property
    def truth(self):
        """float64 (n, k, 2), pixels; NaN where a point is not visible."""
        return np.array([face.landmark_px for face in self.annotations])

    @property
    def errors(self):
        """float64 (n, L, k), fractions of the box width."""
        return np.stack([self._errors(self.predicted[:, i]) for i in range(self.level_count)], axis=1)

    @property
    def first_errors(self):
        """float64 (n, k), fractions of the box width, of network F alone; None where the cascade does not tell."""
        return None if self.first is None else self._errors(self.first)

    @property
    def interocular_errors(self):
        """float64 (n, L, k), fractions of the true distance of the pupils (points 0 and 1)."""
        return np.stack([interocular_error(self.predicted[:, i], self.truth) for i in range(self.level_count)], axis=1)

    @property
    def first_interocular_errors(self):
        """float64 (n, k), or None."""
        return None if self.first is None else interocular_error(self.first, self.truth)

    @property
    def reliability(self):
        """`metrics.Reliability` of the points' confidence, right meaning within FAILURE; None without confidence."""
        if self.confidence is None:
            return None
        wrong = self._wrong
        known = ~np.isnan(wrong)
        return reliability(self.confidence[known], wrong[known] == 0)

    def rejection(self, rejected):
        """Share of failures (points further off than FAILURE) among the faces kept when the least confident are
        rejected: float64 (m,) for shares `rejected` (m,) of the faces; None without confidence."""
        if self.confidence is None:
            return None
        return rejection_curve(face_confidence(self.confidence), self._wrong, rejected)

    def best_rejection(self, rejected):
        """As `rejection`, were the faces with most failures known and rejected first."""
        return rejection_curve(-mean_error(self._wrong, axis=1), self._wrong, rejected)

    @property
    def subsets(self):
        """{name: Evaluation} of the parts of the list whose pictures lie in different folders, named by the first
        folder in which their paths differ; empty when there is one, or more than a few."""
        folders = [face.path.parent.absolute() for face in self.annotations]
        common = commonpath(folders)
        names = np.array([(*folder.relative_to(common).parts, ".")[0] for folder in folders])
        found = sorted(set(names))
        return {name: self._part(names == name) for name in found} if 1 < len(found) <= _MOST_SUBSETS else {}

    @property
    def poses(self):
        """{name: Evaluation} of the faces of each pose (see poses.py) that there are; empty for points of one's own."""
        found = pose_subsets(self.truth) if self.is_usual else {}
        return {name: self._part(chosen) for name, chosen in found.items() if chosen.any()}

    def _part(self, chosen):
        return replace(self, annotations=tuple(face for face, yes in zip(self.annotations, chosen) if yes), problems=(),
                       predicted=self.predicted[chosen], first=None if self.first is None else self.first[chosen],
                       confidence=None if self.confidence is None else self.confidence[chosen],
                       looks=None if self.looks is None else self.looks[chosen])

    @property
    def _wrong(self):
        """float64 (n, k), 0 or 1; NaN for a point that is not visible."""
        errors = self.errors[:, -1]
        return np.where(np.isnan(errors), np.nan, errors > FAILURE)

    def _errors(self, points_px):
        return detection_error(points_px, self.truth, [face.bbox.width for face in self.annotations])


def evaluate(cascade, annotations, problems=(), looks=1):
    """Locates every face of a list, one at a time.

    Parameters
    ----------
    cascade : Cascade, or another system
        One without levels has a single one.
    annotations : list of Annotation
    problems : list of Problem
        Lines of the list that could not be read, to be told of with the pictures that cannot.

    looks : 1, 2 or "auto"
        How often a face is looked at, of a system that may look again.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        For 2 looks of a system that looks once.
    ListError
        When too many pictures cannot be read (see `BadLines`), or there are no faces; and when a predicted point is
        not finite, naming the line.
    """
    annotations, options = list(annotations), looks_option(cascade, looks)
    bad = BadLines(len(annotations))
    used, found, seconds = [], [], 0.0
    read = partial(face_or_problem, channels=cascade.settings.channels)
    pictures = in_order(read, annotations, jobs=1, ahead=_AHEAD)
    for face, image in Progress("faces", len(annotations), "evaluating").over(zip(annotations, pictures)):
        if bad.takes(image):
            continue
        faces, took = _locate(cascade, face, image, options, warm_up=not used)
        used.append(face)
        found.append(faces)
        seconds += took
    return _collect(used, found, seconds, (*problems, *bad.problems), cascade.settings.points)


def spread(annotations, limit):
    """At most `limit` of the annotations, spread evenly over the list, in its order."""
    if limit >= len(annotations):
        return list(annotations)
    return [annotations[i * len(annotations) // limit] for i in range(limit)]


def _locate(cascade, face, image, options, warm_up):
    """(Faces, seconds). The very first call may build buffers, so it is made once more before the clock runs."""
    box = face.bbox.as_array()[None]
    if warm_up:
        cascade.locate(image, box, **options)
    start = time.perf_counter()
    faces = cascade.locate(image, box, **options)
    took = time.perf_counter() - start
    if not np.isfinite(_levels(faces)).all():
        raise ListError(f"{face.list_file}:{face.line}: the cascade predicts a point that is not finite")
    return faces, took


def _levels(faces):
    """Points after each level, (n, L, k, 2)."""
    return getattr(faces, "levels", faces.points[:, None])


def _collect(used, found, seconds, problems, points):
    first = None
    if getattr(found[0], "first", None) is not None:
        first = np.concatenate([faces.first for faces in found])
    confidence = None if found[0].confidence is None else np.concatenate([faces.confidence for faces in found])
    looks = None
    if getattr(found[0], "looks", None) is not None:
        looks = np.concatenate([faces.looks for faces in found])
    return Evaluation(tuple(used), np.concatenate([_levels(faces) for faces in found]), first, confidence,
                      1000 * seconds / len(used), problems, points, looks)
