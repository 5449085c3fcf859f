"""Caffe's solver: trains one net, tests others, displays, takes snapshots and goes on from them (solver.cpp)."""
from typing import Any

import torch
from google.protobuf import text_format

from deeplandmark.caffe.files.prototxt import Definition
from deeplandmark.caffe.logs.log import Log, SilentLog
from deeplandmark.caffe.mode import MODE
from deeplandmark.caffe.solvers import nets, solver_parameter, updates
from deeplandmark.caffe.solvers.callbacks import CallbackMethods
from deeplandmark.caffe.solvers.learning_rate import current_step, learning_rate
from deeplandmark.caffe.solvers.losses import LossWindow, NotFiniteError
from deeplandmark.caffe.solvers.report import Stopwatch, log_display, log_test
from deeplandmark.caffe.solvers.snapshot_methods import SnapshotMethods
from deeplandmark.caffe.solvers.test_outputs import test_outputs


class Solver(CallbackMethods, SnapshotMethods):
    """Trains the net that a solver prototxt names.

    Parameters
    ----------
    param : str or SolverParameter
        Solver file, or the message itself. Paths in it are relative to the working directory.
    device : str, optional
        Where torch computes; by default what set_mode_cpu or set_mode_gpu chose. `solver_mode` is not looked at, as in
        pycaffe.
    log : Log, optional
        Where log lines go; standard error by default.
    strict : bool
        Refuse fields of forks of Caffe that change no result, in the solver and its nets, as BVLC's Caffe does.

    Of several ranks (see ranks.py) the first alone tests, logs and writes snapshots, as in Caffe.

    Attributes
    ----------
    net, test_nets : Net and list of Net
    iter : int
        Updates done so far.
    is_root : bool
        Whether it is the first of several ranks, or alone.

    Raises
    ------
    SolverError
        If the parameters contradict themselves, or, while training, when the loss is not finite.
    """

    rule: type | None = None  # update rule class; None: the one that `type` names

    def __init__(self, param: Definition, device: str | None = None, log: Log | None = None,
                 strict: bool = False) -> None:
        self.param = solver_parameter.read(param, strict)
        self.is_root = MODE.solver_rank == 0
        self.log = (log or Log()) if self.is_root else SilentLog()
        self.log.info("solver.cpp:45", "Initializing solver from parameters: \n"
                      + text_format.MessageToString(self.param).rstrip())
        self.net = nets.train_net(self.param, device, self.log, strict)
        self.test_nets = nets.test_nets(self.param, device, self.log, strict) if self.is_root else []
        self.update = self._update_rule()
        self.iter = 0
        self.stopwatch = Stopwatch()
        self._current_step = 0
        self._losses = LossWindow(self.param.average_loss)
        self._callbacks: list[dict] = []
        self._monitors: list = []
        self._requested_action = lambda: None
        self.ranks: Any = None                                   # the Ranks it has joined
        self.stop_requested = self.stop_wanted = False
        self.keeps_place = False                                 # beyond Caffe: see place.py
        self.log.info("solver.cpp:57", "Solver scaffolding done.")

    # ------------------------------------------------------------------ training

    def solve(self, resume_file: str | None = None) -> None:
        """Trains until max_iter; snapshot, display and test at the end (solver.cpp, Solve).

        Parameters
        ----------
        resume_file : path, optional
            A solverstate to go on from.

        Raises
        ------
        SolverError
            When the loss is not finite, or the solverstate does not fit.
        """
        self.begin_solving(resume_file)
        self.step(self.param.max_iter - self.iter)
        self.finish_solving()

    def begin_solving(self, resume_file=None):
        """What `solve` does before its first step; errors as of `restore`."""
        self.log.info("solver.cpp:289", f"Solving {self.net.graph.name}")
        self.log.info("solver.cpp:290", f"Learning Rate Policy: {self.param.lr_policy}")
        if resume_file:
            self.log.info("solver.cpp:297", f"Restoring previous solver status from {resume_file}")
            self.restore(resume_file)
        if self.ranks:
            self.ranks.begin(self)
        self._losses.restart()
        self.stopwatch.restart(self.iter)

    def finish_solving(self):
        """What `solve` does after its last step: snapshot, display, test. SolverError when the loss is not finite."""
        if self._is_final_snapshot_due():
            self.snapshot()
        if self.stop_requested:
            self.log.info("solver.cpp:317", "Optimization stopped early.")
            return
        if is_due(self.iter, self.param.display):
            self._losses.add(self.iter, float(self.net.forward_loss()[1]))
            self.log.info("solver.cpp:327", f"Iteration {self.iter}, loss = {self._losses.mean():g}")
        if is_due(self.iter, self.param.test_interval):
            self.test_all()
        self.log.info("solver.cpp:332", "Optimization Done.")

    def step(self, iters: int) -> None:
        """Does `iters` updates, with the tests, displays and snapshots that fall due (solver.cpp, Step).

        A NotFiniteError (SolverError) when the loss is not finite.
        """
        try:
            self._step(self.iter + iters)
        except NotFiniteError as error:
            # So that whoever reads the log sees how it ended.
            self.log.info("solver.cpp:239", f"Iteration {error.iter}, loss = {error.loss:g}")
            raise

    def _step(self, stop_iter):
        self.stop_requested = self.stop_wanted = False
        self._losses.restart()
        self.stopwatch.restart(self.iter)
        started = self.iter
        while self.iter < stop_iter and not self.stop_requested:
            self.net.clear_param_diffs()
            if self.is_test_due():
                self.test_all()
                if self.stop_requested:
                    break
            self._call("on_start")
            self.net.set_debug_info(self.param.debug_info and is_due(self.iter, self.param.display), self.log)
            loss = self._forward_backward()
            self._losses.add(self.iter, loss)  # raises when the loss is not finite
            if is_due(self.iter, self.param.display):
                self.display()
            self._call("on_gradients_ready")
            self._apply_update()
            self.iter += 1  # the number of updates done, as in Caffe
            self._tell("on_iteration", self.iter - 1, loss)
            if is_due(self.iter, self.param.snapshot):
                self.snapshot()
            self._act_on_requests()
        self._losses.check()
        if self.iter > started:
            self.update.show_updates()                           # pycaffe's scripts find the update in the diffs

    def apply_update(self):
        """Turns the accumulated diffs into new weights at this iteration's rate (sgd_solver.cpp, ApplyUpdate); the
        diffs are then what was subtracted."""
        self._apply_update()
        self.update.show_updates()

    def _apply_update(self):
        step = current_step(self.param, self.iter, self._current_step)
        if self.param.lr_policy == "multistep" and step != self._current_step:
            self.log.info("sgd_solver.cpp:50", f"MultiStep Status: Iteration {self.iter}, step = {step}")
        self._current_step = step
        rate = learning_rate(self.param, self.iter, step)
        self.log_rate(rate)
        self.update.apply(rate, self.iter)

    def log_rate(self, rate):
        """Logs the learning rate (float) of this iteration, where a display is due."""
        if is_due(self.iter, self.param.display):
            self.log.info("sgd_solver.cpp:112", f"Iteration {self.iter}, lr = {rate:g}")

    def _forward_backward(self):
        """Loss of this iteration: the mean over iter_size passes, whose diffs add up in the parameters."""
        iter_size = self.param.iter_size
        loss = self.net.forward_backward()
        for _ in range(iter_size - 1):
            loss = loss + self.net.forward_backward()
        loss = loss / iter_size if iter_size > 1 else loss
        if self.ranks:
            diffs = [parameter.grad for parameter in self.net.learnable_params]
            loss = self.ranks.sum_up([self], diffs, torch.tensor([loss], device=self.net.device)).item()
        return loss

    def take_loss(self, iter, loss):
        """Takes a loss that a SolverGroup computed for this solver; NotFiniteError when it is not finite."""
        self._losses.add(iter, loss)
        self._tell("on_iteration", iter, loss)

    def display(self, outputs=None):
        """Logs the smoothed loss and the outputs of the training net: its blobs, or `outputs` (dict of tensors)."""
        loss = self._losses.mean()
        log_display(self.log, self, loss, outputs)
        self._tell("on_display", self.iter, loss)

    # ------------------------------------------------------------------ testing

    def test_all(self):
        """Runs every test net for its test_iter batches (solver.cpp, TestAll); a requested stop ends it early."""
        for i, net in enumerate(self.test_nets):
            if self.stop_requested:
                break
            self._test(i, net)

    def _test(self, index, net):
        self.log.info("solver.cpp:347", f"Iteration {self.iter}, Testing net (#{index})")
        net.share_with(self.net)
        batches, found, total = self.param.test_iter[index], test_outputs(self.param), 0.0
        for _ in range(batches):
            self._act_on_requests()
            if self.stop_requested:
                self.log.info("solver.cpp:389", "Test interrupted.")
                return
            outputs, loss = net.forward_loss()
            total = total + loss
            found.add({name: outputs[name] for name in net.outputs})
        if self.param.test_compute_loss:
            self.log.info("solver.cpp:401", f"Test loss: {float(total) / batches:g}")
        means = found.values(self.log)
        log_test(self.log, net, means)
        self._tell("on_test", self.iter, index, means)

    def is_test_due(self):
        """Whether (bool) this iteration begins with a test."""
        return is_due(self.iter, self.param.test_interval) and (self.iter > 0 or self.param.test_initialization)

    def _is_final_snapshot_due(self):
        p = self.param
        return p.snapshot_after_train and bool(p.snapshot_prefix) and not is_due(self.iter, p.snapshot)

    def share_weights(self, net):
        """pycaffe's: another Net uses the values of the training net's parameters, in layers of the same name."""
        net.share_with(self.net)

    def _update_rule(self):
        rule = self.rule or updates.RULES[self.param.type]
        update = rule(self.param, self.net.learnable_params, self.net.params_lr, self.net.params_weight_decay)
        update.log = self.log
        return update


def is_due(iter, interval):
    """Whether iteration `iter` is a multiple of `interval`; an interval of 0 is never due."""
    return interval > 0 and iter % interval == 0
