"""A file of rows that appears under its name when it is whole, and that a run which was stopped can go on with."""

import errno
import hashlib
import io
import json
import os
import shutil
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deeplandmark.running.resume import pictures_of_rows, read_journal
from deeplandmark.work.whole_file import WholeFile, naming, open_directly, put_in_place, target_of, write_text

try:
    import fcntl
except ImportError:     # Windows
    fcntl = None

_LONGEST = 255          # bytes of a name
_BETWEEN_SYNCS = 5.0    # seconds


def rows_to(name, layout, points, resume=False):
    """What takes the rows that a command is told to write to `name`, a RowFile or a RowStream.

    - is stdout, a device or a pipe gets rows as they come, and a file has them in the end.

    Parameters
    ----------
    name : str
    layout : Layout
    points : int
        Points of a face.
    resume : bool
        Go on with what an earlier run has left; files only.

    Raises
    ------
    OSError
        When nothing can be written there.
    """
    if name == "-":
        return RowStream(layout, points)
    if target_of(name) is not None:
        return RowFile(name, layout, points, resume)
    return RowStream(layout, points, io.TextIOWrapper(open_directly(name), "utf-8", "surrogateescape", newline=""))


def can_go_on(name):
    """Whether (bool) rows written to `name` are there for --resume: they are in a file alone."""
    return name != "-" and target_of(name) is not None


class RowFile:
    """Rows in a file that appears when it is whole, and that a stopped run can go on with.

    Rows go to FILE.part, and each finished picture, with the length of FILE.part by then, to FILE.part.done; `finish`
    makes FILE of the first. Rows alone would not do: a picture without a face leaves none. Both lie beside the file,
    where a link leads; a name too long for the endings is replaced by its hash.

    Parameters
    ----------
    path : where the rows end up; its folder is made
    layout : Layout
        JSON lines or CSV, see rows.py.
    points : int
        Points of a face.
    resume : bool
        Go on with FILE.part, or else with FILE.

    Raises
    ------
    OSError
        When it cannot be written, or another run is writing it.
    """

    def __init__(self, path, layout, points, resume=False):
        self.path, self._layout, self._header = Path(target_of(path)), layout, layout.header(points)
        self._part, self._journal_path = _beside(self.path, ".part"), _beside(self.path, ".part.done")
        self._done = set()  # hashes: a million names would take ten times the memory
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if resume and not self._part.exists() and self.path.exists():
            self._take_up_whole()
        self._rows = _open_alone(self._part, self.path)
        self._rows.seek(self._rows.truncate(self._take_up() if resume else 0))
        self._journal = self._journal_path.open("a" if resume else "w", encoding="utf-8")
        self._synced = time.monotonic()
        if not self._rows.tell():
            self._rows.write(self._header.encode("utf-8", "surrogateescape"))

    def is_done(self, picture):
        """Whether (bool) an earlier run has finished the picture, a path as it was written."""
        return hash(picture) in self._done

    def write(self, located, frame=None):
        """Writes all rows of a Located: of a picture, or of frame number `frame` (int) of a video, see `end`."""
        if self.is_done(located.path):
            return
        with self._named():
            self._rows.write(self._layout.rows(located, frame).encode("utf-8", "surrogateescape"))
        if frame is None:
            self.end(located.path)

    def end(self, picture):
        """The picture or video (its path) is finished: what comes later does not touch its rows."""
        with self._named():
            self._rows.flush()
            self._journal.write(json.dumps([self._rows.tell(), picture]) + "\n")  # after the rows: those are whole
            self._journal.flush()
            if time.monotonic() - self._synced >= _BETWEEN_SYNCS:
                self._reach_the_disk()

    def finish(self):
        """Everything was worked through: the file appears under its name. An OSError where it cannot."""
        with self._named(), self._rows, self._journal:           # until it is in its place no other run may have it
            self._rows.flush()
            put_in_place(self._part, self.path)
            self._journal_path.unlink()

    def close(self):
        """Leaves FILE.part for --resume; nothing when no picture was finished. Does nothing after `finish`."""
        if self._rows.closed:
            return
        with self._named(), self._rows, self._journal:
            if not self._journal.tell():
                self._part.unlink()
                self._journal_path.unlink()

    def _named(self):
        return naming(str(self.path), str(self._part))

    def _take_up(self):
        """How many bytes of FILE.part are rows of finished pictures; what the journal says beyond is cut off."""
        finished, rows, journal = read_journal(self._journal_path, self._part)
        self._done = {hash(picture) for picture in finished}
        if self._journal_path.exists():
            os.truncate(self._journal_path, journal)
        return rows

    def _take_up_whole(self):
        """A finished file: every picture that it has rows of is done."""
        pictures = pictures_of_rows(self.path, self._layout, self._header)
        size = self.path.stat().st_size
        journal = "".join(json.dumps([size, picture]) + "\n" for picture in pictures)
        write_text(self._journal_path, journal)
        with WholeFile(self._part) as temporary:
            shutil.copyfile(self.path, temporary)

    def _reach_the_disk(self):
        """So that a power cut takes no more than some seconds of work: rows first, for the journal tells of them."""
        for stream in (self._rows, self._journal):
            os.fsync(stream.fileno())
        self._synced = time.monotonic()


@contextmanager
def finished(row_files):
    """A context with the list of `row_files` (an iterable that may open them one by one).

    All are finished at the end, or closed when something goes wrong, also in opening or in finishing one.
    """
    with ExitStack() as stack:
        opened = []
        for rows in row_files:
            stack.callback(rows.close)
            opened.append(rows)
        yield opened
        for rows in opened:
            rows.finish()


class RowStream:
    """Rows that are written as they come, to stdout or a text stream that is closed at the end; methods as of RowFile.

    Parameters
    ----------
    layout : Layout
    points : int
        Points of a face.
    stream : text file, optional
        By default stdout.
    """

    def __init__(self, layout, points, stream=None):
        self._stream, self._layout = stream or sys.stdout, layout
        self._stream.write(layout.header(points))

    def is_done(self, picture):
        """False: a stream has no earlier run."""
        return False

    def write(self, located, frame=None):
        """Writes all rows of a Located: of a picture, or of frame number `frame` (int) of a video."""
        self._stream.write(self._layout.rows(located, frame))
        self._stream.flush()

    def end(self, picture):
        """Nothing to do: the rows are out."""
        pass

    def finish(self):
        """As `close`."""
        self.close()

    def close(self):
        """Closes the stream, unless it is stdout."""
        if self._stream is not sys.stdout:
            self._stream.close()


def _open_alone(part, path):
    """A file opened for appending that no other run has open; the error names `path`."""
    while True:
        stream = part.open("ab")
        if fcntl is None:
            return stream
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(stream.fileno()), os.stat(part)):
                return stream
        except BlockingIOError:
            stream.close()
            raise OSError(errno.EBUSY, "another run is writing it", str(path)) from None
        except FileNotFoundError:
            pass
        stream.close()                                           # the other run has just finished: FILE.part is gone


def _beside(path, ending):
    """A file that belongs to another one, in its folder."""
    name = os.fsencode(path.name)
    if len(name) > _LONGEST - len(".part.done"):
        return path.with_name(hashlib.sha256(name).hexdigest() + ending)
    return path.with_name(path.name + ending)
