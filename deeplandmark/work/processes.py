"""How work is spread over processes: one a core, one thread each."""
import os
import sys
import threading
import time
from contextlib import contextmanager

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# glibc gives large blocks back to the system when they are freed, and every training step would fault the same pages in
# again: keeping them saves a tenth of a step of S0 and two fifths of one of S2. Other C libraries ignore these.
_KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "2000000000", "MALLOC_TOP_PAD_": "268435456"}


@contextmanager
def single_threaded_children(threads=1):
    """Processes started inside compute with that many threads: more would only be in each other's way.

    The libraries read these variables when they are loaded, so the children must be spawned, not forked.
    """
    settings = _settings(threads)
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def reexec_keeping_memory(threads=1):
    """Starts the running command anew under the settings of `single_threaded_children`, unless it has them already."""
    settings = _settings(threads)
    if any(os.environ.get(name) != value for name, value in settings.items()):
        os.environ.update(settings)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _settings(threads):
    return {**dict.fromkeys(_THREAD_VARIABLES, str(threads)), **_KEEP_MEMORY}


def end_with(parent, interval=0.5):
    """Ends this process soon after the process `parent`, which started it, has died: nobody will collect the work.

    Not on Windows, where a process keeps the number of its parent even when that has died.
    """
    def watch():
        while os.getppid() == parent:
            time.sleep(interval)
        os._exit(1)
    threading.Thread(target=watch, daemon=True).start()
