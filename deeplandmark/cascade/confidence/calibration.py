"""Fitting the confidence of a cascade (see confidence.py) on faces its networks were not trained on.

Each held-back face is seen under several poses and boxes (faces/views.py). Whether a point is right is explained from
the features by logistic regression with a small penalty on the weights. All points share their weights; a point and the
one it becomes in the mirrored picture share their bias.

For a whole cascade one more feature is the error that the hidden layers predict (error_from_hidden_layers.py).
"""
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from deeplandmark.cascade.confidence.confidence import EPSILON, Weights, features
from deeplandmark.cascade.level_1_share import fit_share, with_level_1_share, without_level_1_share
from deeplandmark.cascade.networks import LEVELS
from deeplandmark.faces.datasets.bad_lines import BadLines
from deeplandmark.faces.metrics import FAILURE, detection_error
from deeplandmark.faces.views import COPIES, views_of
from deeplandmark.networks.regression import logistic_regression
from deeplandmark.work.in_order import in_chunks, in_order
from deeplandmark.work.progress import Progress

PENALTY = 10.0                          # on squared weights of standardised features; chosen by cross-validation
# Views that run at once, which costs half of what one by one does; and how many of their pixels are held for it.
_TOGETHER, _PIXELS = 64, 32_000_000


@dataclass(frozen=True)
class Observations:
    """What a cascade found in m faces.

    Attributes
    ----------
    levels, spread : (m, L, k, 2) and (m, L, k)
        As in `Faces`, pixels.
    truth : (m, k, 2)
        Pixels.
    width : (m,)
        Of the boxes, pixels.
    hidden : dict of Network to (m, D)
        Their hidden layers.
    problems : tuple of Problem
        Of the pictures that could not be read.
    """
    levels: np.ndarray
    spread: np.ndarray
    truth: np.ndarray
    width: np.ndarray
    hidden: dict = field(default_factory=dict)
    problems: tuple = ()

    def features(self, count):
        """(m, k, 2 count - 1), of the first `count` levels."""
        return features(self.levels[:, :count], self.spread[:, :count], self.width)

    def right(self, count):
        """bool (m, k): the points after level `count` that lie within FAILURE."""
        return detection_error(self.levels[:, count - 1], self.truth, self.width) <= FAILURE


def fit_level_1_share(observations, share):
    """(observations under the share of level 1 that fits them best, that share), from some made under `share`."""
    levels = without_level_1_share(observations.levels, share)
    fitted = fit_share(levels, observations.truth, observations.width)
    return replace(observations, levels=with_level_1_share(levels, fitted)), fitted


def fit_confidence(observations, mirror_of, prediction=None):
    """The Weights for each number of levels: what `CascadeSettings.confidence` holds.

    Parameters
    ----------
    observations : Observations
    mirror_of : sequence of k int, `Points.mirror`
    prediction : ErrorPrediction or None
        What the hidden layers of a whole cascade say.

    Where all points of a level are right, or none, nothing can be learnt from the features: its confidence is the same
    for every point, (number right + 1) / (number + 2).
    """
    counts = range(1, observations.levels.shape[1] + 1)
    return tuple(_fit_level(observations, count, mirror_of, prediction if count == len(LEVELS) else None)
                 for count in counts)


def _fit_level(observations, count, mirror_of, prediction):
    right = observations.right(count)
    if right.all() or not right.any():
        odds = (right.sum() + 1) / ((~right).sum() + 1)
        nothing = ((0.0,) * (2 * count - 1),) * len(mirror_of)
        return Weights((float(np.log(odds)),) * len(mirror_of), nothing, nothing)
    logs = np.log(EPSILON + observations.features(count))
    inputs = [logs, np.broadcast_to(logs.mean(1, keepdims=True), logs.shape)]
    if prediction:
        inputs.append(prediction.of(observations.hidden)[..., None])
    slopes, bias = _fit_odds(np.concatenate(inputs, axis=-1), right, mirror_of)
    own, face, worth = np.split(slopes, [logs.shape[-1], 2 * logs.shape[-1]])
    hidden = {}
    if prediction:
        bias = bias + worth * prediction.bias
        hidden = {name: _rounded(worth * weights) for name, weights in prediction.weights.items()}
    own, face = ((tuple(part.tolist()),) * len(bias) for part in (own, face))
    return Weights(tuple(bias.tolist()), own, face, hidden)


def _fit_odds(inputs, right, mirror_of):
    """(slopes (d,), bias (k,)) of the logarithm of the odds that points are right, from inputs (m, k, d)."""
    middle, scale = inputs.mean((0, 1)), inputs.std((0, 1)) + 1e-9
    pair = np.minimum(np.arange(len(mirror_of)), mirror_of)
    bias_of = np.equal.outer(pair, np.unique(pair)).astype(np.float64)           # (k, number of biases)
    biases = np.broadcast_to(bias_of, (len(inputs), *bias_of.shape))
    inputs = np.concatenate([(inputs - middle) / scale, biases], axis=-1)
    penalty = np.r_[np.full(len(middle), PENALTY), np.full(bias_of.shape[1], 1e-6)]
    found = logistic_regression(inputs.reshape(-1, inputs.shape[-1]), right.ravel(), penalty)
    slopes = found[:len(middle)] / scale
    return slopes, bias_of @ found[len(middle):] - slopes @ middle


def _rounded(weights):
    """Six digits: there are many of them, and the networks know no more."""
    return tuple(float(f"{weight:.6g}") for weight in weights)


def observe(engine, annotations, copies=COPIES, seed=0):
    """`Observations` of every face, `copies` times: as it is, then mirrored, turned and in other boxes by chance.

    Parameters
    ----------
    engine : TorchEngine
    annotations : list of Annotation

    Raises
    ------
    ListError
        If there are no faces, or too many pictures cannot be read (see `BadLines`).
    """
    bad = BadLines(len(annotations))
    views = in_order(partial(views_of, engine.settings.points, copies, seed), enumerate(annotations), ahead=1)
    views = Progress("faces", len(annotations), "calibrating").over(views)
    readable = (found for found in views if not bad.takes(found))
    found = [_observed(engine, chunk) for chunk in in_chunks(readable, -(-_TOGETHER // copies), _pixels, _PIXELS)]
    hidden = {network: np.concatenate([part.hidden[network] for part in found]) for network in found[0].hidden}
    return Observations(*(np.concatenate([getattr(part, name) for part in found])
                          for name in ("levels", "spread", "truth", "width")), hidden, tuple(bad.problems))


def _pixels(views):
    return sum(view.image.size for view in views)


def _observed(engine, views_of_faces):
    views = [view for views in views_of_faces for view in views]
    images, truth_px = ([getattr(view, name) for view in views] for name in ("image", "points_px"))
    boxes = np.array([view.box for view in views])
    found = engine.run_faces(images, boxes, max(engine.levels))
    return Observations(found.levels, found.spread, np.array(truth_px), boxes[:, 2] - boxes[:, 0], found.hidden)
