"""The processes that work on uploads. A picture that was made to cost more than it may ends its process, nothing else.

The server's own process decodes nothing and runs no network: it stays quick however much work there is, and what a
worker has begun can be ended, which no thread can be.
"""
import asyncio
import contextlib
import functools
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from deeplandmark.web.limits import Limits, Refusal
from deeplandmark.work.heap import bound_memory
from deeplandmark.work.opencv import limit_opencv_pictures, set_up_opencv
from deeplandmark.work.processes import deaf_to_interrupts, single_threaded_children

_AFTER_CLIENT = 1.0     # seconds that work goes on when nobody waits for it any more: to start a process takes as long
_OPENCV_NO_MEMORY = -4  # cv2.Error.StsNoMem
_DETECTORS = 4         # settings of the detector whose networks stay in memory
_HANGS = 20             # times its processor time after which work that uses none is given up


@dataclass(frozen=True)
class Work:
    """What a worker needs to begin.

    Attributes
    ----------
    model : path, or None for the published ones, of any number of points
    detector : str, its kind
    limits : Limits
    explain : (Exception) -> str
        One line about why the two cannot be loaded; a function of a module.
    looks : 1, 2 or "auto"
        How often a face is looked at, of a system that may look again.
    """
    model: str
    detector: str
    limits: Limits
    explain: Callable = str
    looks: int | str = "auto"


class Workers:
    """Processes that answer uploads, started as they are needed.

    Parameters
    ----------
    work : Work
    count : int
        Uploads that are worked on at a time; others wait.

    Raises
    ------
    ValueError
        When the model or the detector cannot be loaded.
    """

    def __init__(self, work, count):
        self.limits, self._work = work.limits, work
        self._free = asyncio.Semaphore(count)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="workers")
        self._idle, self._all = [self._start()], set()
        self._all.update(self._idle)
        self.model = self._idle[0].begin()

    @property
    def working(self):
        """Processes that are at work (int)."""
        return len(self._all) - len(self._idle)

    async def answer(self, content_type, body, gone):
        """(status, JSON as bytes) of a request's body.

        Parameters
        ----------
        content_type : str
        body : bytes
        gone : awaitable
            Done when nobody waits for the answer any more.
        """
        gone = asyncio.ensure_future(gone)
        work = asyncio.ensure_future(self._in_turn(content_type, body, gone))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await asyncio.wait({work}, timeout=_AFTER_CLIENT)
            if not work.done():
                raise Refusal(400, "the client has gone")
            return work.result()
        finally:
            gone.cancel()
            work.cancel()

    async def _in_turn(self, content_type, body, gone):
        async with self._free:
            if gone.done():
                raise Refusal(400, "the client has gone")
            worker = self._idle.pop() if self._idle else self._start()
            self._all.add(worker)
            call = asyncio.get_running_loop().run_in_executor(self._threads, worker.ask, content_type, body)
            call.add_done_callback(lambda done: done.cancelled() or done.exception())     # also when nobody waits
            usable = False
            try:
                status, answer, usable = await asyncio.wait_for(asyncio.shield(call), _HANGS * self.limits.processor)
            except (asyncio.TimeoutError, EOFError, OSError):
                status, answer, _ = _too_costly(self.limits)
            finally:
                if usable:
                    self._idle.append(worker)
                else:
                    self._end(worker)
            return status, answer

    def _start(self):
        return _Worker(self._work)

    def _end(self, worker):
        self._all.discard(worker)
        worker.end()

    def close(self):
        """Ends the processes, whatever they are at."""
        for worker in list(self._all):
            self._end(worker)
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Worker:
    """One process, seen from the server's."""

    def __init__(self, work):
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_main, args=(theirs, work), daemon=True)
        with deaf_to_interrupts(), single_threaded_children(keep_memory=False):
            self._process.start()
        theirs.close()
        self._began = False

    def begin(self):
        """What the model is (see `Finder.model`), once it is loaded. Raises ValueError saying why it is not."""
        try:
            kind, told = self._pipe.recv()
        except EOFError:
            raise ValueError("the process that loads the model has died") from None
        if kind == "failed":
            raise ValueError(told)
        self._began = True
        return told

    def ask(self, content_type, body):
        """(status, JSON as bytes, whether the process can go on). Raises EOFError or OSError when it has ended over
        it."""
        if not self._began:
            try:
                self.begin()
            except ValueError as error:
                return 503, _json({"error": f"the model cannot be loaded any more: {error}"}), False
        self._pipe.send((content_type, body))
        return self._pipe.recv()

    def end(self):
        self._process.kill()                                      # whoever waits for its answer gets an EOFError
        self._process.join(1)
        with contextlib.suppress(OSError):
            self._pipe.close()


def _too_costly(limits):
    return 422, _json({"error": f"the picture takes more than {limits.processor:g} s of processor time or "
                                f"{limits.memory >> 20} MiB of memory"}), False


def _json(answer):
    return json.dumps(answer).encode()


# -------------------------------------------------------------------------------------------- in the worker's process
def _main(pipe, work):
    signal.signal(signal.SIGINT, signal.SIG_IGN)                  # the server's process ends this one
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _hush_libraries()
    try:
        finder = _load(work)
        pipe.send(("ready", finder.model()))
    except Exception as error:
        pipe.send(("failed", work.explain(error)))
        return
    bound_memory(work.limits.memory)
    with contextlib.suppress(EOFError, OSError, MemoryError):     # the server has ended, or there is no room to read
        while True:
            pipe.send(_answer(finder, *pipe.recv()))


def _answer(finder, content_type, body):
    try:
        with _processor_time(finder.limits.processor):
            return 200, _json(finder.answer(content_type, body)), True
    except Refusal as error:
        return error.status, _json({"error": error.message}), True
    except Exception as error:
        if _lacks_memory(error):
            return _too_costly(finder.limits)
        traceback.print_exc()
        return 500, _json({"error": "the server failed on this request; its log says more"}), True


def _lacks_memory(error):
    """Whether an error is one of memory: of Python and NumPy, of ONNX Runtime (work/onnx_session.py), of OpenCV."""
    return isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError) or \
        getattr(error, "code", None) == _OPENCV_NO_MEMORY


def _load(work):
    # A second lock on the door: should OpenCV ever see another size than the checked header's, it refuses by itself.
    limit_opencv_pictures(work.limits.pixels)
    set_up_opencv()
    from deeplandmark.models import load
    from deeplandmark.models.detectors import load_detector
    from deeplandmark.networks.published import POINTS, model_at
    from deeplandmark.web.finder import Finder
    detectors = functools.lru_cache(_DETECTORS)(functools.partial(load_detector, work.detector))
    detectors(min_face=None, thorough=False)                      # the error of one that cannot be loaded, now
    others = {} if work.model else {name: load(name) for name in POINTS[1:] if model_at(name).exists()}
    pose = load("pose") if model_at("pose").exists() else None
    return Finder(load(work.model), detectors, work.limits, work.looks, others, pose)


def _hush_libraries():
    """What libraries write about bad uploads goes nowhere: their senders are told."""
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


@contextlib.contextmanager
def _processor_time(seconds):
    """Ends this process when the block uses more processor time, all its threads together."""
    if not hasattr(signal, "ITIMER_PROF"):                        # Windows: the server's process gives up in the end
        yield
        return
    signal.signal(signal.SIGPROF, signal.SIG_DFL)                 # no handler of Python's, which waits for the library
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
