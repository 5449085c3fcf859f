"""Commands killed at random moments and started again: what they leave in the end is what an undisturbed run leaves.

DEEPLANDMARK_KILLS=20 kills each of them twenty times instead of once; the main job and a training are killed in
test_bootstrap.py and training/test_training.py.
"""
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deeplandmark.faces.synthetic.generate import generate
from tests.helpers.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.slow]
ROOT = Path(__file__).parents[1]
KILLS = int(os.environ.get("DEEPLANDMARK_KILLS", "1"))
SEED = int(os.environ.get("DEEPLANDMARK_FUZZ_SEED", "1"))


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    generate(folder, train=60, test=10, jobs=1)
    return folder


def start(folder, command):
    return subprocess.Popen([sys.executable, "-m", *command.split()], cwd=folder, text=True, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, start_new_session=True,
                            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})


def finish(folder, command):
    begun = time.monotonic()
    process = start(folder, command)
    err = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 0, err
    return time.monotonic() - begun


def content(folder):
    """{name: bytes} of everything below a folder; an HDF5 file says when it was made, so of one its size."""
    return {str(path.relative_to(folder)): path.stat().st_size if path.suffix == ".h5" else path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("command", [
    "deeplandmark detect {faces}/synthetic --json out.jsonl --resume --threads 2",
    "deeplandmark detect {faces}/synthetic --csv out.csv --resume --threads 2",
    "deeplandmark detect {faces}/synthetic --out drawn --resume --threads 2",
    "deeplandmark prepare 1 --data {faces} --out train --jobs 2", "deeplandmark export cascade.onnx",
    "deeplandmark generate --out prototxt"], ids=lambda command: command.split("}")[-1])
def test_the_end_is_that_of_an_undisturbed_run(tmp_path, faces, command):
    rng, command = random.Random(f"{SEED} {command}"), command.format(faces=faces)
    (tmp_path / "undisturbed").mkdir()
    seconds = finish(tmp_path / "undisturbed", command)
    (tmp_path / "killed").mkdir()
    for _ in range(KILLS):
        process = start(tmp_path / "killed", command)
        time.sleep(rng.uniform(0.2, 1.1) * seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
    finish(tmp_path / "killed", command)
    expected, found = content(tmp_path / "undisturbed"), content(tmp_path / "killed")
    # Temporary files of a killed run have names of their own; nobody takes them for results.
    left = [name for name in found if Path(name).name.startswith(".") and name not in expected]
    assert len(left) <= 60 * KILLS
    own = {name: data for name, data in found.items() if name not in left}
    replaced = {name: data.replace(b"/killed/", b"/undisturbed/") if isinstance(data, bytes) else data
                for name, data in own.items()}
    assert replaced == expected
