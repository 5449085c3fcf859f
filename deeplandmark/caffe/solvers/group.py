"""Several solvers in step with one another: their nets run as one stack, each keeps its log, tests and snapshots."""
import torch

from deeplandmark.caffe.errors import SolverError
from deeplandmark.caffe.solvers.learning_rate import learning_rate
from deeplandmark.caffe.solvers.losses import NotFiniteError
from deeplandmark.caffe.solvers.solver import is_due
from deeplandmark.caffe.stacked.layers import NotStackable
from deeplandmark.caffe.stacked.nets import StackedNets

# What may differ from solver to solver: the rest decides how the common steps are done.
_OWN_FIELDS = ("net", "net_param", "train_net", "train_net_param", "test_net", "test_net_param", "snapshot_prefix",
               "random_seed", "weights")


class SolverGroup:
    """Trains G solvers whose nets have one structure (for example the ten networks of a level).

    Weights, history, log, tests and snapshots of each are what it would have alone, within float32 noise.

    Parameters
    ----------
    solvers : list of Solver
        Equal but for nets, data, seeds and snapshot prefixes; at the same iteration.
    dtype : torch.dtype
        Of the maps: float32 or bfloat16 (see StackedNets).

    Attributes
    ----------
    failures : dict of solver -> SolverError
        Solvers whose loss was not finite: they take no part any more, the others go on.

    Raises
    ------
    NotStackable
        If they cannot run as one; each can still `solve()` alone.
    """

    def __init__(self, solvers, dtype=torch.float32):
        for solver in solvers:
            _check(solver, solvers[0])
        self.solvers, self.param = solvers, solvers[0].param
        self.failures = {}
        self.stack = StackedNets([solver.net for solver in solvers], dtype)
        net = solvers[0].net
        self._update = type(solvers[0].update)(self.param, self.stack.params, net.params_lr, net.params_weight_decay)
        for g, solver in enumerate(solvers):
            solver.update.history = [blob[g] for blob in self._update.history]
        self._losses = []

    @property
    def active(self):
        """The Solvers that are still training, a list."""
        return [solver for solver in self.solvers if solver not in self.failures and not solver.stop_requested]

    @property
    def iter(self):
        """Updates done so far, an int."""
        return max((solver.iter for solver in self.active), default=self.solvers[0].iter)

    def solve(self):
        """Trains all to max_iter, with snapshot, display and test at the end as `Solver.solve`.

        A solver whose loss is not finite leaves the group, its NotFiniteError in `failures`.
        """
        for solver in self.solvers:
            solver.begin_solving()
        while self.active and self.iter < self.param.max_iter:
            self._step()
        self._hand_over_losses()
        for solver in self.active:
            solver.finish_solving()

    def _step(self):
        iter = self.iter
        for solver in self.active:
            if solver.is_test_due():
                self._hand_over_losses()
                solver.test_all()
        if not self.active:
            return
        rate = learning_rate(self.param, iter)
        self._losses.append((iter, self.train_step(rate)))
        if is_due(iter, self.param.display):
            self._display(rate)
        for solver in self.active:
            solver.iter += 1
        if is_due(self.iter, self.param.snapshot):
            self._hand_over_losses()
            for solver in self.active:
                solver.snapshot()

    def train_step(self, rate):
        """One update of all nets at a learning rate (float). Returns the losses before it, a tensor (G,)."""
        self.stack.clear_param_diffs()
        losses = self.stack.forward_backward()
        for _ in range(self.param.iter_size - 1):
            losses = losses + self.stack.forward_backward()
        losses = losses / self.param.iter_size
        if ranks := self.solvers[0].ranks:
            losses = ranks.sum_up(self.solvers, self.stack.grads, losses)
        self._update.apply(rate, self.iter)
        return losses

    def _display(self, rate):
        self._hand_over_losses()
        for g, solver in enumerate(self.solvers):
            if solver in self.active:
                solver.display(self.stack.outputs_of(g))
                solver.log_rate(rate)

    def _hand_over_losses(self):
        """Gives each solver its losses since the last time; those with a loss that is not finite leave the group."""
        recent, self._losses = self._losses, []
        if not recent:
            return
        table = torch.stack([losses for _, losses in recent], 1).tolist()
        for solver, losses in zip(self.solvers, table):
            if solver in self.failures:
                continue
            try:
                for (iter, _), loss in zip(recent, losses):
                    solver.take_loss(iter, loss)
            except NotFiniteError as error:
                self.failures[solver] = error


def _check(solver, first):
    if solver.param.clip_gradients > 0:
        raise NotStackable("clip_gradients looks at the gradient of one net alone")
    if solver.param.debug_info or solver.param.snapshot_diff:
        raise NotStackable("debug_info and snapshot_diff look at the diffs of one net alone")
    if solver.param.lr_policy == "multistep":
        raise NotStackable("multistep keeps its step in each solver")
    if solver.iter != first.iter:
        raise SolverError(f"the solvers of a group must be at one iteration, found {solver.iter} and {first.iter}")
    settings = []
    for param in (solver.param, first.param):
        common = type(param)()
        common.CopyFrom(param)
        for name in _OWN_FIELDS:
            common.ClearField(name)
        settings.append(common)
    if settings[0] != settings[1]:
        raise NotStackable("the solver files differ")
