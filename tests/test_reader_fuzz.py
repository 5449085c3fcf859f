"""Readers on damaged files of every kind; tests/helpers/reader_fuzz.py runs any number."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.patience import PATIENCE
from tests.helpers.reader_seeds import make

ROOT = Path(__file__).parents[1]
SEED = os.environ.get("DEEPLANDMARK_FUZZ_SEED", "1")


def test_whole_files_are_read(tmp_path, monkeypatch):
    """Otherwise damaging them would show nothing."""
    monkeypatch.chdir(tmp_path)
    for read, _, name, data in make():
        Path(name).write_bytes(data)
        read(name)


@pytest.mark.process
@pytest.mark.slow
def test_damaged_files():
    done = subprocess.run([sys.executable, "-m", "tests.helpers.reader_fuzz", "--count", "5000", "--seed", SEED],
                          cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, capture_output=True,
                          timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.process
def test_what_the_harness_finds(tmp_path):
    code = """
import os, sys, tempfile
from tests.helpers import reader_fuzz
os.chdir(sys.argv[1])
reader_fuzz.SECONDS, reader_fuzz.MEMORY = 1, 50 << 20
def read(path):
    first = open(path, "rb").read(1)
    if first == b"a": raise KeyError("x")
    if first == b"b": os.abort()
    if first == b"c": bytearray(100 << 20)
    if first == b"d":
        while True: pass
    if first == b"e": raise ValueError("expected")
reader_fuzz.mutated = lambda rng, data, others: data
reader_fuzz.make = lambda: [(read, (ValueError,), name, name.encode()) for name in "abcdefg"]
print(*reader_fuzz.fuzz(14, 1), sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, text=True, capture_output=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=PATIENCE)
    found = [line.split(": ", 2)[1:] for line in done.stdout.splitlines()]
    assert [name for name, _ in found] == list("abcdabcd"), done.stdout + done.stderr
    assert "KeyError" in found[0][1] and "status 6" in found[1][1] and "MiB" in found[2][1]
    assert "status 24" in found[3][1] or "status 9" in found[3][1]
