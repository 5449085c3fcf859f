"""How work is spread over processes: one a core, one thread each. What threads can do together is in `in_order`."""
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from multiprocessing import get_context

from deeplandmark.work.cores import cores
from deeplandmark.work.opencv import set_up_opencv

# What watches over multiprocessing's semaphores takes them away when the command was killed, and would say so.
_WARNINGS, _QUIET = "PYTHONWARNINGS", "ignore:resource_tracker:UserWarning"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# glibc gives large blocks back to the system when they are freed, and every training step would fault the same pages in
# again: keeping them saves a tenth of a step of S0 and two fifths of one of S2. Other C libraries ignore these.
_KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "2000000000", "MALLOC_TOP_PAD_": "268435456"}


def in_processes(work, items, jobs=None, chunk=1):
    """`work(item)` of every item, in the order of the items, by `jobs` processes (by default one a core); one job is
    done in this process.

    Processes are spawned: that is safe beside the threads of OpenCV or torch, forking is not. `work` and the items must
    be picklable, and a script that calls this needs the usual `if __name__ == "__main__":` of multiprocessing.

    Parameters
    ----------
    chunk : int
        Items that a process is handed at a time.
    """
    jobs = jobs or cores()
    if jobs == 1:
        yield from map(work, items)
        return
    with single_threaded_children(), deaf_to_interrupts():
        pool = get_context("spawn").Pool(jobs, _begin_worker, [os.getpid()])
    with pool:
        yield from pool.imap(work, items, chunk)


def _begin_worker(parent):
    set_up_opencv()
    sys.stderr = _WhileParentLives(parent, sys.stderr)
    end_with(parent)


class _WhileParentLives:
    """The stderr of a worker: one whose parent was killed has nothing to say of the results that nobody takes."""

    def __init__(self, parent, stream):
        self._parent, self._stream = parent, stream

    def write(self, text):
        if os.getppid() == self._parent:
            self._stream.write(text)

    def __getattr__(self, name):
        return getattr(self._stream, name)


@contextmanager
def deaf_to_interrupts():
    """Processes started inside ignore SIGINT: a terminal sends it to all of them, and only their parent, which then
    ends them, should say something. Without effect outside the main thread, which alone may set what a signal does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def single_threaded_children(threads=1, keep_memory=True):
    """Processes started inside compute with that many threads: more would only be in each other's way. They keep the
    memory that they have had, or give it back.

    The libraries read these variables when they are loaded, so the children must be spawned, not forked.
    """
    settings = _settings(threads) if keep_memory else dict.fromkeys(_THREAD_VARIABLES, str(threads))
    settings[_WARNINGS] = ",".join(filter(None, [os.environ.get(_WARNINGS), _QUIET]))
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
