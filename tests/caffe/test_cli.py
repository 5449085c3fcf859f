"""`deeplandmark caffe` as a process: flags, exit status, signals, kills."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deeplandmark.caffe.logs.parse_log import parse_log
from deeplandmark.caffe.solvers import latest_snapshot
from deeplandmark.caffe.solvers.solver import Solver
from deeplandmark.caffe.tools.command_line import main
from tests.helpers.patience import PATIENCE

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests/data/caffe/solvers"
SOLVER = """
net: "nets/net.prototxt" test_iter: 2 test_interval: 20 base_lr: 0.02 lr_policy: "fixed" momentum: 0.9 display: 10
max_iter: {max_iter} snapshot: 10 snapshot_prefix: "snap/net" solver_mode: CPU random_seed: 1
"""


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    for folder in ("nets", "data", "init"):
        shutil.copytree(DATA / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    Path("solver.prototxt").write_text(SOLVER.format(max_iter=20))
    Path("endless.prototxt").write_text(SOLVER.format(max_iter=10**8))
    return tmp_path


@pytest.mark.parametrize("name", ["sigint", "sighup"])
@pytest.mark.parametrize("effect", ["snapshot", "stop", "none"])
def test_what_a_signal_does(name, effect, capfd, monkeypatch):
    """The signal comes at the first update; runs that it does not stop reach iteration 20 with its last snapshot."""
    Path("solver.prototxt").write_text(SOLVER.format(max_iter=20).replace("snapshot: 10 ", ""))
    plain = Solver._apply_update

    def apply_update(solver):
        plain(solver)
        if solver.iter == 0:
            os.kill(os.getpid(), getattr(signal, name.upper()))

    monkeypatch.setattr(Solver, "_apply_update", apply_update)
    assert main(["train", "-solver", "solver.prototxt", f"-{name}_effect", effect]) == 0
    assert ("stopped early" in capfd.readouterr().err) == (effect == "stop")
    expected = {"snapshot": ["1", "20"], "stop": ["1"], "none": ["20"]}[effect]
    assert sorted(re.findall(r"_iter_(\d+)\.solverstate", " ".join(os.listdir("snap")))) == expected


def start(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOG_minloglevel": "2"}
    return subprocess.Popen([sys.executable, "-m", "deeplandmark.caffe", *arguments], env=environment,
                            stderr=subprocess.PIPE, text=True)


def wait_for(condition, process, seconds=60):
    for _ in range(seconds * 20):
        if condition():
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    raise AssertionError("waited in vain")


@pytest.mark.parametrize("spelling", ["-solver solver.prototxt -weights init/net.caffemodel",
                                      "--solver=solver.prototxt --weights=init/net.caffemodel",
                                      "-solver=solver.prototxt --weights init/net.caffemodel"])
def test_train(spelling, capfd):
    assert main(["train", *spelling.split(), "--log", "x.log"]) == 0
    lines = capfd.readouterr().err
    assert "caffe.cpp:250] Optimization Done." in lines
    assert "solver.cpp:464] Snapshotting to binary proto file snap/net_iter_20.caffemodel" in lines
    assert "solver.cpp:414]     Test net output #0: loss = " in lines
    assert parse_log("x.log").finished
    assert latest_snapshot("snap/net") == "snap/net_iter_20.solverstate"


def test_train_from_a_snapshot(capfd):
    assert main(["train", "-solver", "solver.prototxt"]) == 0
    assert main(["train", "-solver", "solver.prototxt", "-snapshot", "snap/net_iter_10.solverstate"]) == 0
    assert "caffe.cpp:235] Resuming from snap/net_iter_10.solverstate" in capfd.readouterr().err


def test_score(capfd):
    arguments = ["test", "-model", "nets/net.prototxt", "-weights", "init/net.caffemodel", "-iterations", "3"]
    assert main(arguments) == 0
    lines = capfd.readouterr().err
    # Caffe's first test of these weights is over the same three batches.
    assert "caffe.cpp:309] Loss: 0.116888" in lines
    assert "caffe.cpp:321] loss = 0.116888 (* 1 = 0.116888 loss)" in lines
    assert lines.count("] Batch ") == 3


def test_time(capfd):
    assert main(["time", "-model", "nets/net.prototxt", "-iterations", "2", "-phase", "TEST"]) == 0
    lines = capfd.readouterr().err
    assert "     conv1\tforward: " in lines and "     conv1\tbackward: " in lines
    assert "*** Benchmark ends ***" in lines


@pytest.mark.parametrize("arguments, reason", [
    (["train"], "need a solver definition"),
    (["train", "-solver", "missing.prototxt"], "missing.prototxt"),
    (["train", "-solver", "nets/net.prototxt"], "nets/net.prototxt:1:"),
    (["train", "-solver", "solver.prototxt", "-snapshot", "a", "-weights", "b"], "not both"),
    (["train", "-solver", "solver.prototxt", "-snapshot", "a.solverstate"], "a.solverstate"),
    (["train", "-solver", "solver.prototxt", "-gpu", "99"], "--gpu 99"),
    (["test", "-model", "nets/net.prototxt"], "need model weights"),
    (["test", "-weights", "init/net.caffemodel"], "need a model definition"),
    (["time", "-model", "nets/net.prototxt", "-iterations", "0"], "at least 1"),
])
def test_one_clear_line(arguments, reason, capfd, monkeypatch):
    monkeypatch.setenv("GLOG_minloglevel", "2")
    assert main(arguments) == 1
    message = capfd.readouterr().err
    assert reason in message and message.startswith(f"caffe {arguments[0]}: ") and message.count("\n") == 1


@pytest.mark.parametrize("arguments", [["trian"], ["train", "-solvr", "x"], ["train", "-sigint_effect", "sleep"],
                                       ["test", "-iterations", "many"], []])
def test_bad_flags(arguments, capfd):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    assert capfd.readouterr().err.count("\n") == 1


@pytest.mark.process
@pytest.mark.slow
def test_killed_and_resumed():
    process = start("train", "-solver", "endless.prototxt", "-log", "x.log")
    wait_for(lambda: latest_snapshot("snap/net"), process)
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = latest_snapshot("snap/net")
    first = parse_log("x.log")
    last = int(state.split("_")[-1].split(".")[0])
    Path("more.prototxt").write_text(SOLVER.format(max_iter=last + 20))
    assert main(["train", "-solver", "more.prototxt", "-snapshot", state, "-log", "x.log"]) == 0
    log = parse_log("x.log")
    assert not first.finished and log.finished
    assert log.column("train", "loss")[0].tolist() == list(range(0, last + 20, 10))


@pytest.mark.process
@pytest.mark.slow
def test_sigint_stops_and_sighup_snapshots():
    process = start("train", "-solver", "endless.prototxt", "-log", "x.log")
    wait_for(lambda: latest_snapshot("snap/net"), process)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    lines = Path("x.log").read_text()
    assert "Optimization stopped early." in lines and "Snapshotting to" in lines
    assert latest_snapshot("snap/net")
