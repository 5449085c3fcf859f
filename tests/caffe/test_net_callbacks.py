"""debug_info, callbacks of a net, and what a solver leaves in the diffs."""
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from deeplandmark import caffe
from deeplandmark.caffe.files.model_file import read_caffemodel
from deeplandmark.caffe.files.prototxt import read_solver
from deeplandmark.caffe.logs.log import Log, SilentLog

DATA = Path(__file__).parents[1] / "data/caffe/solvers"
SOLVER = """
net: "nets/net.prototxt" test_iter: 2 test_interval: 2 base_lr: 0.02 lr_policy: "fixed" momentum: 0.9 display: 2
weight_decay: 0.0005 max_iter: 3 snapshot_prefix: "model/net/" random_seed: 3 weights: "init/net.caffemodel"
"""


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    for folder in ("nets", "data", "init"):
        shutil.copytree(DATA / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)


def solver_of(text="", log=None):
    return caffe.get_solver(read_solver(SOLVER + text), log=log or SilentLog())


def log_lines(text, steps):
    with Log("x.log", stderr=False) as log:
        solver_of(text, log).step(steps)
    return [re.sub(r"^(.)\S* \S+ +\d+ ", r"\1 ", line) for line in Path("x.log").read_text().splitlines()]


def test_debug_info_prints_every_blob_at_displayed_iterations():
    lines = log_lines("debug_info: true", 3)
    shown = [i for i, line in enumerate(lines) if "[Backward] All net params" in line]
    assert len(shown) == 2                                       # iterations 0 and 2, not 1
    assert all(lines[i].startswith("E net.cpp") for i in shown)
    names = "conv1 relu1 pool1 conv2 relu2 pool2 fc1 relu3 fc2 loss".split()
    backward = [line for line in lines if "[Backward] Layer" in line]
    layers = list(dict.fromkeys(re.findall(r"Layer (\w+),", "\n".join(backward))))
    assert layers == names[::-1]
    # Test nets print in every batch of every test: 2 tests of 2 batches, and the two displayed training passes.
    assert sum("[Forward] Layer conv1, param blob 0 data: " in line for line in lines) == 6


def test_debug_info_numbers():
    net = caffe.Net("nets/net.prototxt", "init/net.caffemodel", caffe.TRAIN)
    with Log("x.log", stderr=False) as log:
        net.set_debug_info(True, log)
        net.clear_param_diffs()
        net.forward_backward()
    text = Path("x.log").read_text()

    def number(pattern):
        return float(re.search(re.escape(pattern) + r" (\S+)", text).group(1))

    conv1 = net.params["conv1"]
    assert number("Layer conv1, param blob 0 data:") == pytest.approx(np.abs(conv1[0].data).mean(), rel=1e-5)
    assert number("[Backward] Layer conv1, param blob 1 diff:") == pytest.approx(np.abs(conv1[1].diff).mean(), rel=1e-5)
    assert number("Layer fc2, top blob fc2 data:") == pytest.approx(np.abs(net.blobs["fc2"].data).mean(), rel=1e-5)
    assert number("Layer loss, bottom blob fc2 diff:") == pytest.approx(np.abs(net.blobs["fc2"].diff).mean(), rel=1e-5)
    total = sum(np.abs(blob.data).sum() for blobs in net.params.values() for blob in blobs)
    assert float(re.search(r"L1 norm = \(([^,]+),", text).group(1)) == pytest.approx(total, rel=1e-5)


def test_the_net_s_own_debug_info(capfd):
    text = Path("nets/net.prototxt").read_text() + "debug_info: true\n"
    net = caffe.Net(text, caffe.TEST)
    net.forward()
    assert "[Forward] Layer fc2, top blob fc2 data: " in capfd.readouterr().err


def test_debug_info_changes_no_weight():
    one, other = solver_of("debug_info: true"), solver_of()
    one.step(3)
    other.step(3)
    for a, b in zip(one.net.learnable_params, other.net.learnable_params):
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=0, atol=1e-6)


def test_callbacks_see_every_layer():
    net = caffe.Net("nets/net.prototxt", caffe.TRAIN)
    seen = []
    net.before_forward(lambda i: seen.append(("bf", i)))
    net.after_forward(lambda i: seen.append(("af", i)))
    net.before_backward(lambda i: seen.append(("bb", i)))
    net.after_backward(lambda i: seen.append(("ab", i)))
    net.forward(start="conv1", end="relu1")
    net.backward(start="relu1", end="conv1")
    assert seen == [("bf", 1), ("af", 1), ("bf", 2), ("af", 2), ("bb", 2), ("ab", 2), ("bb", 1), ("ab", 1)]


def test_diffs_after_a_step_are_the_updates():
    solver = solver_of()
    before = [p.detach().clone() for p in solver.net.learnable_params]
    solver.step(1)
    for old, new in zip(before, solver.net.learnable_params):
        np.testing.assert_allclose(new.grad, old - new.detach(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("format", ["BINARYPROTO", "HDF5"])
def test_snapshot_diff(format):
    solver = solver_of(f"snapshot_diff: true snapshot_format: {format}")
    solver.step(2)
    solver.snapshot()
    update = solver.net.params["fc2"][0].diff
    assert np.abs(update).max() > 0
    if format == "HDF5":
        import h5py
        with h5py.File("model/net/_iter_2.caffemodel.h5") as file:
            np.testing.assert_array_equal(file["diff/fc2/0"][()], update)
    else:
        layer = next(layer for layer in read_caffemodel("model/net/_iter_2.caffemodel").layer if layer.name == "fc2")
        np.testing.assert_array_equal(np.array(layer.blobs[0].diff, np.float32), update.ravel())
    again = solver_of()
    again.restore("model/net/_iter_2.solverstate" + (".h5" if format == "HDF5" else ""))
    np.testing.assert_array_equal(again.net.params["fc2"][0].data, solver.net.params["fc2"][0].data)


def test_clipping_is_logged():
    lines = [line for line in log_lines("clip_gradients: 0.001", 2) if "Gradient clipping" in line]
    assert len(lines) == 2
    norm, limit, scale = map(float, re.search(r"L2 norm (\S+) > (\S+)\) by scale factor (\S+)$", lines[0]).groups())
    assert limit == 0.001 and scale == pytest.approx(limit / norm, rel=1e-4)
    assert not any("clipping" in line for line in log_lines("clip_gradients: 1e6", 1)[-10:])
