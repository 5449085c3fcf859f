"""Writing HDF5 files row by row."""


class HDF5Writer:
    """Appends samples to one HDF5 file, many at a time."""

    def __init__(self, path, block=512):
        import h5py  # only training needs it
        self._file = h5py.File(path, "w")
        self._block, self._rows = block, []

    def add(self, values):
        """A row: dict of dataset name -> array."""
        self._rows.append(values)
        if len(self._rows) == self._block:
            self._flush()

    def _flush(self):
        for name, first in self._rows[0].items():
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
        if self._rows:
            self._flush()
        self._file.close()
