"""The learning rate of an iteration: Caffe's seven `lr_policy` values (sgd_solver.cpp, GetLearningRate), and one more.

`iter` is the number of updates done so far. `step` is Caffe's `current_step`, which a solverstate keeps.
"""

import math

import numpy as np

from deeplandmark.caffe.errors import SolverError
from deeplandmark.work.c_power import c_power


def _sigmoid(x):
    """1 / (1 + e^-x) without overflow for large negative x."""
    return 1 / (1 + math.exp(min(-x, 700.0)))


def _fixed(p, iter, step):
    # base_lr
    return p.base_lr


def _step(p, iter, step):
    # base_lr * gamma ^ floor(iter / stepsize)
    return p.base_lr * c_power(p.gamma, step)


def _exp(p, iter, step):
    # base_lr * gamma ^ iter
    return p.base_lr * c_power(p.gamma, iter)


def _inv(p, iter, step):
    # base_lr * (1 + gamma * iter) ^ -power
    return p.base_lr * c_power(1 + p.gamma * iter, -p.power)


def _multistep(p, iter, step):
    # base_lr * gamma ^ (number of stepvalues reached)
    return p.base_lr * c_power(p.gamma, step)


def _poly(p, iter, step):
    # base_lr * (1 - iter / max_iter) ^ power; past max_iter the rate stays 0. In float32 as in Caffe: near the end the
    # difference of two numbers close to 1 would show.
    return p.base_lr * c_power(max(0.0, float(np.float32(1) - np.float32(iter) / np.float32(p.max_iter))), p.power)


def _sigmoid_policy(p, iter, step):
    # base_lr / (1 + exp(-gamma * (iter - stepsize))): rises; Caffe refuses the falling form, gamma < 0
    return p.base_lr * _sigmoid(p.gamma * (iter - p.stepsize))


def _piecewise(p, iter, step):
    # base_lr, then step_lr[i] from stepvalue[i] on: no policy of Caffe's
    return [p.base_lr, *p.step_lr][step]


POLICIES = {
    "fixed": _fixed, "step": _step, "exp": _exp, "inv": _inv,
    "multistep": _multistep, "poly": _poly, "sigmoid": _sigmoid_policy,
    "piecewise": _piecewise,
}
_NEEDS_STEPSIZE = ("step", "sigmoid")
_NEEDS_GAMMA = ("step", "exp", "inv", "multistep", "sigmoid")


def check_policy(param):
    """A SolverError when a SolverParameter's lr_policy is unknown or lacks what its formula needs."""
    if param.lr_policy not in POLICIES:
        raise SolverError(f"unknown lr_policy {param.lr_policy!r} (known: {', '.join(POLICIES)})")
    if param.lr_policy in _NEEDS_STEPSIZE and param.stepsize <= 0:
        raise SolverError(f"lr_policy {param.lr_policy!r} needs a stepsize above 0, found {param.stepsize}")
    if param.lr_policy in _NEEDS_GAMMA and param.gamma < 0:
        raise SolverError(f"lr_policy {param.lr_policy!r} needs a gamma of 0 or more, found {param.gamma:g}")
    if param.lr_policy == "piecewise" and len(param.step_lr) != len(param.stepvalue):
        raise SolverError(f"lr_policy 'piecewise' needs a step_lr for each stepvalue, found {len(param.step_lr)} and "
                          f"{len(param.stepvalue)}")
    if param.lr_policy == "poly" and param.max_iter <= 0:
        raise SolverError("lr_policy 'poly' needs a max_iter above 0")


def current_step(param, iter, step):
    """`current_step` (int) at `iter`, given its value before: the exponent of gamma in `step` and `multistep`.

    `multistep` waits for one stepvalue after the other, as Caffe does, so their order matters (sgd_solver.cpp); so does
    `piecewise`, where it is the place of the rate.
    """
    if param.lr_policy == "step":
        return iter // param.stepsize
    if param.lr_policy in ("multistep", "piecewise") and step < len(param.stepvalue) and iter >= param.stepvalue[step]:
        return step + 1
    return step


def learning_rate(param, iter, step=0):
    """Learning rate (float) of the update that takes `iter` to `iter + 1`; see POLICIES for the formulas."""
    return POLICIES[param.lr_policy](param, iter, step)
