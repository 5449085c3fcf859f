"""Writing HDF5 files row by row."""
from contextlib import ExitStack

from deeplandmark.work.whole_file import WholeFile


class HDF5Writer:
    """Appends samples to one HDF5 file, many at a time; it appears when it is whole."""

    def __init__(self, path, block=512):
        import h5py  # only training needs it
        self._block, self._rows = block, []
        self._stack = ExitStack()
        self._file = self._stack.enter_context(h5py.File(self._stack.enter_context(WholeFile(path)), "w"))
        self._stack.callback(self._flush)

    def add(self, values):
        """A row: dict of dataset name -> array."""
        self._rows.append(values)
        if len(self._rows) == self._block:
            self._flush()

    def _flush(self):
        for name, first in (self._rows[0] if self._rows else {}).items():
            if name not in self._file:
                self._file.create_dataset(name, (0, *first.shape), first.dtype, maxshape=(None, *first.shape),
                                          chunks=(min(self._block, 1 + (1 << 20) // first.nbytes), *first.shape))
            dataset = self._file[name]
            dataset.resize(len(dataset) + len(self._rows), axis=0)
            dataset[-len(self._rows):] = [values[name] for values in self._rows]
        self._rows = []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return self._stack.__exit__(*exception)
