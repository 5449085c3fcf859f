"""The main job from end to end, tiny: killed in the middle, started again, and judged by what it leaves."""
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deeplandmark.faces import Points, read_list
from deeplandmark.faces.datasets.coco import write_coco
from tests.helpers.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.slow]

ROOT = Path(__file__).parents[1]


@pytest.fixture
def checkout(tmp_path):
    """A copy of the project as somebody has just cloned it, and forty synthetic faces."""
    for name in ("bootstrap.sh", "setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "deeplandmark", tmp_path / "deeplandmark", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "prototxt", tmp_path / "prototxt", ignore=shutil.ignore_patterns("*.prototxt"))
    subprocess.run([sys.executable, "-m", "deeplandmark.synthesize", "faces", "--train", "40", "--test", "10"],
                   cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def bootstrap(checkout, *arguments):
    environment = {**os.environ, "DEEPLANDMARK_PYTHON": sys.executable, "PYTHONPATH": str(checkout)}
    environment.pop("DEEPLANDMARK_DATA", None)
    return subprocess.Popen(["./bootstrap.sh", *arguments], cwd=checkout, env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def test_the_main_job_killed_and_started_again(checkout):
    arguments = ["--data", "faces", "--effort", "0.001", "--copies", "2", "--seed", "5"]
    first = bootstrap(checkout, *arguments)
    deadline = time.monotonic() + PATIENCE
    while not list((checkout / "model-synthetic").glob("*/_iter_*.solverstate")):
        assert time.monotonic() < deadline and first.poll() is None, first.communicate()
        time.sleep(0.05)
    first.kill()                                                 # the script alone: what it started has to notice
    first.communicate(timeout=PATIENCE)
    second = bootstrap(checkout, *arguments)
    out, err = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, err
    assert "the HDF5 files in train-synthetic/ are up to date" in out
    model = checkout / "model-synthetic"
    assert len(list(model.glob("*.caffemodel"))) == len(list(model.glob("*.prototxt"))) == 23
    assert (model / "cascade.json").exists() and not (checkout / "model").exists()
    table = json.loads((checkout / "result-synthetic" / "table.json").read_text())
    assert table["n"] == 10 and sorted(table["levels"]) == ["1", "2", "3"]
    assert "this model, level 3" in out and "original, level 3" in out
    for name in ("table.txt", "histograms.png", "cumulative.png", "samples.png", "worst.png"):
        assert (checkout / "result-synthetic" / name).stat().st_size > 500
    assert len(list((checkout / "log-synthetic" / "curves").glob("*.png"))) >= 23
    assert "[13/13] evaluate" in err and "used" in err


@pytest.mark.parametrize("arguments, status, message", [
    (["--help"], 0, "usage: ./bootstrap.sh"), (["--nonsense"], 2, "unknown option --nonsense"),
    (["--data"], 2, "--data needs a value"), (["--data", "nowhere.zip"], 1, "nowhere.zip"),
    (["--data", "faces", "--variant", "other"], 2, "invalid choice"),
    (["--seed", "abc"], 2, "--seed: 'abc' is not a whole"), (["--jobs", "0"], 2, "--jobs: 0 is not at least 1"),
    (["--data", "faces", "--levels", "2,4"], 1, "the levels of this family are 1,2,3"),
    (["--device", "gpu"], 2, "--device: gpu is neither"), (["--points"], 2, "--points needs a value"),
    (["--data", "faces", "--points", "nowhere.json"], 1, "nowhere.json: cannot be read"),
    (["--data", "faces", "--levels", "2,3"], 1, "stands on level 1, which model-synthetic/ does not have")])
def test_flags(checkout, arguments, status, message):
    process = bootstrap(checkout, *arguments)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode != 0) == (status != 0) and message in out + err, err


def test_a_detector_from_pictures_to_a_report(checkout):
    (checkout / "empty").mkdir()
    for path in sorted((checkout / "faces").rglob("*.jpg"))[:10]:
        shutil.copy(path, checkout / "empty")
    process = bootstrap(checkout, "--system", "mtcnn", "--data", "faces", "--negatives", "empty", "--effort", "0.0001",
                        "--set", "batch=4", "--set", "test_batch_size=2")
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    assert "[8/11] train_o" in err and "[11/11] false boxes" in err
    for name in "pro":
        assert (checkout / "model-synthetic-mtcnn" / f"{name}.onnx").exists()
        assert (checkout / "log-synthetic-mtcnn" / "curves" / f"{name}.png").exists()
        assert (checkout / "train-synthetic-mtcnn" / name / "negative.png").exists()
    assert "labelled face found" in out and "after p  " in out and "after r  " in out and "detection  " in out
    assert not list((checkout / "prototxt").glob("*.prototxt"))


OWN_ROW = """
MINE = Family("mine", "cascade", lambda points: (
    Network(1, "small", "net", tuple(range(len(points))), (20, 24), window=(0, 1, 0, 1)),), "one small network",
    variables={1: {"rotation": 7}}, encoding=Encoding(0.5, 1.0))
FAMILIES += (MINE,)
"""
OWN_TEMPLATES = {
    "mine_net": """{%- import "macros.prototxt.template" as net -%}
{{ net.C("conv1", "data", s=5, n=4) }}
{{ net.max_pooling("pool1", "conv1", s=4) }}
{{ net.F("fc2", "pool1", n=num_output) }}
""",
    "mine_solver": """net: "{{ train_prototxt }}" test_iter: 1 test_interval: 5 base_lr: 0.01 lr_policy: "fixed"
max_iter: 10 display: 5 snapshot: 10 snapshot_prefix: "{{ snapshot_prefix }}" random_seed: {{ seed }}
"""}


def test_a_family_of_ones_own_is_a_row_and_its_templates(checkout):
    """Nothing else is touched: bootstrap.sh asks the code for its steps, trains it for ten iterations, measures it."""
    rows = checkout / "deeplandmark" / "cascade" / "families.py"
    rows.write_text(rows.read_text() + "\nfrom deeplandmark.networks.network import Network\n" + OWN_ROW)
    for name, text in OWN_TEMPLATES.items():
        (checkout / "prototxt" / "cascade" / f"{name}.prototxt.template").write_text(text)
    process = bootstrap(checkout, "--data", "faces", "--variant", "mine", "--effort", "1")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "[7/7] evaluate" in err and "this model, level 1" in out
    assert (checkout / "model-synthetic-mine" / "1_small" / "_iter_10.solverstate").exists()
    assert "rotation: 7\n" in (checkout / "prototxt" / "1_small_train.prototxt").read_text()
    described = json.loads((checkout / "model-synthetic-mine" / "cascade.json").read_text())
    assert [network["size"] for network in described["networks"]] == [[20, 24]]
    assert described["encoding"] == {"centre": 0.5, "scale": 1.0}


def test_labels_of_a_tool_become_a_model(checkout):
    """COCO's keypoints, as CVAT and Label Studio export them, of three named points, one of them hidden on some faces;
    the set that is missing or wrong is named before any work."""
    rows = checkout / "deeplandmark" / "cascade" / "families.py"
    rows.write_text(rows.read_text() + "\nfrom deeplandmark.networks.network import Network\n" + OWN_ROW)
    for name, text in OWN_TEMPLATES.items():
        (checkout / "prototxt" / "cascade" / f"{name}.prototxt.template").write_text(text)
    faces = [face for name in ("train", "test") for face in read_list(checkout / "faces" / f"{name}ImageList.txt")]
    for i, face in enumerate(faces[::4]):
        face.landmark_px[2] = np.nan if i else face.landmark_px[2]
    triples = [replace(face, landmark_px=face.landmark_px[[2, 0, 1]]) for face in faces]
    write_coco(checkout / "labels.json", triples, Points(("tip", "left", "right"), (0, 2, 1)))
    (checkout / "three.json").write_text('{"names": ["left", "right", "tip"], "mirror": [["left", "right"]]}')
    arguments = "--data", "labels.json", "--variant", "mine", "--effort", "1"
    _, err = bootstrap(checkout, *arguments).communicate(timeout=PATIENCE)
    assert "its faces have 3 points (tip left right), 5 are asked for" in err and "--points" in err
    process = bootstrap(checkout, *arguments, "--points", "three.json")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "50 pictures are named" in err and "[7/7] evaluate" in err and "n = 5 faces" in out
    described = json.loads((checkout / "model-three-mine" / "cascade.json").read_text())
    assert described["points"] == {"names": ["left", "right", "tip"], "mirror": [1, 0, 2]}


@pytest.mark.skipif(shutil.which("flock") is None, reason="needs flock (util-linux)")
def test_two_runs_do_not_work_in_one_folder(checkout):
    with open(checkout / ".bootstrap.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        process = bootstrap(checkout, "--data", "nowhere.zip")
        assert "another run is at work in this folder" in process.stderr.readline()
    assert "nowhere.zip" in process.communicate(timeout=PATIENCE)[1]    # the other one has ended


def test_an_offline_run_without_pictures_draws_faces_and_says_so(checkout):
    out = subprocess.run([sys.executable, "-m", "deeplandmark.find_data", "--offline", "--synthetic-train", "6",
                          "--synthetic-test", "3"], cwd=checkout, text=True, capture_output=True, check=True,
                         env={key: value for key, value in os.environ.items() if key != "DEEPLANDMARK_DATA"})
    assert out.stdout.strip() == "dataset/synthetic" and "SYNTHETIC" in out.stderr
    assert (checkout / "dataset" / "synthetic" / "synthetic.json").exists()


@pytest.mark.parametrize("gpu, device, index_works, torch", [
    (False, None, True, ["cpu"]), (True, None, True, ["default"]), (True, "cpu", True, ["cpu"]),
    (False, "cuda:0", True, ["default"]), (False, None, False, ["cpu", "default"])])
def test_which_torch_is_fetched(tmp_path, gpu, device, index_works, torch):
    """Stand-ins for pip, python and nvidia-smi: what is asked of pip, and what is said before it is fetched."""
    for name in ("bootstrap.sh", "setup.cfg", "setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    refuse = "" if index_works else '; case "$*" in *whl/cpu*) exit 1;; esac'
    tools = {".venv/bin/pip": f'echo "$*" >> pip.log{refuse}', ".venv/bin/python": "exit 3",
             "bin/uname": "echo Linux", "bin/nvidia-smi": f"echo {'GPU 0' if gpu else 'none'}"}
    for name, does in tools.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(["./bootstrap.sh", *(["--device", device] if device else [])], cwd=tmp_path, text=True,
                          env=environment, capture_output=True)
    assert done.returncode == 3                                   # of the first python
    installed = [line for line in (tmp_path / "pip.log").read_text().splitlines() if "torch==" in line]
    assert ["cpu" if "--index-url https://download.pytorch.org/whl/cpu" in line else "default"
            for line in installed] == torch
    assert ("200 MB to download" if torch[0] == "cpu" else "some 3 GB to download") in done.stderr
    assert ("not to be had" in done.stderr) == (len(torch) == 2)
