"""Writing files so that nobody ever sees half of one, and opening only what is a file."""
import contextlib
import io
import os
import stat
import tempfile


@contextlib.contextmanager
def replaced(path):
    """The name of a temporary file in the folder of `path`, which takes its place when the block ends well.

    Folders are not made: a wrong path is an OSError before any work is done.
    """
    path = os.fspath(path)
    folder, name = os.path.split(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".part", dir=folder or ".")
    os.close(handle)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)                       # mkstemp made it private
        _sync(temporary)                                         # else a power cut may leave the name without the data
        os.replace(temporary, path)
        _sync(folder or ".")
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
        raise


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path, data):
    """Writes a whole file at once."""
    with replaced(path) as temporary:
        with open(temporary, "wb") as stream:
            stream.write(data)


def open_plain(path):
    """A file opened for reading bytes.

    Raises
    ------
    OSError
        With a `strerror`, also for a name that no file can have, and for pipes and devices, which may have no end.
    """
    try:
        stream = open(path, "rb", opener=_open_at_once)
    except ValueError as error:
        raise OSError(0, str(error)) from None
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise OSError(0, "is not a plain file")
    return stream


def open_list(path):
    """A text file of names, one a line or a word; bytes that are not UTF-8 stay what they are in file names."""
    return io.TextIOWrapper(open_plain(path), encoding="utf-8", errors="surrogateescape")


def _open_at_once(path, flags):
    """Opens without waiting for somebody at the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
