"""Every lr_policy against its formula, and against the numbers of Caffe's own runs."""

import math

import pytest

from deeplandmark.caffe.errors import SolverError
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.solvers.learning_rate import POLICIES, check_policy, current_step, learning_rate

FIELDS = dict(base_lr=0.02, gamma=0.25, power=0.75, stepsize=10, max_iter=100)


def solver_param(policy, **fields):
    return caffe_pb2.SolverParameter(lr_policy=policy, **{**FIELDS, **fields})


def rates(param, count):
    """Learning rates of iterations 0 .. count - 1, current_step carried along as a solver does."""
    step, found = 0, []
    for iter in range(count):
        step = current_step(param, iter, step)
        found.append(learning_rate(param, iter, step))
    return found


@pytest.mark.parametrize("policy, formula", [
    ("fixed", lambda i: 0.02),
    ("step", lambda i: 0.02 * 0.25 ** (i // 10)),
    ("exp", lambda i: 0.02 * 0.25 ** i),
    ("inv", lambda i: 0.02 * (1 + 0.25 * i) ** -0.75),
    ("poly", lambda i: 0.02 * (1 - i / 100) ** 0.75),
    ("sigmoid", lambda i: 0.02 / (1 + math.exp(-0.25 * (i - 10)))),
])
def test_formula(policy, formula):
    assert rates(solver_param(policy), 40) == pytest.approx([formula(i) for i in range(40)], rel=1e-6)


def test_multistep_counts_the_stepvalues_reached():
    found = rates(solver_param("multistep", stepvalue=[3, 5]), 7)
    assert found == pytest.approx([0.02] * 3 + [0.005] * 2 + [0.00125] * 2, rel=1e-6)


def test_piecewise_takes_the_rates_it_is_told():
    param = solver_param("piecewise", stepvalue=[3, 5], step_lr=[0.4, 0.1])
    assert rates(param, 8) == pytest.approx([0.02] * 3 + [0.4] * 2 + [0.1] * 3, rel=1e-6)
    assert current_step(param, 4, 1) == 1 and current_step(param, 5, 1) == 2       # of a solverstate


def test_multistep_goes_on_from_the_current_step_of_a_solverstate():
    param = solver_param("multistep", stepvalue=[3, 5])
    assert current_step(param, 4, 1) == 1
    assert current_step(param, 5, 1) == 2


def test_every_policy_is_finite_far_out():
    for policy in POLICIES:
        param = solver_param(policy, gamma=0.5, stepvalue=[1, 2, 3], step_lr=[1, 2, 3])
        assert math.isfinite(learning_rate(param, 1_000_000, 3)), policy


@pytest.mark.parametrize("param, reason", [
    (solver_param("falling"), "known: fixed, step"),
    (solver_param("step", stepsize=0), "stepsize above 0"),
    (solver_param("sigmoid", gamma=-0.1), "gamma of 0 or more"),  # Caffe refuses the falling sigmoid too
    (solver_param("poly", max_iter=0), "max_iter above 0"),
    (solver_param("piecewise", stepvalue=[3]), "a step_lr for each stepvalue, found 0 and 1"),
])
def test_refused(param, reason):
    with pytest.raises(SolverError, match=reason):
        check_policy(param)
