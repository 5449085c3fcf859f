"""A file appears under its name when it is whole: the one way in which files are written.

    write_text("table.txt", text)                     # or write_bytes
    with open_whole("table.csv", newline="") as file: # a stream
        ...
    with WholeFile("net.h5") as temporary:            # a name, for libraries that want one
        ...

What is written lies under a short name of its own in the same folder until the end, and takes its place there at once.
Whatever fails on the way, an error or a full disk: the file that was there before stays, and nothing half-written. Many
may write one file at a time, in threads or processes; the last one to finish wins. The data reach the disk before the
name does. The mode of an existing file is kept; a link stays and what it points to is replaced. A device or a pipe
(/dev/null, /dev/stdout) is never renamed over: it is written to, once everything is there. Folders are not made: a
wrong path is an OSError before any work is done.
"""
import contextlib
import errno
import logging
import os
import shutil
import stat
import sys
import tempfile

_LOG = logging.getLogger(__name__)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)      # raised by writing, without the name of the file


class WholeFile:
    """A file being written. As a context manager it is the temporary name to write to: the file appears when the block
    ends well and is dropped otherwise.

    Parameters
    ----------
    path : where the file is to appear
    suffix : str
        How the temporary name ends, for libraries that go by it (".png").
    durable : bool
        Whether to wait for the disk, so that not even a power cut leaves half a file. That takes milliseconds: not for
        thousands of small files that can be made anew.

    Raises
    ------
    OSError
        Naming `path`: it is a folder, or its folder is missing or read-only.
    """

    def __init__(self, path, suffix=".part", durable=True):
        self.path, self._durable = os.fsdecode(path), durable
        self._target = target_of(self.path)
        folder = tempfile.gettempdir() if self._target is None else os.path.dirname(self._target)
        with naming(self.path, folder):
            self.temporary = _new_file(folder, suffix)

    def appear(self):
        """What was written takes its place."""
        try:
            with naming(self.path, self.temporary):
                if self._target is None:
                    _pour(self.temporary, self.path)
                    os.remove(self.temporary)
                else:
                    put_in_place(self.temporary, self._target, self._durable)
        except BaseException:
            self.drop()
            raise

    def drop(self):
        """What was written is removed; what was there before stays."""
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.temporary)

    def __enter__(self):
        return self.temporary

    def __exit__(self, kind, error, trace):
        if error is None:
            self.appear()
            return
        self.drop()
        if isinstance(error, OSError) and _is_about(error, self.temporary):
            raise type(error)(error.errno, error.strerror, self.path) from None


@contextlib.contextmanager
def open_whole(path, mode="w", encoding=None, newline=None):
    """A stream to a file that appears when the block ends well; text is UTF-8 unless told otherwise."""
    if encoding is None and "b" not in mode:
        encoding = "utf-8"
    with WholeFile(path) as temporary, open(temporary, mode, encoding=encoding, newline=newline) as stream:
        yield stream


def write_bytes(path, data, durable=True):
    """Writes a whole file at once."""
    with WholeFile(path, durable=durable) as temporary, open(temporary, "wb") as stream:
        stream.write(data)


def write_text(path, text, durable=True):
    """Writes a whole file at once, as UTF-8; line ends stay as they are, and so do the bytes of odd file names."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"), durable)


def target_of(path):
    """The file that writing to `path` is about: where a link leads, else the path itself. None for a device, a pipe or
    an open stream (/dev/stdout, also when it goes to a file), which are written to as they are.

    Raises
    ------
    OSError
        For a folder, a path through a file, or links in a circle.
    """
    path = os.fsdecode(path)
    try:
        kind = os.stat(path).st_mode
    except FileNotFoundError:
        if os.path.basename(path):
            return os.path.realpath(path)
        raise
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return os.path.realpath(path) if stat.S_ISREG(kind) and _open_stream(path) is None else None


def open_directly(path):
    """A binary stream to what `target_of` knows no file for; opening a pipe waits for who reads it."""
    stream = _open_stream(path)
    if stream is None:
        stream = os.open(path, os.O_WRONLY)
    else:
        for ours in filter(None, (sys.stdout, sys.stderr)):      # what was printed before comes before
            ours.flush()
        stream = os.dup(stream)                                  # opened anew, both would write over one another
    return os.fdopen(stream, "wb")


def put_in_place(temporary, target, durable=True):
    """A file written under another name of the same folder replaces `target` (see `target_of`), whose mode and owner it
    takes; the data reach the disk first."""
    with contextlib.suppress(FileNotFoundError):
        before = os.stat(target)
        if hasattr(os, "chown"):
            with contextlib.suppress(OSError):                   # only root may give files away
                os.chown(temporary, before.st_uid, before.st_gid)
        os.chmod(temporary, before.st_mode & 0o777)
    if durable:
        _sync(temporary)
    os.replace(temporary, target)
    if durable:
        with contextlib.suppress(OSError):                       # not every system can, and the file is there
            _sync(os.path.dirname(target) or ".")
    _LOG.debug("%s: written", target)


def _new_file(folder, suffix):
    """The name of an empty file of our own; its mode is what the umask leaves."""
    while True:
        name = os.path.join(folder, f".{os.urandom(4).hex()}{suffix}")
        with contextlib.suppress(FileExistsError):
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            return name


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _pour(source, path):
    """Writes the content of a file to a device, a pipe or a stream that is open already."""
    with open_directly(path) as out, open(source, "rb") as data:
        shutil.copyfileobj(data, out)


def _open_stream(path):
    """The number of the open file of this process that a path such as /dev/stdout or /dev/fd/3 leads to, else None."""
    ours = f"/proc/{os.getpid()}/fd"
    while os.path.islink(path):
        folder, name = os.path.split(path)
        folder = os.path.realpath(folder)
        if folder == ours:
            return int(name)
        path = os.path.join(folder, os.readlink(path))
    return None


@contextlib.contextmanager
def naming(path, hidden):
    """Errors about what lies at `hidden` (str), which nobody knows, and about a full disk name `path` instead."""
    try:
        yield
    except OSError as error:
        if _is_about(error, hidden):
            raise type(error)(error.errno, error.strerror, path) from None
        raise


def _is_about(error, hidden):
    if error.filename is None:
        return error.errno in _NO_ROOM
    return str(error.filename).startswith(hidden)
