"""Recorded fillers and solver runs of Caffe: what ours differ by."""
import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from google.protobuf import text_format

from deeplandmark.caffe.checking.reference_cases import param, relative_error
from deeplandmark.caffe.files.prototxt import read_solver
from deeplandmark.caffe.fillers import fill
from deeplandmark.caffe.logs.log import SilentLog
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.solvers import Monitor, get_solver

EXACT_FILLER, RATE, LOSS, WEIGHT = 1e-6, 1e-6, 1e-4, 5e-5       # relative; weights to the largest of their blob


class Recorder(Monitor):
    """A Monitor that keeps everything a run shows, as lists of float: losses, displayed, tests (lists), rates.

    Rates are read on their way to the update rule.
    """

    def __init__(self, solver):
        self.losses, self.displayed, self.tests, self.rates = [], [], [], []
        apply = solver.update.apply
        solver.update.apply = lambda rate, iter: (self.rates.append(rate), apply(rate, iter))
        solver.add_monitor(self)

    def on_iteration(self, solver, iter, loss):
        self.losses.append(float(loss))

    def on_display(self, solver, iter, loss):
        self.displayed.append(loss)

    def on_test(self, solver, iter, net_index, outputs):
        self.tests.append([float(outputs[name]) for name in solver.test_nets[net_index].outputs])


def filler_cases(folder):
    """The recorded fillers of a folder (Path), a list of dict."""
    return json.loads(Path(folder, "index.json").read_text(encoding="utf-8"))["fillers"]


def filler_error(folder, case):
    """Error (float) of one filled blob in units of its tolerance.

    That is 1e-6 where Caffe is exact, else the sampling error of mean, deviation and share of zeros.
    """
    filler = text_format.Parse(case["filler"], caffe_pb2.FillerParameter())
    blob = fill(filler, case["shape"], torch.Generator().manual_seed(1)).numpy()
    if case.get("exact"):
        with np.load(Path(folder, "exact.npz")) as exact:
            return relative_error(blob, exact[case["exact"].split(":")[1]]) / EXACT_FILLER
    expected, observed = case["expected"], case["observed"]
    low, high = (expected.get(bound) for bound in ("low", "high"))
    beyond = max(0 if low is None else low - blob.min(), 0 if high is None else blob.max() - high)
    return max(abs(blob.mean() - observed["mean"]) / (7 * observed["std"] / np.sqrt(blob.size) + 1e-7),
               abs(blob.std() / observed["std"] - 1) / 0.03,
               abs((blob == 0).mean() - observed["zero_fraction"]) / 0.02, beyond / 1e-6)


def solver_cases(folder):
    """The recorded runs of a folder (Path), a list of dict."""
    return json.loads(Path(folder, "index.json").read_text(encoding="utf-8"))["cases"]


@contextlib.contextmanager
def solver_workplace(folder):
    """A writable copy of the solvers folder as working directory inside the block; gives its path, a str."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as place:
        copy = os.path.join(place, "solvers")
        shutil.copytree(folder, copy, copy_function=shutil.copyfile)
        for sub_folder, _, _ in os.walk(place):
            os.chmod(sub_folder, 0o755)
        os.chdir(copy)
        try:
            yield copy
        finally:
            os.chdir(before)


def solver_errors(case):
    """(worst loss error, worst weight error) of a run, and of its going on from Caffe's solverstate; in a workplace.

    Losses are those of training, displayed ones and test results, relative to each; weights are relative to the largest
    of their blob. A learning rate that differs by more than 1e-6 makes the loss error infinite.
    """
    name = case["case"]
    with np.load(f"{name}/trajectory.npz") as recorded:
        trajectory = dict(recorded)
    solver, record = _solver(name, [case["init"]])
    solver.solve()
    losses = [_worst(record.losses, trajectory["loss"]), _worst(record.tests, trajectory["test_mean"]),
              _worst(record.displayed, trajectory["displayed_loss"][:60])]
    if _worst(record.rates, trajectory["lr"]) > RATE:
        losses.append(np.inf)
    weights = _weight_errors(solver.net, trajectory, "final|")
    if "resume_from" in case:
        solver, record = _solver(name, [])
        solver.solve(case["resume_from"])
        losses.append(_worst(record.losses, trajectory["resume_loss"]))
        weights += _weight_errors(solver.net, trajectory, "resume_final|")
    return max(losses), max(weights)


def _solver(name, weights):
    parameter = read_solver(f"{name}/solver.prototxt")
    parameter.MergeFrom(caffe_pb2.SolverParameter(weights=weights))
    solver = get_solver(parameter, log=SilentLog())
    return solver, Recorder(solver)


def _weight_errors(net, trajectory, prefix):
    return [relative_error(param(net, key.removeprefix(prefix)).data, values)
            for key, values in trajectory.items() if key.startswith(prefix)]


def _worst(found, expected):
    """Largest difference, each relative to its own expected value; infinite for another number of values."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.size != expected.size:
        return np.inf
    found = found.reshape(expected.shape)
    return np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1e-30), initial=0)
