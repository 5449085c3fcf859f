"""One process that trains one stack of networks."""
from dataclasses import dataclass
from functools import partial

from deeplandmark.caffe.errors import CaffeError, SolverError
from deeplandmark.caffe.logs.log import Log
from deeplandmark.caffe.solvers import get_solver
from deeplandmark.caffe.solvers.group import SolverGroup
from deeplandmark.caffe.solvers.ranks import local_device
from deeplandmark.caffe.stacked.layers import NotStackable
from deeplandmark.training.collapse import Watch
from deeplandmark.training.network_training import constant_loss
from deeplandmark.work.heap import keep_freed_memory
from deeplandmark.work.processes import end_with


@dataclass(frozen=True)
class Outcome:
    """How the training of one network ended: `reason` says why it failed; None when it did not."""
    name: str
    error: float
    reason: str = None


def train_stack(trainings, device, precision, threads, messages, parent):
    """Trains networks together; puts ("progress", name, iter) into the queue `messages`, and at last ("done",
    outcomes), or ("failed", text) when a net cannot be built or its files cannot be read.

    Ends early, with snapshots as they are, when the process `parent` has died.
    """
    end_with(parent)
    keep_freed_memory()
    try:
        messages.put(("done", train_here(trainings, device, precision, threads, partial(_tell, messages))))
    except (CaffeError, OSError) as error:
        messages.put(("failed", str(error)))


def train_here(trainings, device, precision, threads, tell, ranks=None):
    """Trains networks together in this process, which is the first of `ranks` (Ranks) where there are some.

    Parameters
    ----------
    trainings : list of NetworkTraining
    threads : int
    tell : callable (name, iter)
        Told about once a second how far a network is.

    Returns
    -------
    list of Outcome
    """
    import torch  # after the thread variables are set
    torch.set_num_threads(threads)
    solvers, watches = [], []
    for training in trainings:
        training.save_state()
        watches.append(Watch(constant_loss(training), partial(tell, training.name)))
        solvers.append(get_solver(training.solver_param(), device=local_device(device),
                                  log=Log(str(training.log), stderr=False)))
        solvers[-1].add_monitor(watches[-1])
        solvers[-1].keeps_place = True
    files = [training.resume_file() for training in trainings]
    failures = solve_all(solvers, files, getattr(torch, precision), ranks)
    outcomes = []
    for training, solver, watch in zip(trainings, solvers, watches):
        failure = failures.get(solver)
        outcomes.append(Outcome(training.name, watch.error, str(failure) if failure else watch.reason))
    return outcomes


def _tell(messages, name, iter):
    messages.put(("progress", name, iter))


def solve_all(solvers, resume_files, dtype, ranks=None):
    """Trains Solvers as one stack where that works, else one by one, with those of other Ranks where there are some.

    Parameters
    ----------
    resume_files : list of path or None
        Snapshots to go on from.
    dtype : torch.dtype
        Of a stack's maps.

    Returns
    -------
    {solver: SolverError} of those that fail
    """
    for solver in solvers:
        solver.ranks = ranks
    try:
        group = SolverGroup(solvers, dtype)
    except NotStackable as reason:
        solvers[0].log.info("group.py", f"not trained as a stack: {reason}")
        return _solve_one_by_one(solvers, resume_files)
    for solver, file in zip(solvers, resume_files):
        if file:
            solver.restore(file)
    group.solve()
    if group.stack.refusal:
        solvers[0].log.info("recorded.py", f"no CUDA graph: {group.stack.refusal}")
    return group.failures


def _solve_one_by_one(solvers, resume_files):
    failures = {}
    for solver, file in zip(solvers, resume_files):
        try:
            solver.solve(file)
        except SolverError as error:
            failures[solver] = error
    return failures
