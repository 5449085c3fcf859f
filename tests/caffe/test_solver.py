"""The solver's loop: what happens at which iteration, snapshots in between, early ends, refusals."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from deeplandmark import caffe
from deeplandmark.caffe.errors import CaffeError, SolverError
from deeplandmark.caffe.files.prototxt import read_solver
from deeplandmark.caffe.logs.log import Log, SilentLog
from deeplandmark.caffe.logs.parse_log import parse_log
from deeplandmark.caffe.solvers import Monitor, get_solver, latest_snapshot

DATA = Path(__file__).parents[1] / "data/caffe/solvers"

# 200 rows, batch 16: after 25 iterations the training data stand at row 0 again, where a resumed run starts.
SOLVER = """
net: "nets/net.prototxt" test_iter: 2 test_interval: 5 base_lr: 0.02 lr_policy: "inv" gamma: 0.1 power: 0.75
momentum: 0.9 weight_decay: 0.0005 display: 5 max_iter: 10 snapshot_prefix: "model/net/" random_seed: 3
weights: "init/net.caffemodel"
"""


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    for folder in ("nets", "data", "init"):
        shutil.copytree(DATA / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def solver_of(text="", log=None, **options):
    """Solver of SOLVER with the fields of `text` put in the place of its own."""
    param = read_solver(SOLVER)
    for field, _ in read_solver(text + "\n").ListFields() if text else ():
        param.ClearField(field.name)
    if text:
        param.MergeFrom(read_solver(text + "\n"))
    return get_solver(param, log=log or SilentLog(), **options)


def weights_of(solver):
    return [p.detach().numpy().copy() for p in solver.net.learnable_params]


def assert_equal_weights(one, other, atol=1e-7):
    for a, b in zip(weights_of(one), weights_of(other)):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


class Diary(Monitor):
    def __init__(self, stop_at=None, stop_in_test=None):
        self.events, self.stop_at, self.stop_in_test = [], stop_at, stop_in_test

    def on_iteration(self, solver, iter, loss):
        self.events.append(("update", iter))
        if iter == self.stop_at:
            solver.stop()

    def on_display(self, solver, iter, loss):
        self.events.append(("display", iter))

    def on_test(self, solver, iter, net_index, outputs):
        self.events.append(("test", iter))
        if iter == self.stop_in_test:
            solver.stop()

    def on_snapshot(self, solver, iter, state_path):
        self.events.append(("snapshot", iter))


def diary_of(text, **arguments):
    solver, diary = solver_of(text), Diary(**arguments)
    solver.add_monitor(diary)
    solver.solve()
    return diary.events, solver


def test_order_of_events():
    events, _ = diary_of("snapshot: 2 display: 2 test_interval: 2 max_iter: 4")
    assert events == [("test", 0), ("display", 0), ("update", 0), ("update", 1), ("snapshot", 2),
                      ("test", 2), ("display", 2), ("update", 2), ("update", 3), ("snapshot", 4), ("test", 4)]


@pytest.mark.parametrize("text, left_out", [
    ("max_iter: 2 test_initialization: false", "test"),
    ("max_iter: 2 display: 0", "display"),
    ("max_iter: 2 snapshot_after_train: false", "snapshot"),
])
def test_what_is_switched_off(text, left_out):
    assert left_out not in [event for event, _ in diary_of(text)[0]]


def test_stop_after_an_iteration_takes_the_final_snapshot():
    events, solver = diary_of("max_iter: 100", stop_at=3)
    assert solver.iter == 4
    assert events[-1] == ("snapshot", 4)


def test_stop_in_a_test_comes_before_the_update():
    _, solver = diary_of("max_iter: 100", stop_in_test=5)
    assert solver.iter == 5


def test_callbacks_of_pycaffe():
    solver, calls = solver_of(), []
    solver.add_callback(lambda: calls.append("start"), lambda: calls.append("gradients"))
    solver.step(2)
    assert calls == ["start", "gradients"] * 2


@pytest.mark.parametrize("type", ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"])
@pytest.mark.parametrize("format", ["BINARYPROTO", "HDF5"])
def test_k_steps_snapshot_k_steps_are_2k_steps(type, format):
    momentum = 0 if type in ("AdaGrad", "RMSProp") else 0.9
    text = f'type: "{type}" momentum: {momentum} snapshot_format: {format} test_interval: 0 display: 0 base_lr: 0.002'
    text = text.replace("test_interval: 0", "test_interval: 1000 test_initialization: false")
    whole, first = solver_of(text), solver_of(text)
    whole.step(50)
    first.step(25)
    second = solver_of(text)
    second.restore(first.snapshot())
    second.step(25)
    assert second.iter == 50
    assert_equal_weights(whole, second)
    for a, b in zip(whole.update.history, second.update.history):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8)


def test_iter_size_is_a_larger_batch():
    """16 batches of one row add up to one batch of 16 rows."""
    text = Path("nets/net.prototxt").read_text()
    Path("nets/one.prototxt").write_text(text.replace("batch_size: 16", "batch_size: 1"))
    whole, small = solver_of("iter_size: 1"), solver_of('net: "nets/one.prototxt" iter_size: 16')
    whole.step(5)
    small.step(5)
    assert_equal_weights(whole, small, atol=1e-6)


def test_the_same_seed_gives_the_same_run():
    text = 'weights: "" random_seed: 7'
    one, other, different = solver_of(text), solver_of(text), solver_of('weights: "" random_seed: 8')
    for solver in (one, other, different):
        solver.step(3)
    assert_equal_weights(one, other, atol=0)
    assert not np.array_equal(weights_of(one)[0], weights_of(different)[0])


def test_several_test_nets(working_directory):
    text = 'test_net: "nets/net.prototxt" test_iter: [1, 3] max_iter: 5 test_compute_loss: true'
    with Log("x.log", stderr=False) as log:
        solver_of(text, log=log).solve()
    row = parse_log("x.log").test[0]
    assert {"loss", "net1_loss"} <= set(row)
    assert Path("x.log").read_text().count("Test loss: ") == 4


def test_log_shows_what_the_monitor_saw():
    with Log("x.log", stderr=False) as log:
        solver_of(log=log).solve()
    parsed = parse_log("x.log")
    assert parsed.finished
    assert parsed.column("train", "loss")[0].tolist() == [0, 5]
    assert parsed.column("test", "loss")[0].tolist() == [0, 5, 10]
    assert parsed.column("train", "smoothed_loss")[0].tolist() == [0, 5, 10]


def test_a_loss_that_is_not_finite_ends_the_run():
    with Log("x.log", stderr=False) as log:
        solver = solver_of("base_lr: 1e30 lr_policy: 'fixed' max_iter: 100 snapshot: 50", log=log)
        with pytest.raises(SolverError, match=r"iteration \d+: the training loss is (nan|inf)"):
            solver.solve()
    assert latest_snapshot("model/net/") is None
    assert not np.isfinite(parse_log("x.log").column("train", "smoothed_loss")[1][-1])


def test_no_snapshot_of_weights_that_are_not_finite():
    solver = solver_of()
    solver.net.learnable_params[0].data.fill_(float("nan"))
    with pytest.raises(SolverError, match="no snapshot"):
        solver.snapshot()


def test_snapshot_prefix():
    assert solver_of().snapshot() == "model/net/_iter_0.solverstate"
    os.makedirs("folder")
    Path("my_solver.prototxt").write_text(SOLVER.replace("model/net/", "folder"))
    assert get_solver("my_solver.prototxt", log=SilentLog()).param.snapshot_prefix == "folder/my_solver"
    Path("my_solver.prototxt").write_text(SOLVER.replace('snapshot_prefix: "model/net/"', ""))
    assert get_solver("my_solver.prototxt", log=SilentLog()).param.snapshot_prefix == "my_solver"


def test_old_solver_type():
    assert type(solver_of("solver_type: ADAM")) is caffe.AdamSolver
    assert isinstance(caffe.NesterovSolver(read_solver(SOLVER), log=SilentLog()).update, caffe.NesterovSolver.rule)


@pytest.mark.parametrize("text, reason", [
    ('type: "Adma"', "known: SGD"),
    ('train_net: "nets/net.prototxt"', "more than one training net"),
    ("test_interval: 0", "test_interval"),
    ("test_iter: 0", "test_iter must be at least 1"),
    ('test_net: ["a", "b"]', "2 test nets, 1 test_iter"),
    ("test_state: {} test_state: {}", "test_state"),
    ("iter_size: 0", "iter_size"),
    ("display: -1", "display"),
    ('snapshot: 1 snapshot_prefix: "data/train.h5/x"', "data/train.h5"),
    ('net: "nets/missing.prototxt"', "missing.prototxt"),
    ('weights: "init/missing.caffemodel"', "missing.caffemodel"),
])
def test_refused(text, reason):
    with pytest.raises(CaffeError, match=reason):
        solver_of(text)


def test_a_solverstate_that_does_not_fit():
    state = solver_of().snapshot()
    with pytest.raises(SolverError, match="8 history blobs, the solver has 16"):
        solver_of('type: "Adam"').restore(state)
    os.remove("model/net/_iter_0.caffemodel")
    with pytest.raises(CaffeError, match="_iter_0.caffemodel was not found"):
        solver_of().restore(state)
