"""Solvers under pycaffe's names: `get_solver(file)` and one class for each update rule."""

from typing import Any

from deeplandmark.caffe.files.prototxt import Definition
from deeplandmark.caffe.solvers import solver_parameter, updates
from deeplandmark.caffe.solvers.monitor import Monitor
from deeplandmark.caffe.solvers.snapshot import latest_snapshot
from deeplandmark.caffe.solvers.solver import Solver

__all__ = ["AMSGradSolver", "AdaDeltaSolver", "AdaGradSolver", "AdamSolver", "Monitor", "NesterovSolver",
           "RMSPropSolver", "SGDSolver", "Solver", "get_solver", "latest_snapshot"]


class SGDSolver(Solver):
    """Stochastic gradient descent with momentum (sgd_solver.cpp); the rule is updates.SGD."""
    rule = updates.SGD


class NesterovSolver(Solver):
    """Nesterov's accelerated gradient (nesterov_solver.cpp); the rule is updates.Nesterov."""
    rule = updates.Nesterov


class AdaGradSolver(Solver):
    """AdaGrad: the rate shrinks with the sum of squared gradients (adagrad_solver.cpp); the rule is updates.AdaGrad."""
    rule = updates.AdaGrad


class RMSPropSolver(Solver):
    """RMSProp: the rate shrinks with a running mean of squared gradients (rmsprop_solver.cpp); updates.RMSProp."""
    rule = updates.RMSProp


class AdaDeltaSolver(Solver):
    """AdaDelta: steps in the proportion of past steps to past gradients (adadelta_solver.cpp); updates.AdaDelta."""
    rule = updates.AdaDelta


class AdamSolver(Solver):
    """Adam: running means of gradients and of their squares (adam_solver.cpp); the rule is updates.Adam."""
    rule = updates.Adam


class AMSGradSolver(Solver):
    """Adam, divided by the largest of the squares' means so far; no solver of Caffe's. The rule is updates.AMSGrad."""
    rule = updates.AMSGrad


_SOLVERS = {cls.rule.type: cls for cls in (SGDSolver, NesterovSolver, AdaGradSolver, RMSPropSolver, AdaDeltaSolver,
                                           AdamSolver, AMSGradSolver)}


def get_solver(param: Definition, **options: Any) -> Solver:
    """The solver of the `type` that a solver file (or SolverParameter) names, as pycaffe's get_solver.

    Parameters
    ----------
    param : path, prototxt text or SolverParameter
    **options
        `device`, `log` and `strict`, as of Solver.

    Raises
    ------
    CaffeError
        For a definition that cannot be used, or whose nets cannot.
    """
    return _SOLVERS[solver_parameter.read(param, options.get("strict", False)).type](param, **options)
