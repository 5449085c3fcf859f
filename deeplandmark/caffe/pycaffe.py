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


def init_log(level=0):
    """Least severity that is logged from now on: 0 INFO, 1 WARNING, 2 ERROR (glog's minloglevel)."""
    os.environ["GLOG_minloglevel"] = str(int(level))


def log(message):
    """Writes a line of severity INFO to the log."""
    Log().info("pycaffe.py:1", message)


class Timer:
    """A stop watch: `start()`, `stop()`, then `ms` has the milliseconds between."""

    def __init__(self):
        self._start, self._seconds = None, 0.0

    def start(self):
        self._start = time.perf_counter()

    def stop(self):
        """Ends the measurement; without a start there is none."""
        if self._start is not None:
            self._seconds, self._start = time.perf_counter() - self._start, None

    @property
    def ms(self):
        """Milliseconds; a timer that still runs is stopped, as in Caffe."""
        self.stop()
        return 1e3 * self._seconds


class NCCL:
    """Training on several GPUs, which is not covered: refused when it is made, as by a Caffe built without NCCL."""

    def __init__(self, *_):
        raise CaffeError("training on several GPUs at once (NCCL) is not covered; use one GPU")

    @staticmethod
    def new_uid():
        return NCCL()


def has_nccl():
    """Whether several GPUs can train one net: no."""
    return False


def solver_count():
    """Number of solvers that share the work, as set_solver_count told."""
    return MODE.solver_count


def set_solver_count(count):
    MODE.solver_count = int(count)


def solver_rank():
    """Which of them this process is; 0 unless set_solver_rank told otherwise."""
    return MODE.solver_rank


def set_solver_rank(rank):
    MODE.solver_rank = int(rank)


def set_multiprocess(multiprocess):
    """Whether the solvers are processes of their own."""
    MODE.multiprocess = bool(multiprocess)
