"""What pycaffe offers beside nets and solvers: logging, a timer, and training in several processes (NCCL)."""
import os
import tempfile
import time
import uuid

import torch

from deeplandmark.caffe.logs.log import Log
from deeplandmark.caffe.mode import MODE
from deeplandmark.caffe.net import Net
from deeplandmark.caffe.solvers import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    Solver,
    get_solver,
)

__all__ = ["AdaDeltaSolver", "AdaGradSolver", "AdamSolver", "NCCL", "NesterovSolver", "Net", "RMSPropSolver",
           "SGDSolver", "Timer", "get_solver", "has_nccl", "init_log", "log", "set_multiprocess", "set_solver_count",
           "set_solver_rank", "solver_count", "solver_rank"]


def init_log(level: int = 0, stderr: bool = True) -> None:
    """Least severity (int) that is logged from now on: 0 INFO, 1 WARNING, 2 ERROR (glog's minloglevel).

    `stderr` is glog's logtostderr; lines go there in any case.
    """
    os.environ["GLOG_minloglevel"] = str(int(level))


def log(message: str) -> None:
    """Writes a line (str) of severity INFO to the log on standard error."""
    Log().info("pycaffe.py:1", message)


class Timer:
    """A stop watch: `start()`, `stop()`, then `ms` has the milliseconds between."""

    def __init__(self):
        self._start, self._seconds = None, 0.0

    def start(self) -> None:
        """Begins to measure, anew where it was at it."""
        self._start = time.perf_counter()

    def stop(self) -> None:
        """Ends the measurement, which `ms` then gives in milliseconds; without a start nothing changes."""
        if self._start is not None:
            self._seconds, self._start = time.perf_counter() - self._start, None

    @property
    def ms(self) -> float:
        """Milliseconds; a timer that still runs is stopped, as in Caffe."""
        self.stop()
        return 1e3 * self._seconds


class NCCL:
    """Lets solvers in several processes of one machine train one net (parallel.cpp): `solver.add_callback(nccl)`.

    The diffs become their mean over all of them before each update. Each solver counts itself with set_solver_count and
    set_solver_rank before it is made; random_seed should be set, so that all see the data in one order. On CPUs, or
    where processes share a GPU, gloo does what NCCL does between GPUs. For several machines there is torchrun.

    Parameters
    ----------
    solver : Solver
    uid : str
        Of `new_uid`, the same in all processes.

    Raises
    ------
    SolverError
        As soon as another process has died.
    """

    def __init__(self, solver: Solver, uid: str) -> None:
        from deeplandmark.caffe.solvers.ranks import Ranks, weight_of  # only those who train so need torch.distributed
        self._solver, self._weight = solver, weight_of(solver.net)
        self._ranks = Ranks(MODE.solver_rank, MODE.solver_count, device=str(solver.net.device), meeting=f"file://{uid}")

    @staticmethod
    def new_uid() -> str:
        """Where the processes of a new training meet: the path of a file that there is not yet."""
        return os.path.join(tempfile.gettempdir(), f"deeplandmark-nccl-{uuid.uuid4().hex}")

    def bcast(self) -> None:
        """Gives all solvers the weights of rank 0's."""
        self._ranks.copy_of_root(self._solver.net.learnable_params)

    def on_start(self) -> None:
        """Nothing: the solver calls it before each forward."""

    def on_gradients_ready(self) -> None:
        """Overwrites the diffs with their mean over all solvers; the solver calls it before each update."""
        diffs = [parameter.grad for parameter in self._solver.net.learnable_params]
        self._ranks.mean(diffs, torch.zeros(1), self._weight)

    def __call__(self, layer: int) -> None:
        """Nothing: Caffe's layer_wise_reduce, `net.after_backward(nccl)`, begins to send diffs of a layer here; they
        are sent together, in on_gradients_ready."""


def has_nccl() -> bool:
    """Whether several processes can train one net, which is so wherever torch.distributed is."""
    return torch.distributed.is_available()


def solver_count() -> int:
    """Number (int) of solvers that share the work, as torchrun or set_solver_count told; 1 by default."""
    return MODE.solver_count


def set_solver_count(count: int) -> None:
    """How many solvers (int) read the data of training nets that are built from now on, each its share of the rows."""
    MODE.solver_count = int(count)


def solver_rank() -> int:
    """Which of them this process is, an int; 0 unless torchrun or set_solver_rank told otherwise."""
    return MODE.solver_rank


def set_solver_rank(rank: int) -> None:
    """Which of them (int, from 0) those built from now on are: 0 alone tests, logs and writes snapshots."""
    MODE.solver_rank = int(rank)


def set_multiprocess(multiprocess: bool) -> None:
    """Keeps whether (bool) the solvers are processes of their own; nothing else."""
    MODE.multiprocess = bool(multiprocess)
