"""What pycaffe offers beside nets and solvers: logging, a timer, and the settings of training in several processes.

Several GPUs at once (NCCL) are not covered: the functions keep and give back what they are told, NCCL refuses.
"""
import os
import time

from deeplandmark.caffe.errors import CaffeError
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
    get_solver,
)

__all__ = ["AdaDeltaSolver", "AdaGradSolver", "AdamSolver", "NCCL", "NesterovSolver", "Net", "RMSPropSolver",
           "SGDSolver", "Timer", "get_solver", "has_nccl", "init_log", "log", "set_multiprocess", "set_solver_count",
           "set_solver_rank", "solver_count", "solver_rank"]


def init_log(level: int = 0) -> None:
    """Least severity (int) that is logged from now on: 0 INFO, 1 WARNING, 2 ERROR (glog's minloglevel)."""
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
    """Training on several GPUs is not covered: making one is a CaffeError, as with a Caffe built without NCCL."""

    def __init__(self, *_: object) -> None:
        raise CaffeError("training on several GPUs at once (NCCL) is not covered; use one GPU")

    @staticmethod
    def new_uid() -> "NCCL":
        """A CaffeError, as making an NCCL is."""
        return NCCL()


def has_nccl() -> bool:
    """Whether several GPUs can train one net: False."""
    return False


def solver_count() -> int:
    """Number (int) of solvers that share the work, as set_solver_count told; 1 by default."""
    return MODE.solver_count


def set_solver_count(count: int) -> None:
    """Keeps the number that solver_count gives; nothing else."""
    MODE.solver_count = int(count)


def solver_rank() -> int:
    """Which of them this process is, an int; 0 unless set_solver_rank told otherwise."""
    return MODE.solver_rank


def set_solver_rank(rank: int) -> None:
    """Keeps the number that solver_rank gives; nothing else."""
    MODE.solver_rank = int(rank)


def set_multiprocess(multiprocess: bool) -> None:
    """Keeps whether (bool) the solvers are processes of their own; nothing else."""
    MODE.multiprocess = bool(multiprocess)
