"""A model for ONNX Runtime, opened in one way: one thread, silent, errors in words."""
from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

from deeplandmark.work.device import GPU, onnx_has, providers_for, say_once

_LOG = logging.getLogger(__name__)
_NO_MEMORY = "Failed to allocate memory", "bad_alloc", "bad allocation"      # in what ONNX Runtime says
SECONDS = 120.0      # that a model may take for one call: the largest here take a hundredth of it


class Session:
    """A model that is ready to run; may be used by several threads at once, and by forked processes that have none of
    their parent's threads.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
    place : str
        What errors name.
    error : type of Exception
        What is raised.
    """

    def __init__(self, session: Any, place: str, error: type[Exception]):
        self._session, self._place, self._error = session, place, error
        self.get_inputs, self.get_outputs = session.get_inputs, session.get_outputs
        self.get_modelmeta = session.get_modelmeta

    def run(self, outputs: list[str] | None, inputs: dict) -> list:
        """The outputs, arrays, as InferenceSession.run gives them. Raises `error` when the model fails on these inputs,
        or takes longer than SECONDS: a loop in it may have no end. Where memory is what it lacks, a MemoryError is its
        cause."""
        import onnxruntime
        options = onnxruntime.RunOptions()
        with _Watched(options):
            try:
                return self._session.run(outputs, inputs, options)
            except Exception as reason:                          # ONNX Runtime's own have no common base
                if any(word in str(reason) for word in _NO_MEMORY):
                    raise self._error(f"{self._place}: there is not enough memory for the model") from MemoryError()
                why = f"takes more than {SECONDS:g} s" if options.terminate else \
                    f"fails at work ({str(reason).splitlines()[0][:160]})"
                raise self._error(f"{self._place}: the model {why}") from None


class _Watched:
    """While it is entered, a thread of the process ends the run of these options once its time is over."""
    _lock, _running, _process = threading.Lock(), {}, None

    def __init__(self, options):
        self._options = options

    def __enter__(self):
        with self._lock:
            if _Watched._process != os.getpid():                 # of a fork, where the thread is not
                _Watched._process = os.getpid()
                self._running.clear()
                threading.Thread(target=self._watch, daemon=True).start()
            self._running[id(self._options)] = self._options, time.monotonic() + SECONDS

    def __exit__(self, *error):
        with self._lock:
            self._running.pop(id(self._options), None)

    @classmethod
    def _watch(cls):
        while True:
            time.sleep(min(1.0, SECONDS / 4))
            with cls._lock:
                for options, end in cls._running.values():
                    if time.monotonic() > end:
                        options.terminate = True


def _unlock():
    """In a forked process: another thread of the parent may have held the lock."""
    _Watched._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


def open_session(model: str | os.PathLike | bytes, place: str | os.PathLike | None = None,
                 error: type[Exception] = ValueError, threads: int = 1, device: str = "cpu") -> Session:
    """The Session of an .onnx file, or of its bytes.

    One thread by default: inside small networks there is too little work to divide, and pictures run in parallel.

    Parameters
    ----------
    model : path or bytes
    place : path, optional
        What errors name; by default the path.
    error : type of Exception
        What is raised.
    threads : int
        That share the work of a node.
    device : str
        As `checked_device` gives it; the processor where ONNX Runtime cannot use it, which is said once.

    Raises
    ------
    error
        If the file cannot be read, or is no model that ONNX Runtime reads.
    """
    import onnxruntime  # late: Haar and given boxes need none

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4                             # errors are raised; they and warnings would go to stderr
    place = place or (model if not isinstance(model, bytes) else "the model")
    try:
        data = model if isinstance(model, bytes) else Path(model).read_bytes()
    except OSError as reason:
        raise error(f"{place}: cannot be read ({reason.strerror})") from None
    try:
        # Trying the processor once more after the processor would only be printed.
        session = onnxruntime.InferenceSession(data, options, providers_for(device), enable_fallback=device != "cpu")
    except Exception as reason:                                  # ONNX Runtime's own have no common base
        raise error(f"{place}: not a model that ONNX Runtime can read ({str(reason).splitlines()[0][:120]})") from None
    used = session.get_providers()[0]
    if device != "cpu" and used != GPU and onnx_has(device):     # its libraries are not there, or too old
        say_once(f"{device}: ONNX Runtime cannot use the GPU; the processor is used")
    _LOG.debug("%s: a model for ONNX Runtime %s, %s", place, onnxruntime.__version__, used)
    return Session(session, str(place), error)
