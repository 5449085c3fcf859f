"""Commands killed at random moments and started again: what they leave in the end is what an undisturbed run leaves.

Five kills, one a command, unless DEEPLANDMARK_KILLS says how many in all: a hundred for a night are spread over all
of COMMANDS, and within each over all of its steps. DEEPLANDMARK_FUZZ_SEED chooses other moments.
"""
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deeplandmark.faces.synthetic.generate import generate
from tests.helpers.patience import PATIENCE
from tests.helpers.same_ends import differences, left_over

pytestmark = [pytest.mark.process, pytest.mark.slow]
ROOT = Path(__file__).parents[1]
KILLS = int(os.environ.get("DEEPLANDMARK_KILLS", "5"))
SEED = int(os.environ.get("DEEPLANDMARK_FUZZ_SEED", "1"))
DETECTOR = ("--data {given}/faces --negatives {given}/empty --jobs 1 --effort 0.0001 --set batch=4 "
            "--set test_batch_size=2")
FAMILY = "--data {given}/faces --effort 0.0001 --set batch_size=4 --set test_batch_size=2"
DETECT = "deeplandmark detect {given}/faces/synthetic --threads 2 --resume"
COMMANDS = [  # the first five are killed where nothing else is said
    f"{DETECT} --json rows.jsonl --csv rows.csv --out drawn",
    "deeplandmark prepare 1 --data {given}/faces --out train --jobs 2",
    f"deeplandmark train_detector mtcnn {DETECTOR}",
    "deeplandmark export cascade.onnx",
    f"bootstrap.sh --variant face112 {FAMILY}",
    f"{DETECT} --json rows.jsonl", f"{DETECT} --csv rows.csv", f"{DETECT} --out drawn",
    f"deeplandmark train_detector single_shot {DETECTOR}",
    f"bootstrap.sh --levels 1 --copies 2 {FAMILY}",
    "deeplandmark generate --out prototxt"]
SHARES = [(command, KILLS // len(COMMANDS) + (i < KILLS % len(COMMANDS))) for i, command in enumerate(COMMANDS)]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Drawn faces, and ten of them as pictures without any."""
    folder = tmp_path_factory.mktemp("given")
    generate(folder / "faces", train=60, test=10, jobs=1)
    (folder / "empty").mkdir()
    for path in sorted((folder / "faces").rglob("*.jpg"))[:10]:
        shutil.copy(path, folder / "empty")
    return folder


def workplace(folder, command):
    """An empty folder; for bootstrap.sh a copy of the project as somebody has just cloned it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if command.startswith("bootstrap"):
        for name in ("bootstrap.sh", "setup.cfg", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)
        shutil.copytree(ROOT / "prototxt", folder / "prototxt", ignore=shutil.ignore_patterns("*.prototxt"))
        (folder / "deeplandmark").symlink_to(ROOT / "deeplandmark")
    return folder


def start(folder, command):
    script = command.startswith("bootstrap")
    call = ["./bootstrap.sh", *command.split()[1:]] if script else [sys.executable, "-m", *command.split()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "DEEPLANDMARK_PYTHON": sys.executable}
    return subprocess.Popen(call, cwd=folder, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            start_new_session=True, env=environment)


def finish(folder, command):
    """Seconds that it took."""
    begun = time.monotonic()
    process = start(folder, command)
    err = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 0, err
    return time.monotonic() - begun


def kill(folder, command, seconds):
    """Whether it was killed, after that time at most: it may have ended before."""
    process = start(folder, command)
    try:
        _, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
        return True
    assert process.returncode == 0, err
    return False


@pytest.mark.parametrize("command, kills", [pair for pair in SHARES if pair[1]],
                         ids=lambda part: f"{part}".split("--")[0])
def test_the_end_is_that_of_an_undisturbed_run(tmp_path, given, command, kills):
    print(f"seed {SEED}")
    rng, command = random.Random(f"{SEED} {command}"), command.format(given=given)
    undisturbed, killed = workplace(tmp_path / "undisturbed", command), workplace(tmp_path / "killed", command)
    seconds = finish(undisturbed, command)
    while kills:
        after = rng.uniform(0.15, 1) * seconds
        if kill(killed, command, after):
            kills -= 1
            print(f"killed after {after:.1f} of {seconds:.1f} s; {len(left_over(killed))} temporary files")
        else:                                                    # the earlier ones had left little: from the beginning
            assert not (found := differences(undisturbed, killed)), "\n".join(found)
            workplace(killed, command)
    finish(killed, command)
    assert len(left_over(killed)) <= 60 * KILLS
    assert not (found := differences(undisturbed, killed)), "\n".join(found)
