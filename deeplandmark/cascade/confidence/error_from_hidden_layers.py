"""What the hidden layers of the networks know of the error: a part of the confidence (see confidence.py).

The networks around a point often agree where its patch is a bad one: sunglasses, a hand, a closed mouth. Their hidden
layers tell such patches apart, for some of the faces they were trained on had them. So for point j of a whole cascade

    hidden_j = sum over the networks around point j, of levels 2 and 3, of (weights . its hidden layer)

where the hidden layer of a network is what its last InnerProduct layer gets (`fc1` in our templates), with weights for
each of its points where it has several. The weights first
predict the logarithm of the error, by least squares with a penalty, on faces that the networks were trained on: nine
thousand of them show more bad patches than a thousand held-back ones do, and though errors are smaller there, the bad
patches are the same. What that prediction is worth beside the other features is then found on held-back faces
(calibration.py).

Hidden layers of n faces are a dict of Network to array (n, D).
"""
from dataclasses import dataclass

import numpy as np

from deeplandmark.cascade.confidence.confidence import EPSILON
from deeplandmark.cascade.networks import LEVELS
from deeplandmark.faces.metrics import detection_error
from deeplandmark.networks.regression import ridge

PENALTY = 0.5       # on squared weights of standardised inputs, for each face; chosen by cross-validation


@dataclass(frozen=True)
class ErrorPrediction:
    """log(EPSILON + error as a fraction of the box width) of point j is predicted as bias_j + hidden_j.

    Attributes
    ----------
    bias : float64 (k,)
    weights : dict of network's full name -> float64 (D,)
    """
    bias: np.ndarray
    weights: dict

    def of(self, hidden):
        """The prediction (n, k)."""
        return self.bias + hidden_odds(hidden, self.weights, len(self.bias))


def weights_in_use(settings, levels):
    """{full name: weights (D,)} for a cascade of which so many levels are run: none unless they are all."""
    fitted = settings.confidence or ()
    return fitted[levels - 1].hidden if levels == len(LEVELS) <= len(fitted) else {}


def hidden_odds(hidden, weights, points):
    """hidden_j of k points, float64 (n, k), by weights (D,) for each network's full name; 0.0 without any."""
    total = 0.0
    for network, values in hidden.items():
        for point, name in zip(network.points, names_of_weights(network)):
            if name in weights:
                mine = values @ np.asarray(weights[name])
                total = total + mine[:, None] * (np.arange(points) == point)
    return total


def names_of_weights(network):
    """What the weights for each point of a Network are called: by its full name, and the point where it has several."""
    if len(network.points) == 1:
        return (network.full_name,)
    return tuple(f"{network.full_name}.{point}" for point in network.points)


def fit_error(observations):
    """The ErrorPrediction that fits `Observations` (see calibration.py) of a whole cascade."""
    error = detection_error(observations.levels[:, -1], observations.truth, observations.width)
    logs = np.log(EPSILON + error)
    bias, weights = logs.mean(axis=0), {}
    for point in range(logs.shape[1]):
        mine = {network: values for network, values in observations.hidden.items() if point in network.points}
        if mine:
            slopes, bias[point] = ridge(np.concatenate(list(mine.values()), axis=1), logs[:, point], PENALTY)
            stops = np.cumsum([values.shape[1] for values in mine.values()])[:-1]
            names = (names_of_weights(network)[network.points.index(point)] for network in mine)
            weights.update(zip(names, np.split(slopes, stops)))
    return ErrorPrediction(bias, weights)
