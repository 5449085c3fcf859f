"""HDF5Data: batches from HDF5 files named in a list (hdf5_data_layer.cpp)."""
import math
import os

import numpy as np
import torch

from deeplandmark.caffe.files.hdf5_rows import check_memory, open_rows
from deeplandmark.caffe.files.plain import open_list
from deeplandmark.caffe.layers.data import DataLayer
from deeplandmark.caffe.layers.registry import layer


@layer("HDF5Data")
class HDF5Data(DataLayer):
    """Rows of the datasets named like the tops, file after file; batches wrap inside and across files.

    hdf5_data_param: source (a text file that names HDF5 files), batch_size, shuffle (hdf5_data_layer.cpp). Tops
    (batch_size, ...) for datasets (rows, ...). One file is in memory at a time, in its own number type, or a block of
    it where it is large; tops are float32. A batch of float32 rows that lie together is a view, without a copy. With
    `shuffle`, the order of files and of the rows in a file is drawn anew at each round. Beyond Caffe: files larger than
    memory, blobs above 2^31 elements.
    """
    min_tops = 1

    def create(self, bottom_shapes):
        if self.param.HasField("transform_param"):
            self.fail("HDF5Data does not transform data: take out transform_param")
        self.open_source("hdf5_data_param", list(self.param.top))

    def open_source(self, settings, names):
        """Opens the files of `settings` to read the datasets `names`; a NetError where they do not fit.

        Parameters
        ----------
        settings : str
            Field of the layer's definition that has source, batch_size and shuffle.
        names : list of str
        """
        p = getattr(self.param, settings)
        if not p.batch_size:
            self.fail(f"{settings} needs batch_size")
        self.set_batch(p.batch_size)
        self.shuffle, self.datasets = p.shuffle, names
        self.files = self._read_list(p.source)
        self.rows = self.loaded = None                           # the open file and its index
        self._begin_round()
        values = sum(math.prod(shape) for shape in self.rows.row_shapes)
        check_memory(self, 4 * self.batch_size * values, "a batch")

    def reshape(self, bottom_shapes):
        return [(self.batch_size, *shape) for shape in self.rows.row_shapes]

    def forward(self):
        parts = self._next_rows()
        if len(parts) == 1:
            return tuple(map(self.to_place, parts[0]))
        return tuple(self.to_place(torch.cat(pieces)) for pieces in zip(*parts))

    def _next_rows(self):
        """This rank's rows of the next batch, as a list of parts, each with one tensor per top."""
        parts, wanted, share = [], self.batch_of_all, self.context.share
        first = share.rank                                       # of its rows, counted from where the layer stands
        while wanted:
            taken = min(wanted, self.rows.num_rows - self.row)
            parts += self.rows.take(self.row + first, self.row + taken, share.count)
            first = (first - taken) % share.count
            wanted -= taken
            self.row += taken
            if self.row == self.rows.num_rows:
                self._next_file()
        return parts

    def _next_file(self):
        """Goes to the next file; after the last one a new round begins."""
        self.row = 0
        self.file_position += 1
        if self.file_position == len(self.files):
            self._begin_round()
        else:
            self._load()

    def _begin_round(self):
        self.file_position = self.row = 0
        self._files_drawn_at = self.context.generator.get_state()
        self.file_order = self._order(len(self.files))
        self._load()

    def position(self):
        """Where the layer stands, {name: array}: file, row, and the generator's states that its orders follow from."""
        return {"at": np.array([self.file_position, self.row]), "files": self._files_drawn_at.numpy(),
                "rows": self._rows_drawn_at.numpy()}

    def go_to(self, position):
        """Goes to such a position; the generator is left in another state. ValueError for one that there is not."""
        generator = self.context.generator
        generator.set_state(torch.from_numpy(position["files"]))
        self._begin_round()
        self.file_position, self.row = position["at"].tolist()
        if not 0 <= self.file_position < len(self.files):
            raise ValueError(f"file {self.file_position} of {len(self.files)}")
        generator.set_state(torch.from_numpy(position["rows"]))
        self._load()
        if not 0 <= self.row < self.rows.num_rows:
            raise ValueError(f"row {self.row} of {self.rows.num_rows}")

    def _load(self):
        index = int(self.file_order[self.file_position])
        if index != self.loaded:
            if self.rows is not None:
                self.rows.close()                                # frees the old file before the new one is read
            self.rows = open_rows(self, self.files[index], self.datasets)
            self.loaded = index
        if self.shuffle:
            check_memory(self, 8 * self.rows.num_rows, f"the order of the {self.rows.num_rows} rows")
        self._rows_drawn_at = self.context.generator.get_state()
        self.rows.begin(self._order(self.rows.num_rows) if self.shuffle else None)

    def _order(self, n):
        return torch.randperm(n, generator=self.context.generator) if self.shuffle else range(n)

    def _read_list(self, source):
        path = os.path.join(self.context.root_folder, source)
        try:
            with open_list(path) as stream:
                lines = [line.strip() for line in stream if line.strip()]
        except OSError as error:
            self.fail(f"cannot read its source {path!r}: {error.strerror}")
        if not lines:
            self.fail(f"its source {path!r} names no file")
        return [file for line in lines for file in self._files_of(line)]

    def _files_of(self, line):
        """The files of a line, parted by any blank as in Caffe; a single one where a name with blanks is there."""
        whole = os.path.join(self.context.root_folder, line)
        if os.path.exists(whole):
            return [whole]
        return [os.path.join(self.context.root_folder, name) for name in line.split()]
