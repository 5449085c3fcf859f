"""BlobProto, Caffe's blob on disk, to and from NumPy arrays."""
import math

import numpy as np

from deeplandmark.caffe.errors import FileFormatError
from deeplandmark.caffe.limits import MAX_AXES
from deeplandmark.caffe.proto import caffe_pb2

_LEGACY = ("num", "channels", "height", "width")


def has_legacy_shape(blob):
    """Whether (bool) a BlobProto has the num/channels/height/width of files written before BlobShape existed."""
    return any(blob.HasField(name) for name in _LEGACY)


def blob_shape(blob):
    """Shape of a BlobProto, a tuple of int; 4 axes for a legacy one (blob.cpp, FromProto)."""
    if has_legacy_shape(blob):
        return tuple(getattr(blob, name) for name in _LEGACY)
    return tuple(blob.shape.dim)


def blob_to_array(blob, what="blob", diff=False):
    """The values (or differences) of a BlobProto.

    Returns
    -------
    float32 array of the blob's shape; zeros where the differences were not stored.

    Raises
    ------
    FileFormatError
        When the number of values does not fit the shape; `what` names the blob in the message.
    """
    shape = blob_shape(blob)
    double, single = (blob.double_diff, blob.diff) if diff else (blob.double_data, blob.data)
    count = len(double) or len(single) or (len(blob.double_data) or len(blob.data) if diff else 0)
    if len(shape) > MAX_AXES or min(shape, default=0) < 0 or math.prod(shape) != count:
        raise FileFormatError(f"{what}: {count} values for shape {shape_text(shape)}")
    with np.errstate(over="ignore"):                             # doubles beyond float32 are infinite
        values = np.array(double if len(double) else single, dtype=np.float32)
    return values.reshape(shape) if len(values) == count else np.zeros(shape, np.float32)


def check_finite(array, what):
    """Refuses values that are not finite; `what` names them in the FileFormatError."""
    wrong = array.size - np.count_nonzero(np.isfinite(array))
    if wrong:
        raise FileFormatError(f"{what}: {wrong} of {array.size} values are not finite")


def array_to_blob(array, diff=None):
    """A BlobProto with float data (and diff) of an array's shape; float64 arrays are stored as double."""
    array = np.asarray(array)
    blob = caffe_pb2.BlobProto()
    blob.shape.dim.extend(array.shape)
    double = array.dtype == np.float64
    (blob.double_data if double else blob.data).extend(array.ravel().tolist())
    if diff is not None:
        (blob.double_diff if double else blob.diff).extend(np.asarray(diff).ravel().tolist())
    return blob


def fits(blob, shape):
    """Whether a BlobProto may be copied into a parameter of `shape` (blob.cpp, ShapeEquals).

    A legacy blob has four axes; it fits any shape that is equal to it once 1s are put in front.
    """
    if has_legacy_shape(blob):
        return len(shape) <= 4 and (1,) * (4 - len(shape)) + tuple(shape) == blob_shape(blob)
    return blob_shape(blob) == tuple(shape)


def shape_text(shape):
    """A shape as it is printed in messages: `20 1 4 4 (320)`."""
    if len(shape) > MAX_AXES:
        return f"of {len(shape)} axes"
    count = math.prod(shape)
    return " ".join([*map(str, shape), f"({count})"])
