"""HDF5Data: batches from HDF5 files named in a list (hdf5_data_layer.cpp)."""
import os

import numpy as np
import torch

from deeplandmark.caffe.layers.data import DataLayer
from deeplandmark.caffe.layers.registry import layer

# Kept as they are in memory and converted batch by batch; other number types are converted when a file is read.
_KEPT_DTYPES = ("float32", "float16", "uint8", "int8", "int16", "int32", "int64", "float64")


@layer("HDF5Data")
class HDF5Data(DataLayer):
    """Rows of the datasets named like the tops, file after file; batches wrap inside and across files.

    One file is in memory at a time, in its own number type; tops are float32. A batch of float32 rows that lie
    together is a view, without a copy. With `shuffle`, the order of files and of the rows in a file is drawn anew at
    each round.
    """
    min_tops = 1

    def create(self, bottom_shapes):
        p = self.param.hdf5_data_param
        if self.param.HasField("transform_param"):
            self.fail("HDF5Data does not transform data: take out transform_param")
        if not p.batch_size:
            self.fail("hdf5_data_param needs batch_size")
        self.batch_size, self.shuffle = p.batch_size, p.shuffle
        self.files = self._read_list(p.source)
        self.file_order = self._order(len(self.files))
        self.loaded = None                                       # index of the file in memory
        self.file_position = self.row = 0
        self._load()

    def reshape(self, bottom_shapes):
        return [(self.batch_size, *data.shape[1:]) for data in self.datasets]

    def forward(self):
        parts = self._next_rows(self.batch_size)
        if len(parts) == 1:
            return tuple(map(self.to_place, parts[0]))
        return tuple(self.to_place(torch.cat(pieces)) for pieces in zip(*parts))

    def _next_rows(self, wanted):
        """The next rows as a list of parts, each with one tensor per top."""
        parts = []
        while wanted:
            taken = min(wanted, self.num_rows - self.row)
            rows = slice(self.row, self.row + taken)
            if self.row_order is None:
                parts.append([data[rows] for data in self.datasets])
            else:
                chosen = self.row_order[rows]
                parts.append([data.index_select(0, chosen) for data in self.datasets])
            wanted -= taken
            self.row += taken
            if self.row == self.num_rows:
                self._next_file()
        return parts

    def _next_file(self):
        """Goes to the next file; after the last one a new round begins."""
        self.row = 0
        self.file_position += 1
        if self.file_position == len(self.files):
            self.file_position = 0
            self.file_order = self._order(len(self.files))
        self._load()

    def _load(self):
        index = self.file_order[self.file_position]
        if index != self.loaded:
            self.datasets = None                                 # frees the old file before the new one is read
            self.datasets = self._read_file(self.files[index])
            self.num_rows = len(self.datasets[0])
            self.loaded = index
        order = self._order(self.num_rows)
        self.row_order = torch.tensor(order) if self.shuffle else None

    def _order(self, n):
        if not self.shuffle:
            return range(n)
        return torch.randperm(n, generator=self.context.generator).tolist()

    def _read_list(self, source):
        path = os.path.join(self.context.root_folder, source)
        try:
            with open(path, encoding="utf-8") as stream:
                files = [line.strip() for line in stream if line.strip()]
        except OSError as error:
            self.fail(f"cannot read its source {path!r}: {error.strerror}")
        if not files:
            self.fail(f"its source {path!r} names no file")
        return [os.path.join(self.context.root_folder, file) for file in files]

    def _read_file(self, path):
        """One tensor for each top, all with the same number of rows."""
        import h5py                                              # only nets that read HDF5 pay for it
        try:
            with h5py.File(path, "r") as file:
                datasets = [self._read_dataset(file, name, path) for name in self.param.top]
        except OSError as error:
            self.fail(f"cannot read {path!r}: {error}")
        counts = {name: len(data) for name, data in zip(self.param.top, datasets)}
        if len(set(counts.values())) != 1:
            self.fail(f"{path!r}: datasets differ in their number of rows: {counts}")
        if not len(datasets[0]):
            self.fail(f"{path!r}: datasets have no rows")
        return datasets

    def _read_dataset(self, file, name, path):
        if name not in file:
            self.fail(f"{path!r} has no dataset of this name (it has: {', '.join(sorted(file))})", blob=name)
        array = np.asarray(file[name])
        if array.dtype.kind not in "fiu" or array.ndim == 0:
            self.fail(f"{path!r}: dataset of type {array.dtype} with {array.ndim} axes; "
                      "expected numbers with at least one axis", blob=name)
        native = array.dtype.newbyteorder("=")
        kept = native if native.name in _KEPT_DTYPES else np.float32
        return torch.from_numpy(np.ascontiguousarray(array, dtype=kept))
