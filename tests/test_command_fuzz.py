"""Commands on damaged files, in a process of their own that forks; tests/helpers/command_fuzz.py runs any number."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.patience import PATIENCE

pytestmark = pytest.mark.process  # of the commands
ROOT = Path(__file__).parents[1]
SEED = os.environ.get("DEEPLANDMARK_FUZZ_SEED", "1")
CHECK = """
import os, sys, tempfile
from tests.helpers import command_fuzz, command_seeds
os.chdir(sys.argv[1])
for seed in command_seeds.make():
    status, wrong = command_fuzz.run_case(seed, {}, os.path.join(sys.argv[1], "case"))
    if wrong or status and "--detector" not in seed.arguments:         # no small model of one is at hand
        print(*seed.arguments, status, wrong, open("case/.told").read()[-400:])
"""


def python(*arguments, **options):
    return subprocess.run([sys.executable, *arguments], env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
                          capture_output=True, timeout=PATIENCE, **options)


@pytest.mark.slow
def test_whole_files_are_answered(tmp_path):
    """Otherwise damaging them would show nothing."""
    done = python("-c", CHECK, str(tmp_path))
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


def test_what_the_harness_finds(tmp_path):
    code = """
import os, sys
from tests.helpers import command_fuzz
from tests.helpers.command_seeds import Seed
os.chdir(sys.argv[1])
command_fuzz.SECONDS = 5
def main(arguments):
    word = arguments[0]
    if word == "loop":
        while True: pass
    if word == "large": return len(bytearray(1200 << 20)) * 0
    if word == "abort": os.abort()
    if word == "raise": raise KeyError("x")
    if word == "exit": sys.exit(2)
    if word == "line": print("line", file=sys.stderr); return 1
    return 1
for word in sys.argv[2:]:
    print(word, command_fuzz.run_case(Seed(main, (word,), [], []), {}, "case")[1], flush=True)
"""
    done = python("-c", code, str(tmp_path), "loop", "large", "abort", "raise", "exit", "line", "none")
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert "SIGKILL" in found["loop"] or "SIGXCPU" in found["loop"] or "SIGALRM" in found["loop"]
    assert "MiB" in found["large"] and "SIGABRT" in found["abort"] and "KeyError" in found["raise"]
    assert "without a word" in found["exit"] and found["line"] == "None" and "without a word" in found["none"]


def run(first, count):
    done = python("-m", "tests.helpers.command_fuzz", "--first", str(first), "--count", str(count), "--seed", SEED,
                  cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_few_damaged_files():
    run(0, 50)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(50, 2050, 500))
def test_damaged_files(first):
    run(first, 500)
