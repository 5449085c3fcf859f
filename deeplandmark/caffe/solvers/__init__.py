"""Solvers under pycaffe's names: `get_solver(file)` and one class for each update rule."""

from typing import Any

from deeplandmark.caffe.files.prototxt import Definition
from deeplandmark.caffe.solvers import solver_parameter, updates
from deeplandmark.caffe.solvers.monitor import Monitor
from deeplandmark.caffe.solvers.snapshot import latest_snapshot
from deeplandmark.caffe.solvers.solver import Solver

__all__ = ["AdaDeltaSolver", "AdaGradSolver", "AdamSolver", "Monitor", "NesterovSolver", "RMSPropSolver", "SGDSolver",
           "Solver", "get_solver", "latest_snapshot"]


class SGDSolver(Solver):
    """Stochastic gradient descent with momentum."""
    rule = updates.SGD


class NesterovSolver(Solver):
    """Nesterov's accelerated gradient."""
    rule = updates.Nesterov


class AdaGradSolver(Solver):
    """AdaGrad: the rate shrinks with the sum of squared gradients."""
    rule = updates.AdaGrad


class RMSPropSolver(Solver):
    """RMSProp: the rate shrinks with a running mean of squared gradients."""
    rule = updates.RMSProp


class AdaDeltaSolver(Solver):
    """AdaDelta: steps in the proportion of past steps to past gradients."""
    rule = updates.AdaDelta


class AdamSolver(Solver):
    """Adam: running means of gradients and of their squares."""
    rule = updates.Adam


_SOLVERS = {cls.rule.type: cls for cls in (SGDSolver, NesterovSolver, AdaGradSolver,
                                           RMSPropSolver, AdaDeltaSolver, AdamSolver)}


def get_solver(param: Definition, **options: Any) -> Solver:
    """Solver of the `type` that a solver file (or SolverParameter) names; options as those of Solver."""
    return _SOLVERS[solver_parameter.read(param).type](param, **options)
