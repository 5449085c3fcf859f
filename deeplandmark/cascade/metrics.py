"""How good points are: detection error, failures, cumulative curves. Plain functions of numpy arrays.

Two normalisers are in use, and a number means nothing without the name of its own: the width of the face box (the
paper's) and the distance between the two eye points (other papers').
"""
import numpy as np

BOX_WIDTH, INTEROCULAR = "width of the face box", "distance between the eyes"
FAILURE = 0.05              # of the box width (paper, Sec. 5.1)
INTEROCULAR_FAILURE = 0.10  # of the distance between the eyes, as usual with that normaliser


def detection_error(predicted, truth, box_width):
    """Detection error of each facial point (paper, Eq. 2): ||truth - predicted|| / l.

    Parameters
    ----------
    predicted, truth : float array, shape (..., k, 2)
        (x, y) in pixels of the picture.
    box_width : float array, shape (...)
        l, the width of each face box in pixels.

    Returns
    -------
    float64 array, shape (..., k)
        Fraction of the box width.

    Raises
    ------
    ValueError
        If the shapes do not fit or a box has no width.
    """
    return _distance(predicted, truth) / _positive(box_width, "box width")[..., None]


def interocular_error(predicted, truth, eyes=(0, 1)):
    """As `detection_error`, as a fraction of the true distance between the points `eyes`: float64 (..., k).
    NaN where the two eyes are one point."""
    truth = np.asarray(truth, dtype=np.float64)
    between = np.linalg.norm(truth[..., eyes[1], :] - truth[..., eyes[0], :], axis=-1)
    return _distance(predicted, truth) / np.where(between > 0, between, np.nan)[..., None]


def failure_rate(errors, threshold=FAILURE, axis=0):
    """Share of `errors` above `threshold` along an axis. An error that is not a number is a failure."""
    return np.mean(~(np.asarray(errors) <= threshold), axis=axis)


def cumulative_curve(errors, thresholds):
    """Share of all `errors` (any shape) at or below each threshold (m,): float64 (m,)."""
    ordered = np.sort(np.asarray(errors, dtype=np.float64).ravel())
    if not len(ordered):
        raise ValueError("a cumulative curve needs at least one error")
    return np.searchsorted(ordered, thresholds, side="right") / len(ordered)


def _distance(predicted, truth):
    predicted, truth = np.asarray(predicted, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if predicted.shape != truth.shape or predicted.ndim < 2 or predicted.shape[-1] != 2:
        raise ValueError(f"expected two arrays (..., k, 2), found shapes {predicted.shape} and {truth.shape}")
    return np.linalg.norm(predicted - truth, axis=-1)


def _positive(length, name):
    length = np.asarray(length, dtype=np.float64)
    if not (length > 0).all():
        raise ValueError(f"every {name} must be above 0, found {length.min()}")
    return length
