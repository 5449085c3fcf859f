"""Work in a process of its own: answers, errors, deaths."""
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from deeplandmark.work.apart import Apart, DiedError
from tests.helpers.patience import PATIENCE

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.process


class Odd(Exception):
    def __init__(self, one, two):                                # pickled, it cannot be made again
        super().__init__(f"{one} {two}")


class Work:
    def __init__(self, offset):
        self.calls = offset

    def __call__(self, question):
        self.calls += 1
        if question == "odd":
            raise Odd(1, 2)
        if isinstance(question, type) and issubclass(question, Exception):
            raise question("told")
        if question == "memory":
            return len(bytearray(4 << 30))
        if question == "sleep":
            time.sleep(1000)
        if isinstance(question, signal.Signals):
            os.kill(os.getpid(), question)
        if question == "exit":
            os._exit(3)
        return question, self.calls, os.getpid()


def fail():
    raise ValueError("cannot be made")


@pytest.fixture
def apart():
    made = Apart(partial(Work, 10), 1 << 30, 60)
    yield made
    made.close()


def test_it_answers_from_one_process_that_is_not_this(apart):
    (one, first, process), (two, second, same) = apart("a"), apart(b"b" * 300_000)
    assert (one, two, first, second) == ("a", b"b" * 300_000, 11, 12)
    assert process == same != os.getpid()


@pytest.mark.parametrize("question, error, text", [
    (ValueError, ValueError, "told"), (EOFError, EOFError, "told"), (OSError, OSError, "told"),
    ("odd", RuntimeError, "Odd: 1 2"), ("memory", MemoryError, "^$")])
def test_errors_are_raised_here_and_the_process_goes_on(apart, question, error, text):
    process = apart("a")[2]
    with pytest.raises(error, match=text):
        apart(question)
    assert apart("b") == ("b", 13, process)


@pytest.mark.parametrize("question, text", [(signal.SIGSEGV, "SIGSEGV"), (signal.SIGKILL, "SIGKILL"),
                                            ("exit", "exit status 3")])
def test_a_death_is_told_and_the_next_call_has_another_process(apart, question, text):
    process = apart("a")[2]
    with pytest.raises(DiedError, match=text):
        apart(question)
    answer, calls, other = apart("b")
    assert (answer, calls) == ("b", 11) and other != process


def test_a_call_that_takes_too_long_is_a_death():
    apart = Apart(partial(Work, 0), 1 << 30, 5)
    assert apart("a")[0] == "a"
    with pytest.raises(DiedError, match="SIGKILL"):
        apart("sleep")
    apart.close()


def test_what_cannot_be_made():
    apart = Apart(fail, 1 << 30, 60)
    for _ in range(2):                                           # each time anew
        with pytest.raises(ValueError, match="cannot be made"):
            apart("a")


CODE = """
import os, signal, sys
from functools import partial
from tests.work.test_apart import Work
from deeplandmark.work.apart import Apart
print(Apart(partial(Work, 0), 1 << 30, 60)("a")[2], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked for in /proc")
def test_it_ends_with_its_parent():
    parent = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert parent.returncode == -signal.SIGKILL
    while Path("/proc", parent.stdout.strip()).exists():
        time.sleep(0.1)                                          # forever, if it stays
