"""Training under torchrun: rank 0 does what a process alone would, and the others help where it asks them to.

All see one working folder: prototxts, samples, snapshots. Either every network is trained by all ranks, which divide
its batches, or each rank trains whole networks of its own; `whole_networks` says which.
"""
from collections import Counter
from contextlib import contextmanager

from deeplandmark.caffe.solvers import get_solver
from deeplandmark.caffe.solvers.ranks import local_device
from deeplandmark.training.stack_worker import solve_all, train_here
from deeplandmark.work.heap import keep_freed_memory


def whole_networks(way, trainings, count):
    """Whether each of `count` ranks trains whole networks of its own, bool.

    So do "networks", and "auto" where none would be idle: where there are as many networks of each structure as ranks,
    or more. Then there is nothing to wait for, and a whole batch at a time takes less than its parts (docs/cluster.md).
    """
    if way != "auto":
        return way == "networks"
    return min(Counter(training.structure() for training in trainings).values()) >= count


def train_together(ranks, trainings, device, precision, threads, tell):
    """Rank 0: trains networks as one stack, by all ranks. Returns their Outcomes."""
    keep_freed_memory()
    with helping(ranks, [training.solver_param() for training in trainings], device, precision, threads):
        return train_here(trainings, device, precision, threads, tell, ranks)


@contextmanager
def helping(ranks, params, device, precision="float32", threads=None):
    """Rank 0: within this it builds solvers of SolverParameters `params` and trains them, and so do the others. Without
    others (`ranks` None) nothing."""
    if ranks is None:
        yield
        return
    ranks.ask(_help, params, device, precision, threads)
    with ranks.sharing():
        yield


def each_rank(ranks, function, shares, *arguments):
    """Rank 0: lets all ranks call function(share, *arguments), each with its own of `shares`; waits for all."""
    ranks.ask(_do_own, function, shares, arguments)
    _do_own(ranks, function, shares, arguments)


def _help(ranks, params, device, precision, threads):
    """What another rank does while rank 0 trains: the same solvers on its rows; without files."""
    import torch
    if threads:
        torch.set_num_threads(threads)
    keep_freed_memory()
    with ranks.sharing():
        solvers = [get_solver(param, device=local_device(device)) for param in params]
        solve_all(solvers, [None] * len(solvers), getattr(torch, precision), ranks)


def _do_own(ranks, function, shares, arguments):
    function(shares[ranks.rank], *arguments)
    ranks.gathered(None)
