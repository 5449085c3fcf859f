"""Writing HDF5 files row by row."""
import contextlib
import os
import re

from deeplandmark.work.whole_file import WholeFile

_FAILURES = OSError, RuntimeError       # of h5py, when the disk is full


class HDF5Writer:
    """Appends samples to one HDF5 file, many at a time; it appears when it is whole.

    Parameters
    ----------
    path : where it ends up
    block : int
        Rows that are written together.

    Raises
    ------
    OSError
        Naming `path`, here, by `add` and at the end, when it cannot be written.
    """

    def __init__(self, path, block=512):
        import h5py  # only training needs it
        self._path, self._block, self._rows = path, block, []
        self._whole, self._file = WholeFile(path), None
        with self._told():
            self._file = h5py.File(self._whole.temporary, "w")

    def add(self, values):
        """A row: dict of dataset name -> array."""
        self._rows.append(values)
        if len(self._rows) == self._block:
            self._flush()

    def _flush(self):
        with self._told():
            for name, first in (self._rows[0] if self._rows else {}).items():
                if name not in self._file:
                    self._file.create_dataset(name, (0, *first.shape), first.dtype, maxshape=(None, *first.shape),
                                              chunks=(min(self._block, 1 + (1 << 20) // first.nbytes), *first.shape))
                dataset = self._file[name]
                dataset.resize(len(dataset) + len(self._rows), axis=0)
                dataset[-len(self._rows):] = [values[name] for values in self._rows]
                dataset.flush()                                  # it would fail unheard where it is let go of
        self._rows = []

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        try:
            if error is None:
                self._flush()
                with self._told():
                    self._file.flush()                           # what cannot be written shows before the file closes
                    self._file.close()
                self._whole.appear()
        finally:
            self._let_go()
            self._whole.drop()

    @contextlib.contextmanager
    def _told(self):
        try:
            yield
        except _FAILURES as error:
            self._let_go()
            self._whole.drop()
            number = re.search(r"errno = (\d+)", str(error))
            reason = os.strerror(int(number[1])) if number else " ".join(str(error).split())[:200]
            raise OSError(f"{self._path}: cannot be written ({reason})") from None

    def _let_go(self):
        """Closes the file, if it is open still. What HDF5 holds of it goes nowhere: where the disk is full, HDF5 would
        fail again and again until the process ends, and then crash it."""
        if not self._file:
            return
        with contextlib.suppress(Exception):
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, self._file.id.get_vfd_handle())
            os.close(nowhere)
        with contextlib.suppress(Exception):
            self._file.close()
