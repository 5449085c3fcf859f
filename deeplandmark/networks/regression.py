"""Two regressions by which confidence is fitted."""
import numpy as np

_STEPS, _CLOSE = 100, 1e-9              # of Newton's method


def sigmoid(x):
    # Beyond +-60 nothing changes in float64, and exp cannot overflow.
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))


def logistic_regression(inputs, answers, penalty):
    """The weights w (d,) that minimise the sum of -log of the probability of each answer, plus penalty . w^2 / 2.

    Newton's method; the probability of an answer that is true is sigmoid(inputs @ w).

    Parameters
    ----------
    inputs : float64 (n, d)
    answers : bool (n,)
    penalty : float64 (d,), above 0
    """
    weights = np.zeros(inputs.shape[1])
    for _ in range(_STEPS):
        probability = sigmoid(inputs @ weights)
        gradient = inputs.T @ (probability - answers) + penalty * weights
        curvature = (inputs * (probability * (1 - probability))[:, None]).T @ inputs + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < _CLOSE:
            break
    return weights


def ridge(inputs, answers, penalty):
    """(slopes (d,), shift) of the linear function of inputs (n, d) that is nearest to answers (n,) by least
    squares; `penalty` is on squared weights of standardised inputs, for each of the n."""
    middle, scale = inputs.mean(0, dtype=np.float64), inputs.std(0, dtype=np.float64) + 1e-3
    standard = (inputs - middle) / scale
    square = standard.T @ standard + penalty * len(inputs) * np.eye(len(scale))
    slopes = np.linalg.solve(square, standard.T @ (answers - answers.mean())) / scale
    return slopes, answers.mean() - slopes @ middle
