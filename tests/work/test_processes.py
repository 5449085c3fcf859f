"""Work spread over processes: the order, errors, and what the processes are told."""
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from deeplandmark.work.opencv import quiet_opencv, set_up_opencv
from deeplandmark.work.processes import in_processes
from tests.helpers.patience import PATIENCE


def square(number):
    if number < 0:
        raise ValueError(f"{number} is below 0")
    return number * number, os.getpid()


def settings(_):
    return os.environ["OMP_NUM_THREADS"], cv2.getNumThreads(), cv2.utils.logging.getLogLevel()


@pytest.mark.process
def test_results_come_in_order_from_other_processes():
    found = list(in_processes(square, range(20), jobs=2, chunk=3))
    assert [number for number, _ in found] == [number * number for number in range(20)]
    processes = {process for _, process in found}
    assert len(processes) <= 2 and os.getpid() not in processes
    assert list(in_processes(square, [3], jobs=1)) == [(9, os.getpid())]


@pytest.mark.process
def test_each_computes_by_itself(monkeypatch):
    monkeypatch.delenv("OPENCV_LOG_LEVEL", raising=False)
    before = os.environ.get("OMP_NUM_THREADS")
    assert list(in_processes(settings, [0], jobs=2)) == [("1", 1, cv2.utils.logging.LOG_LEVEL_SILENT)]
    assert os.environ.get("OMP_NUM_THREADS") == before


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.process
def test_errors_are_raised_in_their_place(jobs):
    results = in_processes(square, [1, -2, 3], jobs)
    assert next(results)[0] == 1
    with pytest.raises(ValueError, match="-2 is below 0"):
        next(results)


def test_opencv_stays_as_the_user_wants_it(monkeypatch):
    threads, level = cv2.getNumThreads(), cv2.utils.logging.getLogLevel()
    try:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_INFO)
        monkeypatch.setenv("OPENCV_LOG_LEVEL", "INFO")
        quiet_opencv()
        assert cv2.utils.logging.getLogLevel() == cv2.utils.logging.LOG_LEVEL_INFO
        monkeypatch.delenv("OPENCV_LOG_LEVEL")
        set_up_opencv()
        assert (cv2.getNumThreads(), cv2.utils.logging.getLogLevel()) == (1, cv2.utils.logging.LOG_LEVEL_SILENT)
    finally:
        cv2.setNumThreads(threads)
        cv2.utils.logging.setLogLevel(level)


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_says_nothing_of_semaphores(tmp_path, number):
    (tmp_path / "run.py").write_text("import time\nfrom deeplandmark.work.processes import in_processes\n"
                                     "if __name__ == '__main__':\n"
                                     "    results = in_processes(abs, range(1000), 2)\n"
                                     "    print(next(results), flush=True)\n    time.sleep(600)\n")
    process = subprocess.Popen([sys.executable, "run.py"], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    assert process.stdout.readline() == "0\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE)               # ends when the last of its processes has ended
    assert err == ""
