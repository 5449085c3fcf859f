"""The markers keep their word: a test without `process` starts no Python and no shell. No test goes by the clock. None
leaves a variable behind that a command has set for its process (--max-pixels)."""
import multiprocessing.process
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
_NAMES = ("python", "bash", "sh", "deeplandmark", "bootstrap")   # a library may still ask ldconfig or fc-list


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    with pytest.MonkeyPatch.context() as patch:
        if not any(item.iter_markers("process")) and not any(item.iter_markers("browser")):
            _watch(patch)
        before = _variables()
        yield
        for name in {**before, **_variables()}:
            os.environ.pop(name, None)
        os.environ.update(before)


def _variables():
    return {name: value for name, value in os.environ.items() if name.startswith("DEEPLANDMARK_")}


def _watch(patch):
    popen = subprocess.Popen.__init__

    def watched_popen(self, args, *rest, **named):
        program = Path(str(args if isinstance(args, (str, bytes, Path)) else args[0])).name
        if program.startswith(_NAMES):
            pytest.fail(f"starts {program}: mark the test with pytest.mark.process")
        popen(self, args, *rest, **named)

    def refuse(self):
        pytest.fail("starts a process: mark the test with pytest.mark.process")

    patch.setattr(subprocess.Popen, "__init__", watched_popen)
    patch.setattr(multiprocessing.process.BaseProcess, "start", refuse)
