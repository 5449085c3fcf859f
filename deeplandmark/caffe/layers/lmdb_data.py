"""Data: batches from a database of Datum messages (data_layer.cpp, db_lmdb.cpp, db_leveldb.cpp)."""
import os

import numpy as np
import torch
from google.protobuf.message import DecodeError

from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files.database import open_database
from deeplandmark.caffe.files.pictures import decode_picture
from deeplandmark.caffe.layers.data import DataLayer
from deeplandmark.caffe.layers.data_transformer import DataTransformer, stack_items
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.proto import caffe_pb2


class Cursor:
    """Goes through a database in the order of its keys, for ever: the present entry is (`key`, `value`), bytes, and
    its `number`, an int from 0 on.

    backend is lmdb or leveldb.

    Raises
    ------
    OSError
        When there is no database, or an empty one, or it cannot be read; also later, where it is damaged.
    """

    def __init__(self, path, backend="lmdb"):
        if not os.path.isdir(path) and not os.path.isfile(path):
            raise OSError("no such folder or file")
        self._file = open_database(path, backend)
        self.begin()

    def begin(self):
        """Goes to the first entry."""
        self._coming, self.number = iter(self._file), -1
        self.next()

    @property
    def entries(self):
        """How many there are, an int."""
        return self._file.entries

    def next(self):
        """Goes to the next entry, behind the last one to the first."""
        entry = next(self._coming, None)
        self.number += 1
        if entry is None:
            self._coming, self.number = iter(self._file), 0
            entry = next(self._coming, None)
        if entry is None:
            raise OSError("the database is empty")
        self.key, self.value = entry


class DatabaseLayer(DataLayer):
    """Pictures and labels of an LMDB or a LevelDB in the order of its keys.

    data_param: source, batch_size, backend (data_layer.cpp); LEVELDB takes the extra `database`. A Datum holds bytes,
    float_data or an encoded picture, decoded as it is stored unless force_color, force_gray (transform_param) or
    force_encoded_color say otherwise. rand_skip is deprecated and without effect in Caffe 1.0, so it is here; prefetch
    changes only speed.
    """
    min_tops, max_tops = 1, 2
    message = caffe_pb2.Datum    # what the values of the database are

    def create(self, bottom_shapes):
        p = self.param.data_param
        if not p.batch_size:
            self.fail("data_param needs batch_size")
        t = self.param.transform_param
        if t.force_color and t.force_gray:
            self.fail("transform_param has force_color and force_gray; give only one")
        self.is_color = True if t.force_color or p.force_encoded_color else False if t.force_gray else None
        self.set_batch(p.batch_size)
        self.path = os.path.join(self.context.root_folder, p.source)
        backend = "lmdb" if p.backend == p.LMDB else "leveldb"
        try:
            self.cursor = Cursor(self.path, backend)
        except (OSError, CaffeError) as error:
            meant = "" if p.HasField("backend") else " (a data_param without backend means LEVELDB)"
            self.fail(f"cannot read its source {self.path!r}: {error}{meant}")
        self.transform = DataTransformer(self)

    def position(self):
        """Where the layer stands, {name: array}: the number of its entry."""
        return {"entry": np.array(self.cursor.number)}

    def go_to(self, position):
        """Goes to such a position. ValueError for one that there is not."""
        number = int(position["entry"])
        self.cursor.begin()
        while self.cursor.number < number:
            self._next()
            if not self.cursor.number:
                raise ValueError(f"entry {number} of fewer")

    def items(self, make, pass_over):
        """`make` of each of this rank's entries of a batch, one after another; `pass_over()` for those of others."""
        own = range(self.batch_of_all)[self.context.share.rows]
        for row in range(self.batch_of_all):
            if row in own:
                yield make(self.entry())
            else:
                pass_over()
            self._next()

    def _next(self):
        try:
            self.cursor.next()
        except OSError as error:
            self.fail(f"cannot read its source {self.path!r} behind key {self.cursor.key!r}: {error}")

    def entry(self):
        """The present entry, a `message`."""
        found = self.message()
        try:
            found.ParseFromString(self.cursor.value)
        except DecodeError:
            self.fail(f"key {self.cursor.key!r} of its source holds no {found.DESCRIPTOR.name}")
        return found

    def picture(self, datum):
        """Values (C, H, W) of the Datum of the present entry, uint8 or float32."""
        what = f"key {self.cursor.key!r}"
        if datum.encoded:
            return decode_picture(self, datum.data, what, self.is_color)
        shape = (datum.channels, datum.height, datum.width)
        values = np.frombuffer(datum.data, np.uint8) if datum.data else np.array(datum.float_data, np.float32)
        if min(shape) < 1 or len(values) != shape[0] * shape[1] * shape[2]:
            self.fail(f"{what}: {len(values)} values for {shape[0]} channels of {shape[1]} x {shape[2]}")
        return values.reshape(shape)


@layer("Data")
class Data(DatabaseLayer):
    """Datums of an LMDB or a LevelDB in the order of their keys: tops data (N, C, H, W) and, if asked for, label (N,).

    data_param, Datums: see DatabaseLayer; transform_param: see DataTransformer.
    """

    def reshape(self, bottom_shapes):
        shape = self.transform.output_shape(self.picture(self.entry()).shape)
        return [(self.batch_size, *shape), (self.batch_size,)][:self.num_tops]

    def forward(self):
        labels = []

        def item(datum):
            labels.append(datum.label)
            return self.transform(self.picture(datum))

        data = stack_items(self, self.items(item, self.transform.pass_over), self.batch_size)
        return (self.to_place(data), self.to_place(torch.tensor(labels)))[:self.num_tops]
