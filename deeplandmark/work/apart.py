"""Work in a process of its own, which may die over it: a crash in a decoder, memory that runs out, a loop without end.

    work = Apart(make)          # in the other process `work = make()`
    answer = work(argument)     # there `work(argument)`; what that raises is raised here
"""
import contextlib
import os
import pickle
import signal
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from deeplandmark.work.heap import bound_memory
from deeplandmark.work.opencv import set_up_opencv
from deeplandmark.work.processes import end_with, single_threaded_children

_CODE = "import sys; from deeplandmark.work.apart import serve; serve(*map(int, sys.argv[1:]))"


class DiedError(Exception):
    """The process died, or took too long and was killed; the message says of what: `SIGSEGV`, `exit status 1`."""


class Apart:
    """What `make()` makes, called in a process of its own; one that died is started again by the next call.

    The process ends with this one. It is not forked, and knows nothing of the script that this one runs.

    Parameters
    ----------
    make : callable without arguments, picklable
        Called once a process; it returns a callable of one argument.
    memory : int
        Bytes that the process may take besides what it has when `make` is done. Beyond them there is none, which Python
        calls a MemoryError, and libraries mostly die of.
    seconds : float
        That a call may take.
    """

    def __init__(self, make, memory, seconds):
        self._make, self._memory, self._seconds = make, memory, seconds
        self._process = self._pipe = None

    def __call__(self, argument):
        """The answer to an argument; both are pickled.

        Raises
        ------
        DiedError
            When there was none.
        Exception
            What the work raised, or what `make` raised if it was to be made.
        """
        if self._process is None:
            self._start()
            try:
                self._ask(self._make)
            except Exception:
                self.close()
                raise
        return self._ask(argument)

    def close(self):
        """Ends the process; the next call starts another."""
        if self._process is not None:
            self._process.kill()
            self._cause()

    def _start(self):
        here, there = Pipe()
        paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with there, single_threaded_children(keep_memory=False):
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CODE, str(there.fileno()), str(os.getpid()), str(self._memory)],
                pass_fds=[there.fileno()], stdin=subprocess.DEVNULL, env={**os.environ, **paths})
        self._pipe = here

    def _ask(self, question):
        try:
            self._pipe.send(question)
            if not self._pipe.poll(self._seconds):
                self._process.kill()
            well, answer = self._pipe.recv()
        except (EOFError, OSError):
            raise DiedError(self._cause()) from None
        if well:
            return answer
        raise answer

    def _cause(self):
        """How the process, which is dead or dying, came to its end."""
        status = self._process.wait()
        self._pipe.close()
        self._process = self._pipe = None
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def serve(pipe, parent, memory):
    """The other process: answers what comes through the pipe of that number; ends with its parent."""
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)                 # a terminal's Ctrl-C is for who started all this
    set_up_opencv()
    with Connection(pipe) as connection, contextlib.suppress(EOFError):
        work = connection.recv()
        try:
            work = work()
            connection.send((True, None))
        except Exception as error:
            connection.send((False, _picklable(error)))
        bound_memory(memory)
        while True:
            question = connection.recv()
            try:
                connection.send((True, work(question)))
            except Exception as error:
                connection.send((False, _picklable(error)))


def _picklable(error):
    """An error as the other process can have it."""
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:                                            # whatever its class thinks of pickling
        return RuntimeError(f"{type(error).__name__}: {error}")
