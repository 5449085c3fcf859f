"""Writing files so that nobody ever sees half of one."""
import contextlib
import os
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
