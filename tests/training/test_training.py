"""Training levels with real processes: kills, restarts, edits."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from deeplandmark.cascade.settings import PAPER_SETTINGS, CascadeSettings
from deeplandmark.training.collapse import Watch, stuck
from deeplandmark.training.network_training import Folders, TrainingError, new_trainings, stacks
from deeplandmark.training.templates import generate
from deeplandmark.training.train_level import _describe
from tests.helpers.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.slow]

NAMES = ("2_LE1", "2_LE2", "2_N1")


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with prototxts of level 2 and small, learnable HDF5 files for three of its networks."""
    monkeypatch.chdir(tmp_path)
    generate(levels=(2,), variables={"iterations": 120, "loss": "EuclideanLoss"}, frozen=True)
    for kind in ("train", "deploy"):                              # small enough for hundreds of steps a second
        edit(r"num_output: (20|40|60)", "num_output: 4", kind)
        edit("batch_size: 64", "batch_size: 8", kind)
    rng = np.random.default_rng(0)
    for name in NAMES:
        write_data(name, rng, lambda data: 0.3 * np.tanh(data[:, 0, 3:5, 7].reshape(len(data), 2)))
    mark("first")
    return tmp_path


def write_data(name, rng, target, rows=200):
    folder = Path("train", name)
    folder.mkdir(parents=True, exist_ok=True)
    data = rng.normal(size=(rows, 1, 15, 15)).astype(np.float32)
    with h5py.File(folder / "a.h5", "w") as file:
        file["data"], file["landmark"] = data, np.asarray(target(data), np.float32)
    for kind in ("train", "test"):
        (folder / f"{kind}.txt").write_text(f"train/{name}/a.h5\n")
    with h5py.File(folder / "test.h5", "w") as file:
        file["landmark"] = np.asarray(target(data), np.float32)


def mark(fingerprint):
    Path("train", "prepared_2.json").write_text(json.dumps({"fingerprint": fingerprint}))


def edit(pattern, replacement, kind="solver"):
    for path in Path("prototxt").glob(f"2_*_{kind}.prototxt"):
        path.write_text(re.sub(pattern, replacement, path.read_text()))


def train(*arguments, names=NAMES):
    command = [sys.executable, "-m", "deeplandmark.train", "2", "--only", ",".join(names), "--jobs", "2", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})


def finish(process):
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    return out, err


def iterations(name):
    return [int(found) for found in re.findall(r"Iteration (\d+) \(", Path(f"log/{name}.log").read_text())]


def test_a_level_is_trained_killed_and_resumed(workplace):
    edit(r"max_iter: \d+", "max_iter: 600")
    edit(r"base_lr: .*", "base_lr: 0.02")
    edit(r"test_interval: \d+", "test_interval: 500")
    edit(r"snapshot: \d+", "snapshot: 40")
    edit(r"display: \d+", "display: 20")
    process = train()
    deadline = time.monotonic() + PATIENCE
    while not all(list(Path("model", name).glob("_iter_80.solverstate")) for name in NAMES):
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(2.5)                                               # the worker notices that its parent is gone
    before = max(int(path.stem.split("_")[-1]) for path in Path("model/2_LE1").glob("_iter_*.solverstate"))
    time.sleep(0.5)
    assert before == max(int(path.stem.split("_")[-1]) for path in Path("model/2_LE1").glob("_iter_*.solverstate"))
    assert not list(Path("model").glob("*.caffemodel"))
    out, _ = finish(train())
    assert "2_LE1" in out and re.search(r"2_N1 0\.\d+", out)
    assert all(Path("model", f"{name}.caffemodel").exists() and Path("model", f"{name}.prototxt").exists()
               for name in NAMES)
    found = iterations("2_LE1")
    assert found[0] == 0 and found.count(0) == 1 and before in found   # it went on, and did not begin again
    errors = json.loads(Path("model/2_LE1/state.json").read_text())
    assert errors["done"] and errors["error"] < 0.9
    models = {name: Path("model", f"{name}.caffemodel").stat().st_mtime_ns for name in NAMES}
    Path("train", "prepared_3.json").write_text("{")              # what a full disk leaves
    with pytest.raises(TrainingError, match="deeplandmark prepare 3"):
        new_trainings(PAPER_SETTINGS, 3, Folders())
    finish(train())                                               # all is done: nothing is trained
    assert models == {name: Path("model", f"{name}.caffemodel").stat().st_mtime_ns for name in NAMES}


def test_an_edited_net_or_new_data_is_trained_anew(workplace):
    finish(train(names=NAMES[:1]))
    first = Path("model/2_LE1.caffemodel").read_bytes()
    edit("num_output: 4", "num_output: 3", "train")
    edit("num_output: 4", "num_output: 3", "deploy")
    finish(train(names=NAMES[:1]))
    second = Path("model/2_LE1.caffemodel").read_bytes()
    assert len(second) < len(first) and iterations("2_LE1").count(0) == 1
    # Hours of work may lie in what was there before.
    assert json.loads(Path("model/2_LE1.previous/state.json").read_text())["done"]
    assert list(Path("model/2_LE1.previous").glob("*.solverstate")) and Path("log/2_LE1.log.previous").exists()
    mark("second")
    finish(train(names=NAMES[:1]))
    assert json.loads(Path("model/2_LE1/state.json").read_text())["attempt"] == 0
    assert Path("model/2_LE1.caffemodel").stat().st_mtime > 0 and iterations("2_LE1").count(0) == 1


def test_a_net_that_is_generated_anew_meanwhile_is_not_taken_for_the_trained_one(workplace):
    """As by another family with a network of the same name, generated into the same folder."""
    finish(train(names=NAMES[:1]))
    training, = new_trainings(PAPER_SETTINGS, 2, Folders(), NAMES[:1])
    training.begin()
    models = {path: path.read_bytes() for path in Path("model").glob("2_LE1.*")}
    trained = Path("prototxt/2_LE1_train.prototxt").read_text()
    edit("num_output: 4", "num_output: 3", "train")
    edit("num_output: 4", "num_output: 3", "deploy")
    with pytest.raises(TrainingError, match="2_LE1 is trained, but .*2_LE1_solver.prototxt"):
        training.finish()
    assert len(models) == 2 and models == {path: path.read_bytes() for path in models}
    Path("prototxt/2_LE1_train.prototxt").write_text(trained)
    edit("num_output: 3", "num_output: 4", "deploy")
    training.finish()
    assert models == {path: path.read_bytes() for path in models}


def test_a_network_that_collapses_is_trained_again_with_another_seed(workplace):
    """2_N1 cannot learn anything: its targets have nothing to do with its data."""
    rng = np.random.default_rng(1)
    write_data("2_N1", rng, lambda data: rng.uniform(-0.3, 0.3, (len(data), 2)))
    with h5py.File("train/2_N1/test.h5", "w") as file:            # and no answer is better than a constant one
        file["landmark"] = np.full((10, 2), 1e-3, np.float32) * np.arange(10)[:, None]
    edit(r"max_iter: \d+", "max_iter: 600")
    edit(r"test_interval: \d+", "test_interval: 100")
    process = train(names=("2_LE1", "2_N1"))
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert err.count("2_N1 collapsed") == 4 and "with 4 seeds" in err.splitlines()[-1]
    assert len(list(Path("log").glob("2_N1.attempt*"))) == 3
    assert json.loads(Path("model/2_LE1/state.json").read_text())["done"]       # its sibling is not lost


def test_only_the_beginning_of_a_training_puts_aside_what_was_there(workplace):
    training = new_trainings(PAPER_SETTINGS, 2, Folders(), NAMES[:1])[0]
    training.begin()
    training.save_state()
    Path("log").mkdir()
    Path("log/2_LE1.log").touch()
    mark("second")
    before = sorted(Path().rglob("*"))
    training = new_trainings(PAPER_SETTINGS, 2, Folders(), NAMES[:1])[0]
    assert sorted(Path().rglob("*")) == before
    training.begin()
    assert Path("model/2_LE1.previous/state.json").exists() and Path("log/2_LE1.log.previous").exists()
    assert not Path("model/2_LE1").exists() and not training.state.done


def test_the_seed_repeats_a_training(workplace):
    models = []
    for seed in (1, 1, 2):
        shutil.rmtree("model", ignore_errors=True)
        edit(r"random_seed: \d+", f"random_seed: {seed}")
        finish(train(names=NAMES[:1]))
        models.append(Path("model/2_LE1.caffemodel").read_bytes())
    assert models[0] == models[1] != models[2]


def test_missing_files_name_the_command_that_makes_them(workplace):
    Path("prototxt/2_LE2_solver.prototxt").unlink()
    process = train()
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and "2_LE2_solver.prototxt is missing" in err and "deeplandmark generate" in err
    with pytest.raises(TrainingError, match="deeplandmark prepare 1"):
        new_trainings(PAPER_SETTINGS, 1, Folders())


def test_what_cannot_be_trained_is_one_line(workplace):
    edit("num_output: 2", "num_output: 3", "train")
    other = Path("prototxt/2_N1_train.prototxt")
    text = other.read_text().replace("num_output: 3", "num_output: 2")
    other.write_text(text.replace('top: "error"', 'top: "wrong"'))
    for arguments, names, text in [
            ((), NAMES[:1], "prototxt/2_LE1_train.prototxt"), ((), ("2_X",), "level 2 has no network 2_X"),
            ((), NAMES[2:], "prototxt/2_N1_train.prototxt has no top 'error' in phase TEST"),
            (("--device", "gpu"), NAMES, "device 'gpu' is unknown")]:
        process = train(*arguments, names=names)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1 and len(err.splitlines()) == 1 and text in err, err


def test_stacks_hold_equal_networks_and_use_the_jobs(workplace):
    trainings = new_trainings(PAPER_SETTINGS, 2, Folders(), NAMES)
    assert [len(stack) for stack in stacks(trainings, 1)] == [3]
    assert sorted(len(stack) for stack in stacks(trainings, 2)) == [1, 2]
    path = Path("prototxt/2_N1_train.prototxt")
    path.write_text(path.read_text().replace("num_output: 60", "num_output: 50"))
    assert sorted(len(stack) for stack in stacks(new_trainings(PAPER_SETTINGS, 2, Folders(), NAMES), 2)) == [1, 2]


def test_who_is_stuck():
    assert stuck({"a": 0.1, "b": 0.12, "c": 0.5, "d": 0.11}) == ["c"]
    assert stuck({"a": 0.1, "b": 0.12, "c": 0.3}) == [] and stuck({"a": 0.1, "b": 0.9}) == []


def test_a_watch_judges_late_enough():
    class Solver:
        stopped = False

        class param:
            max_iter = 4000

        def stop(self):
            self.stopped = True

    solver, watch = Solver(), Watch(constant_loss=0.1)
    watch.on_test(solver, 500, 0, {"a": np.float32(7), "error": np.float32(0.1), "loss": np.float32(9)})
    assert not solver.stopped
    watch.on_test(solver, 1000, 0, {"a": np.float32(7), "error": np.float32(0.04), "loss": np.float32(9)})
    assert not solver.stopped and watch.error == pytest.approx(0.4)
    watch.on_test(solver, 2000, 0, {"error": np.float32("nan")})
    assert solver.stopped and "constant" in watch.reason


@pytest.mark.parametrize("errors, given_up_after", [
    ([0.1, 0.1, 0.1, 0.1], 4), ([5, 3, 1, 0.3, 0.2, 0.12, 0.09], None), ([0.2, 0.15, 0.12, 0.1, 0.13, 0.09], None),
    ([0.3, 0.2, 0.102, 0.1, 0.1, 0.1], 6), ([0.05, 0.1, 0.1, 0.1], 4), ([2, 1, 0.5], 3),
    ([0.2, 0.1, 0.08, 0.15, 0.16, 0.16, 0.15, 0.05], None), ([0.1, float("inf")], 2)])
def test_what_stands_is_given_up_and_what_learns_slowly_is_not(errors, given_up_after):
    """The constant's error is 0.1. A single bad test, by BatchNorm's averages, is none of a network that learns."""
    stopped = []
    param = type("Param", (), {"max_iter": 500 * len(errors)})
    solver = type("Solver", (), {"param": param, "stop": lambda self: stopped.append(1)})()
    watch = Watch(constant_loss=0.1)
    for test, error in enumerate(errors, 1):
        watch.on_test(solver, 500 * test, 0, {"error": np.float32(error)})
        assert bool(stopped) == (test == given_up_after), test
    assert bool(watch.reason) == bool(given_up_after)


def test_the_folder_keeps_the_rows_of_other_levels_and_what_was_fitted(tmp_path):
    """Level 2 trained under another window of NM: level 1 keeps the window it was trained with; nothing trained,
    nothing lost."""
    fitted = replace(PAPER_SETTINGS, level_1_share=0.1)
    fitted.save(tmp_path)
    _describe(PAPER_SETTINGS, 2, tmp_path, trained=False)
    assert CascadeSettings.load(tmp_path) == fitted
    edited = replace(PAPER_SETTINGS, networks=tuple(
        replace(network, window=(0, 1, 0, 1)) if network.name == "NM" else network for network in fitted.networks))
    _describe(edited, 2, tmp_path, trained=True)
    assert CascadeSettings.load(tmp_path) == PAPER_SETTINGS       # its rows are as before, without the share
    _describe(edited, 1, tmp_path, trained=True)
    assert CascadeSettings.load(tmp_path) == edited
