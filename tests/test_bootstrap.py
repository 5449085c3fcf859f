"""The main job from end to end, tiny: killed in the middle, started again, and judged by what it leaves."""
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
    deadline = time.monotonic() + 600
    while not list((checkout / "model-synthetic").glob("*/_iter_*.solverstate")):
        assert time.monotonic() < deadline and first.poll() is None, first.communicate()
        time.sleep(0.05)
    first.kill()                                                 # the script alone: what it started has to notice
    first.communicate(timeout=30)
    second = bootstrap(checkout, *arguments)
    out, err = second.communicate(timeout=400)
    assert second.returncode == 0, err
    assert "the HDF5 files in train-synthetic/ are up to date" in out
    model = checkout / "model-synthetic"
    assert len(list(model.glob("*.caffemodel"))) == len(list(model.glob("*.prototxt"))) == 23
    assert (model / "cascade.json").exists() and not (checkout / "model").exists()
    table = json.loads((checkout / "result-synthetic" / "table.json").read_text())
    assert table["n"] == 10 and sorted(table["levels"]) == ["1", "2", "3"]
    assert "this cascade, level 3" in out and "original, level 3" in out
    for name in ("table.txt", "histograms.png", "cumulative.png", "samples.png", "worst.png"):
        assert (checkout / "result-synthetic" / name).stat().st_size > 500
    assert len(list((checkout / "log-synthetic" / "curves").glob("*.png"))) >= 23
    assert "[13/13] evaluate" in err and "used" in err


@pytest.mark.parametrize("arguments, status, message", [
    (["--help"], 0, "usage: ./bootstrap.sh"), (["--nonsense"], 2, "unknown option --nonsense"),
    (["--data"], 2, "--data needs a value"), (["--data", "nowhere.zip"], 1, "nowhere.zip"),
    (["--data", "faces", "--variant", "other"], 2, "invalid choice"), (["--seed", "abc"], 2, "--seed: 'abc' is not a whole"),
    (["--jobs", "0"], 2, "--jobs: 0 is not at least 1"), (["--data", "faces", "--levels", "2,4"], 1, "the levels of this family are 1,2,3"),
    (["--device", "gpu"], 2, "--device: gpu is neither"), (["--points"], 2, "--points needs a value"),
    (["--data", "faces", "--points", "nowhere.json"], 1, "nowhere.json: cannot be read"),
    (["--data", "faces", "--levels", "2,3"], 1, "stands on level 1, which model-synthetic/ does not have")])
def test_flags(checkout, arguments, status, message):
    process = bootstrap(checkout, *arguments)
    out, err = process.communicate(timeout=60)
    assert (process.returncode != 0) == (status != 0) and message in out + err, err


@pytest.mark.skipif(shutil.which("flock") is None, reason="needs flock (util-linux)")
def test_two_runs_do_not_work_in_one_folder(checkout):
    with open(checkout / ".bootstrap.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        process = bootstrap(checkout, "--data", "nowhere.zip")
        assert "another run is at work in this folder" in process.stderr.readline()
    assert "nowhere.zip" in process.communicate(timeout=60)[1]    # the other one has ended


def test_an_offline_run_without_pictures_draws_faces_and_says_so(checkout):
    out = subprocess.run([sys.executable, "-m", "deeplandmark.find_data", "--offline", "--synthetic-train", "6",
                          "--synthetic-test", "3"], cwd=checkout, text=True, capture_output=True, check=True,
                         env={key: value for key, value in os.environ.items() if key != "DEEPLANDMARK_DATA"})
    assert out.stdout.strip() == "dataset/synthetic" and "SYNTHETIC" in out.stderr
    assert (checkout / "dataset" / "synthetic" / "synthetic.json").exists()
