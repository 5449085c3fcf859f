"""How sure the cascade is of a point: the probability that it lies within 5 % of the box width of the truth.

What tells a good point from a bad one is there for nothing: networks that see the same point disagree about a bad one,
and later levels move it further. With L levels that makes 2L - 1 features f of a point, all fractions of the box width:
for each level the spread (mean distance of that point's networks from their average; 0 where one network sees it), and
from each level to the next the distance moved. Then, for point j of a face of k points,

    confidence_j = sigmoid(bias_j + sum_i own_ji log(EPSILON + f_ji)
                                  + sum_i face_ji (mean over the points of log(EPSILON + f_.i))
                                  + hidden_j)

with weights fitted by `deeplandmark.calibrate` on pictures the networks were not trained on, for each number of levels.
`hidden_j` is there for a whole cascade: what the hidden layers of the networks around the point tell
(see error_from_hidden_layers.py).
The weights lie in `cascade.json` under "confidence"; a model folder without them has an uncalibrated stand-in.
"""
from dataclasses import dataclass, field

import numpy as np

from deeplandmark.networks.regression import sigmoid

EPSILON = 0.004     # of the box width: keeps the logarithm finite, and differences below what a picture can tell small
# Spread, fraction of the box width, at which the uncalibrated confidence has fallen to 1/e.
DISAGREEMENT = 0.05


@dataclass(frozen=True)
class Weights:
    """The fitted weights for a cascade that ends after L levels; nested tuples of float.

    Attributes
    ----------
    bias : (k,)
    own : (k, 2L - 1)
        Of a point's own log features; the order is spread of level 1 .. L, then moved 1 -> 2 .. L-1 -> L.
    face : (k, 2L - 1)
        Of the log features' mean over the points of the face.
    hidden : dict of network's full name -> (D,)
        Of its hidden layer, for those networks of a whole cascade that have one (see error_from_hidden_layers.py).
    """
    bias: tuple
    own: tuple
    face: tuple
    hidden: dict = field(default_factory=dict)


def features(levels_px, spread_px, box_width):
    """The features f above.

    Parameters
    ----------
    levels_px : (n, L, k, 2)
        Points after each level, pixels; `Faces.levels`.
    spread_px : (n, L, k)
        Mean distance of a point's networks from their average at each level, pixels; `Faces.spread`.
    box_width : (n,)
        Pixels.

    Returns
    -------
    float64 (n, k, 2L - 1), fractions of the box width.
    """
    levels_px = np.asarray(levels_px, np.float64)
    moved_px = np.linalg.norm(np.diff(levels_px, axis=1), axis=-1)
    both_px = np.concatenate([np.asarray(spread_px, np.float64), moved_px], axis=1)
    return both_px.transpose(0, 2, 1) / np.asarray(box_width, np.float64)[:, None, None]


def point_confidence(levels_px, spread_px, box_width, weights=None, hidden=0.0):
    """The confidence of every point of n faces after the last of L levels.

    Parameters
    ----------
    levels_px, spread_px, box_width : as for `features`
    weights : tuple of Weights or None, as in `CascadeSettings.confidence`
        The first for a cascade of 1 level, the second for one of 2, ... None, or too few for L levels:
        exp(-spread of the last level / DISAGREEMENT), which ranks but promises nothing.
    hidden : (n, k)
        hidden_j of every point.

    Returns
    -------
    float64 (n, k), 0..1.
    """
    found = features(levels_px, spread_px, box_width)
    count = np.shape(levels_px)[1]
    if weights is None or len(weights) < count:
        return np.exp(-found[..., count - 1] / DISAGREEMENT)
    return sigmoid(logit(found, weights[count - 1]) + hidden)


def logit(found, weights):
    """Logarithm of the odds (n, k) of features (n, k, 2L - 1) alone."""
    logs = np.log(EPSILON + found)
    own, face = np.asarray(weights.own), np.asarray(weights.face)
    return np.asarray(weights.bias) + (own * logs).sum(-1) + (face * logs.mean(1, keepdims=True)).sum(-1)


def read_weights(values, points):
    """The tuple of Weights from what `cascade.json` has under "confidence", or None: a list of {"bias", "own", "face"}
    and, where there are any, "hidden".

    Raises
    ------
    ValueError
        If shapes do not fit the number of points and the place in the list, or a number is not finite.
    """
    return None if values is None else tuple(_read(entry, points, 2 * i + 1) for i, entry in enumerate(values))


def _read(entry, points, count):
    shapes = {"bias": (points,), "own": (points, count), "face": (points, count)}
    arrays = {name: np.array(entry[name], np.float64) for name in shapes}
    for name, array in arrays.items():
        if array.shape != shapes[name] or not np.isfinite(array).all():
            raise ValueError(f"confidence: {name} must be {shapes[name]} finite numbers, found shape {array.shape}")
    hidden = {name: np.array(numbers, np.float64) for name, numbers in dict(entry.get("hidden", {})).items()}
    for name, array in hidden.items():
        if array.ndim != 1 or not np.isfinite(array).all():
            raise ValueError(f"confidence: hidden of {name} must be finite numbers, found shape {array.shape}")
    own, face = (tuple(map(tuple, arrays[name].tolist())) for name in ("own", "face"))
    return Weights(tuple(arrays["bias"].tolist()), own, face,
                   {name: tuple(array.tolist()) for name, array in hidden.items()})
