"""Commands killed at random moments and started again: what they leave in the end is what an undisturbed run leaves.

Five kills, one a command, unless DEEPLANDMARK_KILLS says how many in all: a hundred for a night are spread over all
of COMMANDS, and within each over all of its steps. DEEPLANDMARK_FUZZ_SEED chooses other moments.
"""
import contextlib
import os
import random
import resource
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

pytestmark = [pytest.mark.process, pytest.mark.slow,
              pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processor time of others is in /proc")]
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
    with open(folder.parent / "said", "w") as said:              # no pipe, which somebody would have to empty
        return subprocess.Popen(call, cwd=folder, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True,
                                env=environment)


def finish(folder, command):
    """Seconds of processor time that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = start(folder, command)
    assert process.wait(timeout=PATIENCE) == 0, (folder.parent / "said").read_text()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime


def kill(folder, command, seconds):
    """Whether it was killed, after that processor time at most: it may have ended before. By the clock a machine with
    other work would have got elsewhere in the same time."""
    process, end = start(folder, command), time.monotonic() + PATIENCE
    while process.poll() is None:
        if used_by(process.pid) >= seconds:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=PATIENCE)
            return True
        assert time.monotonic() < end
        time.sleep(0.005)
    assert process.returncode == 0, (folder.parent / "said").read_text()
    return False


def used_by(group):
    """Seconds of processor time of a group of processes, and of those of its children that have ended."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):                       # it has ended meanwhile
            fields = path.read_text().rpartition(") ")[2].split()     # from the third on
            if int(fields[2]) == group:
                total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


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
            print(f"killed after {after:.1f} of {seconds:.1f} s of processor time; "
                  f"{len(left_over(killed))} temporary files")
        else:                                                    # the earlier ones had left little: from the beginning
            assert not (found := differences(undisturbed, killed)), "\n".join(found)
            workplace(killed, command)
    finish(killed, command)
    assert len(left_over(killed)) <= 60 * KILLS
    assert not (found := differences(undisturbed, killed)), "\n".join(found)
