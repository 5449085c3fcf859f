"""What a solver prints: losses, outputs, rates, in the words and the order of Caffe's solver.cpp."""

import time

import numpy as np
import torch

from deeplandmark.caffe.logs.log import loss_note


class Stopwatch:
    """Iterations a second since the last display; `restart` comes first."""

    def restart(self, iter):
        """Begins to measure at iteration `iter` (int)."""
        self._iter, self._start = iter, time.monotonic()

    def lap(self, iter):
        """(iterations a second, seconds) since the last lap or restart."""
        seconds = time.monotonic() - self._start
        done = iter - self._iter
        self.restart(iter)
        return (done / seconds if seconds else 0.0), seconds


def log_display(log, solver, loss, outputs=None):
    """`Iteration 10 (833.333 iter/s, 0.012s/10 iters), loss = 0.0997` and the outputs of the training net.

    Parameters
    ----------
    log : Log
    solver : Solver
    loss : float
        Smoothed over average_loss.
    outputs : dict of str to tensor or array, optional
        Where they are not in the net's blobs.
    """
    rate, seconds = solver.stopwatch.lap(solver.iter)
    log.info("solver.cpp:239", f"Iteration {solver.iter} ({rate:g} iter/s, {seconds:g}s/{solver.param.display} iters),"
                               f" loss = {loss:g}")
    values = outputs or {name: solver.net.blobs[name].data for name in solver.net.outputs}
    _log_outputs(log, "solver.cpp:258", "Train", solver.net, values)


def log_test(log, net, means):
    """`Test net output #0: loss = ...` for each output of a Net.

    `means` (dict of str to array) has their means over the test batches.
    """
    _log_outputs(log, "solver.cpp:414", "Test", net, means)


def _log_outputs(log, source, phase, net, values):
    index = 0
    for name, weight in zip(net.outputs, net.output_loss_weights):
        for value in _numbers(values[name]).ravel():
            log.info(source, f"    {phase} net output #{index}: {name} = {value:g}{loss_note(weight, value)}")
            index += 1


def _numbers(value):
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
