"""Blobs where they are stored - in a message, in a binary file, in an HDF5 file - looked at without being copied whole.

Each has `shape` (tuple of int), `fits(shape)`, and `chunks(what)`, which yields its values in order as flat float32
arrays; `what` names the blob in a FileFormatError.
"""
import math
from dataclasses import dataclass

import numpy as np
import torch

from deeplandmark.caffe.errors import FileFormatError
from deeplandmark.caffe.files import hdf5
from deeplandmark.caffe.files.blob_proto import blob_shape, blob_to_array, fits, shape_text
from deeplandmark.caffe.files.plain import open_plain
from deeplandmark.caffe.limits import MAX_AXES

_CHUNK = 1 << 20             # values that are looked at at once


class ProtoBlob:
    """A BlobProto that holds its values."""

    def __init__(self, blob):
        self.blob, self.shape = blob, blob_shape(blob)

    def fits(self, shape):
        """Whether it may be copied into a parameter of `shape`."""
        return fits(self.blob, shape, self.shape)

    def chunks(self, what):
        """All values at once."""
        yield blob_to_array(self.blob, what).reshape(-1)

    def read(self, what):
        """All values, a float32 array of the blob's shape."""
        pieces = list(self.chunks(what))
        return (pieces[0] if len(pieces) == 1 else np.concatenate(pieces)).reshape(self.shape)


class FileBlob(ProtoBlob):
    """A BlobProto whose values were left in the file.

    Parameters
    ----------
    blob : BlobProto without them
    path : str
    kind : numpy dtype, little-endian
    start, nbytes : int
        Where the values lie.
    """

    def __init__(self, blob, path, kind, start, nbytes):
        super().__init__(blob)
        self.path, self.kind, self.start, self.nbytes = path, np.dtype(kind), start, nbytes
        self.shape = blob_shape(blob, nbytes // self.kind.itemsize)

    def chunks(self, what):
        """Pieces of a mebivalue, read one by one."""
        width, shape = self.kind.itemsize, self.shape
        count = self.nbytes // width
        if len(shape) > MAX_AXES or min(shape, default=0) < 0 or math.prod(shape) != count or self.nbytes % width:
            raise FileFormatError(f"{what}: {count} values for shape {shape_text(shape)}")
        try:
            with open_plain(self.path) as stream:
                stream.seek(self.start)
                for first in range(0, count, _CHUNK):
                    piece = np.empty(min(_CHUNK, count - first), self.kind)
                    if stream.readinto(memoryview(piece).cast("B")) != piece.nbytes:
                        raise FileFormatError(f"{what}: the file became shorter while it was read")
                    with np.errstate(over="ignore"):             # doubles beyond float32 are infinite
                        yield piece.astype(np.float32, copy=False)
        except OSError as error:
            raise FileFormatError(f"{self.path}: {error.strerror or error}") from None


@dataclass
class StoredArray:
    """A blob in an HDF5 file: the file's path, the dataset's name, its shape (tuple)."""
    path: str
    name: str
    shape: tuple

    def fits(self, shape):
        """Whether it may be copied into a parameter of `shape`."""
        return self.shape == tuple(shape)

    def chunks(self, what):
        """All values at once."""
        with hdf5.opened(self.path) as file:
            yield hdf5.read_array(file[self.name]).astype(np.float32, copy=False).reshape(-1)


def not_finite(blob, what):
    """How many values of a stored blob are not finite, an int."""
    return sum(piece.size - int(np.count_nonzero(np.isfinite(piece))) for piece in blob.chunks(what))


def copy_values(blob, target, what):
    """Copies a stored blob into a tensor of as many values, piece by piece, on any device."""
    values = target.detach()                                     # not .data: whoever watches the tensor sees the change
    flat, place = values.contiguous().view(-1), 0                # the tensor itself, unless it is a view across others
    for piece in blob.chunks(what):
        flat[place:place + len(piece)].copy_(torch.from_numpy(piece))
        place += len(piece)
    if not target.is_contiguous():
        values.copy_(flat.view(target.shape))
