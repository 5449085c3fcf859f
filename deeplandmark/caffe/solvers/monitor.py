"""How a caller watches a solver at work and stops it early."""
from typing import Any


class Monitor:
    """Looks on at a Solver: override what is of interest; each method may call `solver.stop()` or raise.

    A run stopped early snapshots as Caffe does at a stop, and `solve()` returns.
    """

    def on_iteration(self, solver: Any, iter: int, loss: Any) -> None:
        """After the update of iteration `iter`; `loss` is a float or a tensor of one value, as the net gives it.

        Turning a tensor into a number waits for the device.
        """

    def on_display(self, solver: Any, iter: int, loss: float) -> None:
        """At every `display` iterations; `loss` (float) is smoothed over average_loss."""

    def on_test(self, solver: Any, iter: int, net_index: int, outputs: dict) -> None:
        """After a test net ran; `outputs` maps each of its outputs to the mean array over test_iter batches."""

    def on_snapshot(self, solver: Any, iter: int, state_path: str) -> None:
        """After a snapshot was written; `state_path` (str) is its solverstate."""
