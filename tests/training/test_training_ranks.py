"""Levels and detectors trained under torchrun: what one process would train, killed and gone on with by other ranks."""
import json
import re
import signal
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from deeplandmark.__main__ import main
from deeplandmark.caffe import TEST, Net
from deeplandmark.detector_training.nets import NETS
from deeplandmark.detector_training.nets import generate as generate_detector
from deeplandmark.faces.synthetic.generate import generate as draw
from deeplandmark.training.templates import generate
from deeplandmark.training.together import whole_networks
from tests.helpers.patience import PATIENCE
from tests.helpers.rank_processes import ended, start_ranks, torchrun

NAMES = ("2_LE1", "2_LE2", "2_N1")


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with small networks of level 2 and learnable samples of three of them."""
    monkeypatch.chdir(tmp_path)
    generate(levels=(2,), variables={"iterations": 200, "loss": "EuclideanLoss", "batch_size": 8}, frozen=True)
    edit(r"num_output: (20|40|60)", "num_output: 4", "2_*_train")
    edit(r"num_output: (20|40|60)", "num_output: 4", "2_*_deploy")
    edit(r"snapshot: \d+", "snapshot: 50", "2_*_solver")
    edit(r"display: \d+", "display: 10", "2_*_solver")
    rng = np.random.default_rng(0)
    for name in NAMES:
        folder = Path("train", name)
        folder.mkdir(parents=True)
        data = rng.normal(size=(200, 1, 15, 15)).astype(np.float32)
        landmark = 0.3 * np.tanh(data[:, 0, 3:5, 7].reshape(len(data), 2))
        for kind in ("train", "test"):
            with h5py.File(folder / f"{kind}.h5", "w") as file:
                file["data"], file["landmark"] = data, landmark
            (folder / f"{kind}.txt").write_text(f"train/{name}/{kind}.h5\n")
    Path("train", "prepared_2.json").write_text(json.dumps({"fingerprint": "first"}))
    return tmp_path


def edit(pattern, replacement, files):
    for path in Path("prototxt").glob(f"{files}.prototxt"):
        path.write_text(re.sub(pattern, replacement, path.read_text()))


def arguments(out, share, names=NAMES, jobs=1):
    return ("deeplandmark.train", "2", "--only", ",".join(names), "--share", share, "--model", out, "--log",
            f"{out}-log", "--jobs", str(jobs))


def weights(folder, name):
    net = Net(f"{folder}/{name}.prototxt", f"{folder}/{name}.caffemodel", TEST)
    return np.concatenate([blob.data.ravel() for blobs in net.params.values() for blob in blobs])


@pytest.mark.process
@pytest.mark.slow
def test_a_level_under_torchrun_is_that_of_one_process(workplace):
    ended(start_ranks(1, *arguments("alone", "auto", jobs=2))[0])
    for share in ("batch", "networks"):
        out, err = torchrun(2, *arguments(share, share))
        assert out.count("level 2 is trained") == 1 and "Traceback" not in err
        for name in NAMES:
            np.testing.assert_allclose(weights(share, name), weights("alone", name), atol=2e-4)
            assert json.loads(Path(share, name, "state.json").read_text())["done"]
            logs = [re.findall(r"Iteration \d+ \(.*loss = (\S+)", Path(f"{folder}-log/{name}.log").read_text())
                    for folder in ("alone", share)]
            assert len(logs[0]) == len(logs[1]) == 20
            np.testing.assert_allclose(np.float64(logs[1]), np.float64(logs[0]), rtol=2e-3)


@pytest.mark.process
@pytest.mark.slow
def test_a_rank_is_killed_and_the_same_command_goes_on(workplace):
    edit(r"max_iter: \d+", "max_iter: 4000", "2_*_solver")
    command = arguments("model", "batch", NAMES[:1])
    processes = start_ranks(2, *command)
    wait(processes, lambda: Path("model/2_LE1/_iter_50.solverstate").exists())
    processes[1].send_signal(signal.SIGKILL)
    _, err = ended(processes[0], status=1)
    assert re.fullmatch(r"train: rank 0 of 2: another rank has ended .*\n", err)
    processes[1].wait()
    newest = max(int(path.stem.split("_")[-1]) for path in Path("model/2_LE1").glob("*.solverstate"))
    processes = start_ranks(3, *command)                          # and three of them go on where two have been
    wait(processes, lambda: logged()[-1] > newest)
    for process in processes:
        process.kill()
        process.communicate()
    assert logged().count(0) == 1 and newest in logged()


def logged():
    return [int(n) for n in re.findall(r"Iteration (\d+) \(", Path("model-log/2_LE1.log").read_text())]


def wait(processes, condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline and all(process.poll() in (None, 0) for process in processes)
        time.sleep(0.05)


@pytest.mark.process
@pytest.mark.slow
def test_a_detector_under_torchrun(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generate_detector("prototxt", variables={"batch": 4, "test_batch_size": 4}, effort=0.0002)
    rng, net = np.random.default_rng(0), NETS[0]
    folder = Path("train", net.name)
    folder.mkdir(parents=True)
    for kind, label in (("positive", 1), ("part", -1), ("points", -2), ("negative", 0), ("test", 1)):
        values = {"pixels": rng.integers(0, 256, (40, 3, net.size, net.size), dtype=np.uint8),
                  "label": np.full(40, label, np.float32), "box": rng.normal(size=(40, 4)).astype(np.float32),
                  "points": rng.normal(size=(40, 10)).astype(np.float32)}
        with h5py.File(folder / f"{kind}.h5", "w") as file:
            for name, value in values.items():
                file[name if kind == "test" else f"{name}_{kind}"] = value
        (folder / f"{kind}.txt").write_text(f"{folder}/{kind}.h5\n")
    Path("train", f"prepared_{net.name}.json").write_text(json.dumps({"fingerprint": "first"}))
    out, _ = torchrun(2, "deeplandmark", "train_detector", "mtcnn", f"train_{net.name}", "--data", "nowhere",
                      "--prototxt", "prototxt", "--train", "train", "--model", "model", "--log", "log")
    assert f"{net.name} is trained: model/{net.name}.onnx" in out and Path("model", f"{net.name}.onnx").exists()


@pytest.mark.process
@pytest.mark.slow
def test_a_regressor_under_torchrun(tmp_path, monkeypatch):
    """Poses are drawn as by one process, too."""
    monkeypatch.chdir(tmp_path)
    draw("faces", train=24, test=4, seed=2, jobs=1)
    for line in ("generate --set iterations=6 --set batch_size=4 --set test_batch_size=1",
                 "prepare 1 --data faces --jobs 1"):
        assert main([*line.split(), "--variant", "compact"]) == 0
    edit(r"(display|average_loss): \d+", r"\1: 1", "1_*_solver")
    train = ("deeplandmark.train", "1", "--variant", "compact", "--jobs", "1")
    ended(start_ranks(1, *train, "--model", "alone", "--log", "alone-log")[0])
    torchrun(2, *train, "--model", "two", "--log", "two-log")
    alone, two = (np.float64(re.findall(r"Iteration \d+ \(.*loss = (\S+)", Path(log, "1_face.log").read_text()))
                  for log in ("alone-log", "two-log"))
    assert len(two) == len(alone) >= 6
    np.testing.assert_allclose(two[:6], alone[:6], rtol=1e-3)         # later ones grow apart by Adam, as any two runs


class Stub:
    def __init__(self, structure):
        self.structure = lambda: structure


@pytest.mark.parametrize("way, structures, count, expected", [
    ("auto", "aaaaaaaaaa", 2, True), ("auto", "aaaaaaaaaa", 10, True), ("auto", "aaaaaaaaaa", 11, False),
    ("auto", "abb", 2, False),                                    # level 1: F has nobody to train beside it
    ("networks", "abb", 2, True), ("batch", "aaaaaaaaaa", 2, False)])
def test_the_rule_by_which_ranks_share_networks(way, structures, count, expected):
    assert whole_networks(way, [Stub(structure) for structure in structures], count) is expected
