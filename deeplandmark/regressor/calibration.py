"""What `deeplandmark calibrate` fits to a regressor: its confidence (see confidence.py), in two steps.

On the faces of the training list that the network was trained on, `weights . h` is fitted to the logarithm of a face's
mean error: nine tenths of the list show more bad faces than the tenth that was held back, and though errors are smaller
there, what makes them is the same. On the held-back tenth, each point's odds of being right are fitted to that number.
Both see each face under several poses and boxes (faces/views.py).
"""
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from deeplandmark.faces.datasets.bad_lines import BadLines
from deeplandmark.faces.datasets.held_back import held_back, training_part
from deeplandmark.faces.metrics import FAILURE, detection_error, face_confidence, failure_rate, mean_error
from deeplandmark.faces.views import COPIES, views_of
from deeplandmark.networks.regression import logistic_regression, ridge
from deeplandmark.regressor.confidence import Confidence
from deeplandmark.regressor.engines import TorchEngine
from deeplandmark.work.in_order import in_order
from deeplandmark.work.progress import Progress

TRAINING_COPIES = 2         # views of each face that the network was trained on
LOOKS_AGAIN, LOST = 1 / 2, 1 / 200      # of faces in the list's boxes, as they are: a second look costs 0.3 ms
EPSILON = 0.004             # of the box width: keeps the logarithm finite
_PENALTY, _PSEUDO = 0.1, 1.0    # of ridge; faces that are right, and wrong, added to each point's: nothing is certain


@dataclass(frozen=True)
class Observations:
    """What the network found in m views.

    Attributes
    ----------
    errors : (m, k)
        Fractions of the box width; NaN where a point is not visible.
    hidden : (m, D), or None for a network without a hidden layer
    copies : int
        Views of each face; the first is the face as it is.
    """
    errors: np.ndarray
    hidden: np.ndarray
    copies: int


def fitted(folder, faces, copies=COPIES, seed=0, tell=lambda problems: None):
    """The settings of a model folder with the confidence that its training list tells.

    Parameters
    ----------
    folder : path
    faces : list of Annotation
    copies, seed : int
        Views of each held-back face, and what they are drawn by.
    tell : callable (list of Problem)
        Told of pictures that cannot be read.

    Returns
    -------
    (RegressorSettings, str)
        The str says what was found, for people.

    Raises
    ------
    ListError
        If no face is held back, or too many pictures cannot be read (see bad_lines.py).
    """
    engine = TorchEngine(folder)
    held = observe(engine, held_back(faces), copies, seed, tell)
    training = training_part(faces)
    seen = observe(engine, training, TRAINING_COPIES, seed, tell) if training and held.hidden is not None else None
    confidence = fit(held, seen, engine.settings.points.mirror)
    return (replace(engine.settings, confidence=confidence),
            f"confidence fitted on {len(held.errors)} views of held-back faces: "
            f"{100 * failure_rate(held.errors, axis=None):.2f} % of their points are failures")


def observe(engine, annotations, copies, seed, tell):
    """`Observations` of every face, `copies` times."""
    bad = BadLines(len(annotations))
    look = partial(views_of, engine.settings.points, copies, seed, channels=engine.settings.channels)
    found = []
    views = in_order(look, enumerate(annotations), ahead=1)
    for faces in Progress("faces", len(annotations), "calibrating").over(views):
        if not bad.takes(faces):
            found.append(_observed(engine, faces))
    tell(bad.problems)
    errors, hidden = zip(*found)
    return Observations(np.concatenate(errors), None if hidden[0] is None else np.concatenate(hidden), copies)


def _observed(engine, faces):
    boxes = np.array([face.box for face in faces])
    points, hidden = engine.run_faces([face.image for face in faces], boxes)
    return detection_error(points, np.array([face.points_px for face in faces]), boxes[:, 2] - boxes[:, 0]), hidden


def fit(held, seen, mirror_of):
    """The Confidence that two `Observations` tell: of held-back faces, and of those that the network was trained on, or
    None; without weights where there are no hidden layers. A point and the one that it becomes in the mirrored picture
    are one thing."""
    pair = np.minimum(np.arange(len(mirror_of)), mirror_of)
    weights, told = (), np.zeros(len(held.errors))
    if seen is not None:
        logs = np.log(EPSILON + mean_error(seen.errors, axis=1))
        known = np.isfinite(logs)                                # of faces that show a point
        weights, _ = ridge(seen.hidden[known], logs[known], _PENALTY)
        told = held.hidden @ weights
    middle, scale = told.mean(), told.std() + 1e-9
    odds = np.array([_fit_point(held.errors[:, pair == point], (told - middle) / scale) for point in pair])
    slope = odds[:, 1] / scale if seen is not None else np.zeros(len(pair))
    found = Confidence(_rounded(odds[:, 0] - slope * middle), _rounded(slope), _rounded(weights))
    if seen is None:
        return found
    usual = face_confidence(found.of(held.hidden[::held.copies]))
    return replace(found, sure=float(np.quantile(usual, LOOKS_AGAIN)), lost=float(np.quantile(usual, LOST)))


def _fit_point(errors, told):
    """(bias, slope) of the odds that errors (m, 1 or 2), a point's and its mirror's, are no failures."""
    told, known = np.repeat(told, errors.shape[1]), ~np.isnan(errors).ravel()
    right = errors.ravel()[known] <= FAILURE
    inputs = np.stack([np.ones(known.sum()), told[known]], axis=1)
    inputs, right = np.concatenate([inputs, [[1, 0], [1, 0]]]), np.append(right, [True, False])
    return logistic_regression(inputs, right, np.array([1e-9, _PSEUDO]))


def _rounded(values):
    """Six digits: there are many of them, and the network knows no more."""
    return tuple(float(f"{value:.6g}") for value in values)
