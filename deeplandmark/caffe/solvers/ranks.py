"""Several processes (ranks) that train one net together: diffs, losses and requests to stop are summed over all.

As with Caffe's NCCL, every rank has the whole net and a share of each batch; between backward and update, before
clip_gradients looks at them, the diffs become their mean over all rows. So all ranks do the same updates.
"""
import contextlib
from datetime import timedelta

import torch
from torch._utils import _flatten_dense_tensors as flatten
from torch._utils import _unflatten_dense_tensors as unflatten

from deeplandmark.caffe.errors import CaffeError, SolverError
from deeplandmark.caffe.mode import MODE
from deeplandmark.caffe.solvers.place import go_to_place, place_of
from deeplandmark.work.torchrun import local_count, local_rank, rank_and_count

PATIENCE = timedelta(days=1)     # with a rank that is busy with something else; one that dies is noticed at once


class RankLost(CaffeError):
    """Another rank has ended, or cannot be reached."""


class Ranks:
    """This process among those that train together; to be used as a context, at whose end it leaves the others.

    Each builds the same solvers within `sharing()`, in the same order, and gives them itself as `solver.ranks`.

    Parameters
    ----------
    rank, count : int
    divided : bool
        Whether batch_size is that of all ranks together, not of each; see Share.
    device : str
        Where the nets are: diffs on GPUs are summed by NCCL where each rank has one of its own, others by gloo.
    meeting : str
        Where the ranks find each other: an init_method of torch.distributed.

    Raises
    ------
    RankLost
        By every method, as soon as another rank has died.
    """

    def __init__(self, rank, count, divided=False, device="cpu", meeting="env://"):
        from torch import distributed
        self.rank, self.count, self.divided = rank, count, divided
        self._torch = distributed
        with self._told():
            distributed.init_process_group(_backend(device), init_method=meeting, rank=rank, world_size=count,
                                           timeout=PATIENCE)

    @classmethod
    def of_environment(cls, divided=False, device="cpu"):
        """The Ranks that torchrun has started, by RANK and WORLD_SIZE in the environment; None in a process alone."""
        rank, count = rank_and_count()
        return cls(rank, count, divided, device) if count > 1 else None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._torch.destroy_process_group()

    @contextlib.contextmanager
    def sharing(self):
        """Within this, training nets that are built read their share of the rows."""
        before = MODE.solver_count, MODE.solver_rank, MODE.batch_divided
        MODE.solver_count, MODE.solver_rank, MODE.batch_divided = self.count, self.rank, self.divided
        try:
            yield
        finally:
            MODE.solver_count, MODE.solver_rank, MODE.batch_divided = before

    # ------------------------------------------------------------------ between ranks

    def of_root(self, value=None):
        """The `value` of rank 0, anything that can be pickled."""
        found = [value]
        with self._told():
            self._torch.broadcast_object_list(found, src=0, device=torch.device("cpu"))
        return found[0]

    def gathered(self, value):
        """The values of all ranks, a list."""
        found = [None] * self.count
        with self._told():
            self._torch.all_gather_object(found, value)
        return found

    @torch.no_grad()
    def copy_of_root(self, tensors):
        """Overwrites some tensors, of the same shapes at all ranks, with rank 0's."""
        if not tensors:
            return
        flat = flatten([tensor.detach() for tensor in tensors])
        with self._told():
            self._torch.broadcast(flat, src=0)
        torch._foreach_copy_([tensor.detach() for tensor in tensors], unflatten(flat, tensors))

    @torch.no_grad()
    def mean(self, diffs, numbers, weight):
        """Overwrites `diffs` (list of tensors) with their mean over all ranks, each of a `weight` (float). Returns that
        of `numbers` (tensor of one axis)."""
        tensors = [*diffs, numbers.to(diffs[0]) if diffs else numbers]
        flat = flatten(tensors).mul_(weight)
        with self._told():
            self._torch.all_reduce(flat)
        *found, numbers = unflatten(flat, tensors)
        if diffs:
            torch._foreach_copy_(diffs, found)
        return numbers

    def ask(self, function, *arguments):
        """Rank 0: lets the others, who `follow`, call function(ranks, *arguments), a function of a module."""
        self.of_root((function, arguments))

    def follow(self):
        """All others: do what rank 0 asks for, until it dismisses them."""
        while task := self.of_root():
            function, arguments = task
            function(self, *arguments)

    def dismiss(self):
        """Rank 0: is through."""
        self.of_root()

    # ------------------------------------------------------------------ solvers

    def agree_on_seed(self, param):
        """Gives a SolverParameter without random_seed the one that rank 0 draws: all must see the data in one order."""
        if param.random_seed < 0:
            param.random_seed = self.of_root(int(torch.randint(1 << 31, ()))) if self.rank == 0 else self.of_root()

    def begin(self, solver):
        """Brings a solver to where rank 0's stands: weights, history, iteration, place in the data."""
        self.copy_of_root([*solver.net.learnable_params, *solver.update.history])
        place = place_of([solver.net]) if self.rank == 0 and solver.iter and solver.keeps_place else None
        solver.iter, solver._current_step, place = self.of_root((solver.iter, solver._current_step, place))
        if place and self.rank:
            go_to_place("rank 0", [solver.net], place)
        solver.net.graph.nodes[0].layer.context.begin_own_generator(solver.iter)

    def sum_up(self, solvers, diffs, losses):
        """Ends a pass: means of diffs (list of tensors, overwritten) and losses (tensor, one for each solver, returned)
        over all rows of the batch, whichever rank has seen them; a solver that any rank wants to stop is stopped."""
        wanted = losses.new_tensor([solver.stop_wanted for solver in solvers])
        losses, wanted = self.mean(diffs, torch.cat([losses, wanted]), weight_of(solvers[0].net)).chunk(2)
        for solver, stop in zip(solvers, wanted.tolist()):
            solver.stop_requested = solver.stop_requested or stop > 0
        return losses

    @contextlib.contextmanager
    def _told(self):
        try:
            yield
        except RuntimeError as error:                            # of torch.distributed, whatever happened
            raise RankLost(f"rank {self.rank} of {self.count}: another rank has ended or cannot be reached "
                           f"({str(error).splitlines()[0][:120]}); started again, the training goes on from its last "
                           "snapshot") from None


def weight_of(net):
    """What a Net sees here of the rows of a batch of all ranks, a float; 1 / count where its data is not shared out.

    Raises
    ------
    SolverError
        When its data layers have different shares: the ranks' losses are then of different weight within the net.
    """
    layers = [node.layer for node in net.graph.nodes if hasattr(node.layer, "batch_of_all")]
    found = {layer.batch_size / layer.batch_of_all for layer in layers}
    if len(found) > 1:
        raise SolverError("the batches of its data layers cannot be divided alike among "
                          f"{layers[0].context.share.count} ranks: "
                          + ", ".join(f"{layer.name} {layer.batch_of_all}" for layer in layers))
    return found.pop() if found else 1 / MODE.solver_count


def local_device(device):
    """The GPU of this process where torchrun has started several on this machine and `device` (str) is just "cuda"."""
    if device != "cuda" or local_count() == 1:
        return device
    return f"cuda:{local_rank() % max(1, torch.cuda.device_count())}"


def _backend(device):
    if torch.device(device).type != "cuda":
        return "gloo"
    alone = local_count() <= torch.cuda.device_count()
    return "cpu:gloo,cuda:nccl" if alone and torch.distributed.is_nccl_available() else "gloo"
