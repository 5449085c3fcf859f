"""Log lines as Caffe's glog writes them, so that parsers of Caffe logs read ours.

A line is `I20261121 00:35:46.183374 18697 solver.cpp:239] Iteration 0 ...`: severity and date, time, process id, the
place in Caffe's source where that message comes from, message. Numbers in messages have C++'s six digits (`%g`).
"""

import os
import sys
from datetime import datetime


class Log:
    """Writes log lines to standard error and, when a path is given, to a file.

    Parameters
    ----------
    path : str or None
        File to append to; its folder is made. A last line cut short by a kill is removed first, so that no parser
        takes half a number for a whole one.
    stderr : bool
        Whether lines go to standard error too. GLOG_minloglevel in the environment silences it there, as in Caffe.
    """

    def __init__(self, path=None, stderr=True):
        self._stderr = stderr
        self._file = _open_for_append(path) if path else None

    def info(self, source, message):
        """One message of severity INFO; `source` is file:line in Caffe, such as `solver.cpp:239`."""
        self._write("I", 0, source, message)

    def error(self, source, message):
        """A message of severity ERROR, which Caffe gives to some lines that tell of no error."""
        self._write("E", 2, source, message)

    def close(self):
        if self._file:
            self._file.close()
            self._file = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _write(self, severity, level, source, message):
        now = datetime.now()
        line = f"{severity}{now:%Y%m%d %H:%M:%S.%f} {os.getpid():5d} {source}] {message}\n"
        if self._stderr and level >= _minimum_level():
            sys.stderr.write(line)
            sys.stderr.flush()
        if self._file:
            self._file.write(line)
            self._file.flush()


class SilentLog(Log):
    """Takes the same calls and writes nothing."""

    def __init__(self):
        super().__init__(stderr=False)


def loss_note(weight, value):
    """What follows the value of a loss in the log; nothing for a top without loss weight."""
    return f" (* {weight:g} = {weight * value:g} loss)" if weight else ""


def _minimum_level():
    try:
        return int(os.environ.get("GLOG_minloglevel", "0"))
    except ValueError:
        return 0


def _open_for_append(path):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    if os.path.exists(path):
        _cut_half_line(path)
    return open(path, "a", encoding="utf-8")


def _cut_half_line(path):
    with open(path, "rb+") as file:
        size = end = file.seek(0, os.SEEK_END)
        tail = b""
        while end and b"\n" not in tail:
            start = max(0, end - 4096)
            file.seek(start)
            tail = file.read(end - start)
            end = start
        file.truncate(min(size, end + tail.rfind(b"\n") + 1))
