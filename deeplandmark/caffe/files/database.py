"""Databases of Datums, LMDB and LevelDB: opened for reading, and written whole.

LMDB files are read here (lmdb_file.py); writing them, and LevelDB at all, takes the libraries of the extra `database`.
"""
import contextlib
import os
import shutil
import tempfile
import weakref

from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files.lmdb_file import LmdbFile
from deeplandmark.work.extras import install

BACKENDS = ("lmdb", "leveldb")
_BATCH = 1000                    # entries of a transaction, as Caffe's tools have it
_MAP = 1 << 30                   # bytes that an LMDB begins with; it grows as it must


class _Opened:
    """An open LevelDB: closed when nobody uses it any more."""

    def __init__(self, database):
        self.database = database


class LevelDbFile:
    """The entries of a LevelDB. Opening one takes its lock, and may tidy up its files, as the library always does.

    A process opens a database once: several layers share it.

    Raises
    ------
    OSError
        When it cannot be read, also later, in going through it.
    CaffeError
        Without the library, with the command that installs it.
    """

    _open = weakref.WeakValueDictionary()                        # real path -> _Opened

    def __init__(self, path):
        self._plyvel = _library("plyvel", "LevelDB databases")
        if os.path.isfile(os.path.join(path, "data.mdb")):
            raise OSError("it is an LMDB database: set backend: LMDB")
        real = os.path.realpath(path)
        self._opened = self._open.get(real)
        if self._opened is None:
            with self._errors():
                self._opened = self._open[real] = _Opened(self._plyvel.DB(path))

    @property
    def entries(self):
        """How many there are, an int: all keys are counted."""
        with self._errors():
            return sum(1 for _ in self._opened.database.iterator(include_value=False))

    def __iter__(self):
        """(key, value), bytes, of every entry in the order of the keys."""
        with self._errors():
            yield from self._opened.database

    @contextlib.contextmanager
    def _errors(self):
        try:
            yield
        except self._plyvel.Error as error:
            reason = error.args[0] if error.args else error
            reason = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
            raise OSError(f"not a LevelDB that can be read: {reason}") from None


def open_database(path, backend):
    """The entries of a database, an LmdbFile or a LevelDbFile, by backend (str); errors are theirs."""
    return LmdbFile(path) if backend == "lmdb" else LevelDbFile(path)


@contextlib.contextmanager
def written_database(path, backend):
    """A function put(key, value) that fills a new database (bytes each); the folder appears when the block ends well.

    Raises
    ------
    OSError
        When there is something at `path` already, or the disk is full.
    CaffeError
        Without the library.
    """
    path = os.path.abspath(path)
    library = _library("lmdb" if backend == "lmdb" else "plyvel", f"writing {backend.upper()} databases")
    if os.path.lexists(path):
        raise FileExistsError(17, "there is something already", path)
    folder = tempfile.mkdtemp(prefix=".", suffix=".part", dir=os.path.dirname(path))
    try:
        with (_lmdb_writer if backend == "lmdb" else _leveldb_writer)(library, folder) as put:
            yield put
        os.chmod(folder, 0o777 & ~_umask())
        os.rename(folder, path)
    except library.Error as error:
        raise OSError(f"{path}: {error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _lmdb_writer(lmdb, folder):
    with lmdb.open(folder, map_size=_MAP, sync=False) as environment:
        waiting = []

        def flush():
            while waiting:
                try:
                    with environment.begin(write=True) as transaction:
                        for key, value in waiting:
                            transaction.put(key, value)
                    waiting.clear()
                except lmdb.MapFullError:
                    environment.set_mapsize(2 * environment.info()["map_size"])

        def put(key, value):
            waiting.append((key, value))
            if len(waiting) >= _BATCH:
                flush()
        yield put
        flush()
        environment.sync(True)
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(folder, "lock.mdb"))              # made anew by whoever writes


@contextlib.contextmanager
def _leveldb_writer(plyvel, folder):
    with contextlib.closing(plyvel.DB(folder, create_if_missing=True)) as database:
        yield database.put


def _library(name, what):
    try:
        return __import__(name)
    except ImportError:
        raise CaffeError(f"{what} take the library {name}: {install('database')}") from None


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
