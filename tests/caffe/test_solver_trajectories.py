"""Runs of real Caffe, iteration by iteration: ours must show the same rates, losses, test results and weights.

A few of the runs are in tests/data. DEEPLANDMARK_CAFFE_SOLVERS may name a folder with more of the same kind.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from deeplandmark.caffe.checking.reference_runs import LOSS, RATE, WEIGHT, Recorder
from deeplandmark.caffe.files.prototxt import read_net, read_solver
from deeplandmark.caffe.layers import layer_type_list
from deeplandmark.caffe.logs.log import SilentLog
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.solvers import get_solver
from deeplandmark.caffe.solvers.snapshot import read_state

FOLDER = Path(os.environ.get("DEEPLANDMARK_CAFFE_SOLVERS") or Path(__file__).parents[1] / "data/caffe/solvers")
CASES = {case["case"]: case for case in json.loads((FOLDER / "index.json").read_text())["cases"]}
RESUMED = [name for name, case in CASES.items() if "resume_from" in case]


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """A writable copy of the reference folder as working directory."""
    shutil.copytree(FOLDER, tmp_path / "solvers", copy_function=shutil.copyfile)
    for folder, _, _ in os.walk(tmp_path):
        os.chmod(folder, 0o755)
    monkeypatch.chdir(tmp_path / "solvers")
    return tmp_path / "solvers"


def solver_of(case, **fields):
    missing = {layer.type for layer in read_net(CASES[case]["net"]).layer} - set(layer_type_list())
    if missing:
        pytest.skip(f"layer types not there: {missing}")
    param = read_solver(f"{case}/solver.prototxt")
    param.MergeFrom(caffe_pb2.SolverParameter(**fields))
    return get_solver(param, log=SilentLog())


def assert_weights(net, trajectory, prefix):
    for key in (key for key in trajectory if key.startswith(prefix)):
        _, layer, index = key.split("|")
        expected, found = trajectory[key], np.asarray(net.params[layer][int(index)].data)
        np.testing.assert_allclose(found, expected, rtol=0, atol=WEIGHT * np.abs(expected).max(), err_msg=key)


@pytest.mark.parametrize("case", CASES)
def test_whole_run(case, run_folder):
    trajectory = np.load(f"{case}/trajectory.npz")
    solver = solver_of(case, weights=[CASES[case]["init"]])
    record = Recorder(solver)
    solver.solve()
    np.testing.assert_allclose(record.rates, trajectory["lr"], rtol=RATE)
    np.testing.assert_allclose(record.losses, trajectory["loss"], rtol=LOSS)
    np.testing.assert_allclose(record.displayed, trajectory["displayed_loss"][:60], rtol=LOSS)
    np.testing.assert_allclose(record.tests, trajectory["test_mean"], rtol=LOSS)
    assert_weights(solver.net, trajectory, "final|")


@pytest.mark.parametrize("case", CASES)
def test_our_solverstate_holds_what_caffe_wrote(case, run_folder):
    hdf5 = ".h5" if os.path.exists(f"{case}/snap_iter_30.solverstate.h5") else ""
    theirs = read_state(f"{case}/snap_iter_30.solverstate{hdf5}")
    solver = solver_of(case, weights=[CASES[case]["init"]])
    solver.step(30)
    ours = read_state(f"{case}/snap_iter_30.solverstate{hdf5}")
    assert (ours.iter, ours.learned_net, ours.current_step) == (theirs.iter, theirs.learned_net, theirs.current_step)
    assert len(ours.history) == len(theirs.history)
    for found, expected in zip(ours.history, theirs.history):
        assert found.shape == expected.shape
        # histories of second moments span many decades: relative to the largest
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max() + 1e-12)


@pytest.mark.parametrize("case", RESUMED)
def test_going_on_from_a_solverstate_of_caffe(case, run_folder):
    trajectory = np.load(f"{case}/trajectory.npz")
    solver = solver_of(case)
    record = Recorder(solver)
    solver.solve(CASES[case]["resume_from"])
    assert solver.iter == 60
    np.testing.assert_allclose(record.losses, trajectory["resume_loss"], rtol=LOSS)
    assert_weights(solver.net, trajectory, "resume_final|")
