"""Several processes train one net: under torchrun, and as BVLC's python/train.py does."""
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from tests.helpers.patience import PATIENCE
from tests.helpers.rank_processes import ended, start_ranks, torchrun

pytestmark = [pytest.mark.process, pytest.mark.slow]

NET = """
layer { name: "data" type: "HDF5PatchData" top: "data" top: "y" include { phase: TRAIN } hdf5_patch_data_param {
    source: "a.txt" batch_size: BATCH shuffle: true rows: 15 columns: 15 left: -0.5 top: -0.5 right: 0.5 bottom: 0.5
    rotation: 15 scale: 0.1 shift: 0.1 light: 0.1 blur: 0.3 noise: 3 occlusion: 0.3 } }
layer { name: "data" type: "HDF5PatchData" top: "data" top: "y" include { phase: TEST } hdf5_patch_data_param {
    source: "a.txt" batch_size: 16 rows: 15 columns: 15 left: -0.5 top: -0.5 right: 0.5 bottom: 0.5 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 4
    weight_filler { type: "xavier" } } }
layer { name: "tanh" type: "TanH" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc" inner_product_param { num_output: 2
    weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "fc" bottom: "y" top: "loss" }
"""
SOLVER = """net: "net.prototxt" base_lr: 0.01 momentum: 0.9 lr_policy: "fixed" weight_decay: 0.001 clip_gradients: 2
iter_size: 2 max_iter: 200 display: 1 test_iter: 2 test_interval: 100 snapshot_prefix: "net" random_seed: 5 """


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """Rows of 101 windows, a net of 16 rows a batch and its solver."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    with h5py.File("a.h5", "w") as file:
        file["window"] = rng.integers(0, 256, (101, 1, 30, 30), dtype=np.uint8)
        file["extent"] = np.tile(np.float32([-1, -1, 1, 1]), (101, 1))
        file["landmark"] = 0.1 * rng.normal(size=(101, 2)).astype(np.float32)
    Path("a.txt").write_text("a.h5\n")
    Path("net.prototxt").write_text(NET.replace("BATCH", "16"))
    Path("solver.prototxt").write_text(SOLVER)
    return tmp_path


def losses(log):
    return np.array([float(loss) for loss in re.findall(r"Iteration \d+ \(.*loss = (\S+)", log)])


def trained_alone(**changes):
    """The losses that one process logs."""
    text = SOLVER
    for name, value in changes.items():
        text = re.sub(rf"{name}: \S+", f"{name}: {value}", text)
    Path("alone.prototxt").write_text(text)
    with caffe.Log("alone.log", stderr=False) as log:
        caffe.get_solver("alone.prototxt", log=log).solve()
    return losses(Path("alone.log").read_text())


def test_ranks_have_the_losses_of_one_process(workplace):
    expected = trained_alone(snapshot_prefix='"alone"')
    for count in (2, 3):                                          # 3: 6 + 5 + 5 rows
        _, err = torchrun(count, "deeplandmark.caffe", "train", "-solver", "solver.prototxt", "-batch_size_of", "all")
        found = losses(err)
        assert len(found) == 200 and expected[-1] < 0.2 * expected[0]
        np.testing.assert_allclose(found, expected, rtol=1e-4)     # six digits are printed; 5e-6 was found
        assert err.count("Test net output #0: loss") == 3 and err.count("Snapshotting to binary proto") == 1
        one, several = (caffe.Net("net.prototxt", f"{name}_iter_200.caffemodel", caffe.TEST)
                        for name in ("alone", "net"))
        for layer in ("conv", "fc"):
            np.testing.assert_allclose(several.params[layer][0].data, one.params[layer][0].data, atol=1e-5)


def test_a_batch_of_each_rank_is_caffes_own_way(workplace):
    _, err = torchrun(2, "deeplandmark.caffe", "train", "-solver", "solver.prototxt")
    Path("net.prototxt").write_text(NET.replace("BATCH", "32"))
    np.testing.assert_allclose(losses(err), trained_alone(snapshot_prefix='"alone"'), rtol=1e-4)


def test_a_rank_is_killed_and_others_go_on_from_the_snapshot(workplace):
    Path("solver.prototxt").write_text(SOLVER.replace("max_iter: 200", "max_iter: 100000 snapshot: 50"))
    processes = start_ranks(3, "deeplandmark.caffe", "train", "-solver", "solver.prototxt", "-batch_size_of", "all")
    deadline = time.monotonic() + PATIENCE
    while not Path("net_iter_50.solverstate").exists():
        assert time.monotonic() < deadline and all(process.poll() is None for process in processes)
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGKILL)
    for rank in (0, 2):
        _, err = ended(processes[rank], status=1)
        end = re.split(r"^I\d{8} .*\n", err, flags=re.MULTILINE)[-1]     # what follows the last line of the log
        assert re.fullmatch(rf"caffe train: rank {rank} of 3: another rank has ended .*last snapshot\n", end)
    processes[1].wait()
    newest = max(int(path.stem.split("_")[-1]) for path in Path().glob("net_iter_*.solverstate"))
    Path("solver.prototxt").write_text(SOLVER.replace("max_iter: 200", f"max_iter: {newest + 20}"))
    _, err = torchrun(2, "deeplandmark.caffe", "train", "-solver", "solver.prototxt", "-batch_size_of", "all",
                      "-snapshot", f"net_iter_{newest}.solverstate")
    iterations = [int(found) for found in re.findall(r"Iteration (\d+) \(", err)]
    assert iterations == list(range(newest, newest + 20)) and Path(f"net_iter_{newest + 20}.solverstate").exists()


def test_all_ranks_stop_together_when_one_is_interrupted(workplace):
    Path("solver.prototxt").write_text(SOLVER.replace("max_iter: 200", "max_iter: 100000 snapshot: 50"))
    processes = start_ranks(2, "deeplandmark.caffe", "train", "-solver", "solver.prototxt")
    deadline = time.monotonic() + PATIENCE
    while not Path("net_iter_50.solverstate").exists():
        assert time.monotonic() < deadline and all(process.poll() is None for process in processes)
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGINT)
    ends = [ended(process) for process in processes]
    assert "Optimization stopped early." in ends[0][1] and "Iteration" not in ends[1][1]


def test_the_pattern_of_python_train(workplace):
    """BVLC's python/train.py: uid, bcast, callbacks, layer_wise_reduce; each has batch_size rows."""
    Path("net.prototxt").write_text(NET.replace("BATCH", "8"))
    script = Path(__file__).parent / "scripts" / "train_several.py"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, script, "solver.prototxt", "0,1"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=environment)
    _, err = ended(process)
    assert "Using devices [0, 1]" in err and err.count("allreduce: ") == 2 and err.count("Iteration 150 (") == 1
    Path("net.prototxt").write_text(NET.replace("BATCH", "16"))
    trained_alone(snapshot_prefix='"alone"')
    nets = [caffe.Net("net.prototxt", name, caffe.TEST)
            for name in ("rank0.caffemodel", "rank1.caffemodel", "alone_iter_200.caffemodel")]
    for layer in ("conv", "fc"):
        first, second, alone = (net.params[layer][0].data for net in nets)
        np.testing.assert_array_equal(first, second)
        np.testing.assert_allclose(first, alone, atol=1e-5)
