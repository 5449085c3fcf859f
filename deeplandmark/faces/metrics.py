"""How good points are: detection error, failures, cumulative curves; how true confidences are. Functions of arrays.

Three normalisers are in use, and a number means nothing without the name of its own: the width of the face box (the
paper's), the distance of the pupils and that of the outer eye corners (other papers').
"""
from dataclasses import dataclass

import numpy as np

BOX_WIDTH, PUPILS = "width of the face box", "distance of the pupils"
OUTER_CORNERS = "distance of the outer eye corners"
FAILURE = 0.05              # of the box width (paper, Sec. 5.1)
INTEROCULAR_FAILURE = 0.10  # of the distance of the pupils, as usual with that normaliser
BINS = 15                   # of a reliability diagram, as usual


def detection_error(predicted, truth, box_width):
    """Detection error of each facial point (paper, Eq. 2): ||truth - predicted|| / l.

    Parameters
    ----------
    predicted, truth : float array, shape (..., k, 2)
        (x, y) in pixels of the picture; a truth of NaN is a point that is not visible.
    box_width : float array, shape (...)
        l, the width of each face box in pixels.

    Returns
    -------
    float64 array, shape (..., k)
        Fraction of the box width; NaN where a point is not visible, infinite where a prediction is no number.

    Raises
    ------
    ValueError
        If the shapes do not fit or a box has no width.
    """
    return _distance(predicted, truth) / _positive(box_width, "box width")[..., None]


def interocular_error(predicted, truth, eyes=(0, 1)):
    """As `detection_error`, as a fraction of the true distance between the two `eyes`, a point each or several, whose
    mean counts: float64 (..., k). NaN, too, where the two eyes are one point, or one is not visible."""
    truth = np.asarray(truth, dtype=np.float64)
    left, right = (truth[..., np.atleast_1d(eye), :].mean(axis=-2) for eye in eyes)
    between = np.linalg.norm(right - left, axis=-1)
    return _distance(predicted, truth) / np.where(between > 0, between, np.nan)[..., None]


def failure_rate(errors, threshold=FAILURE, axis=0):
    """Share of `errors` above `threshold` along an axis, of those that are numbers: points that are not visible are
    left out; NaN where there are none."""
    errors = np.asarray(errors)
    return mean_error(np.where(np.isnan(errors), np.nan, errors > threshold), axis)


def mean_error(errors, axis=0):
    """Mean along an axis of those `errors` that are numbers: points that are not visible are left out; NaN where there
    are none."""
    known = ~np.isnan(errors)
    with np.errstate(invalid="ignore"):
        return np.where(known, errors, 0).sum(axis=axis) / known.sum(axis=axis)


def cumulative_curve(errors, thresholds):
    """Share of all `errors` (any shape; NaN is left out) at or below each threshold (m,): float64 (m,)."""
    errors = np.asarray(errors, dtype=np.float64)
    ordered = np.sort(errors[~np.isnan(errors)])
    if not len(ordered):
        raise ValueError("a cumulative curve needs at least one error")
    return np.searchsorted(ordered, thresholds, side="right") / len(ordered)


def area_under_curve(errors, most):
    """Area under the cumulative curve of all `errors` (NaN is left out) from 0 to `most`, divided by `most`: 0..1, 1 is
    no error at all. The curve is one of steps, so that it is the mean of max(0, 1 - error / most)."""
    return float(mean_error(1 - np.minimum(np.asarray(errors, np.float64) / most, 1), axis=None))


@dataclass(frozen=True)
class Reliability:
    """Confidence against what came true, in m bins of equal width over 0..1; bins without a point are left out.

    Attributes
    ----------
    edges : float64 (m, 2)
        Of each bin.
    count : int (m,)
        Points in it.
    confidence, right : float64 (m,)
        Their mean confidence, and the share of them that is right.
    """
    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    right: np.ndarray

    @property
    def expected_calibration_error(self):
        """Mean over the points of |confidence - share that is right| of their bin (Guo et al., ICML 2017, Eq. 3)."""
        return float(np.average(np.abs(self.confidence - self.right), weights=self.count))


def reliability(confidence, right, bins=BINS):
    """The `Reliability` of confidences 0..1 (any shape) given whether each point is right (bool, same shape)."""
    confidence, right = np.ravel(confidence).astype(np.float64), np.ravel(right).astype(np.float64)
    if not len(confidence) or confidence.shape != right.shape or not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("expected as many confidences in 0..1 as answers, and at least one")
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    used = np.flatnonzero(count)
    means = [np.bincount(place, values, minlength=bins)[used] / count[used] for values in (confidence, right)]
    return Reliability(np.stack([used, used + 1], axis=1) / bins, count[used], *means)


def face_confidence(confidence):
    """The confidence (n,) of whole faces from that of their points (n, k): the mean, the share expected to be good."""
    return np.asarray(confidence).mean(axis=1)


def rejection_curve(confidence, wrong, rejected):
    """Share of wrong points among the faces kept when the least confident faces are rejected.

    Parameters
    ----------
    confidence : (n,) float, of the faces
    wrong : (n, k) bool or float
        NaN where it is not known.
    rejected : (m,) float
        Shares of the faces, 0 up to below 1; the number of faces is rounded down.

    Returns
    -------
    float64 (m,)
    """
    order = np.argsort(confidence, kind="stable")
    wrong = mean_error(np.asarray(wrong, np.float64), axis=1)[order]
    # A share such as 0.05 of 60 is 3, whatever binary fractions make of it.
    first_kept = np.floor(np.asarray(rejected) * len(wrong) + 1e-9).astype(int)
    kept_wrong = np.append(np.cumsum(wrong[::-1])[::-1], 0)
    return kept_wrong[first_kept] / (len(wrong) - first_kept)


def _distance(predicted, truth):
    predicted, truth = np.asarray(predicted, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if predicted.shape != truth.shape or predicted.ndim < 2 or predicted.shape[-1] != 2:
        raise ValueError(f"expected two arrays (..., k, 2), found shapes {predicted.shape} and {truth.shape}")
    distance = np.linalg.norm(predicted - truth, axis=-1)
    return np.where(np.isnan(distance) & np.isfinite(truth).all(axis=-1), np.inf, distance)


def _positive(length, name):
    length = np.asarray(length, dtype=np.float64)
    if not (length > 0).all():
        raise ValueError(f"every {name} must be above 0, found {length.min()}")
    return length
