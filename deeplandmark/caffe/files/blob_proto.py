"""BlobProto, Caffe's blob on disk, to and from NumPy arrays."""
import math
import warnings

import numpy as np

from deeplandmark.caffe.errors import FileFormatError, NotFiniteWarning
from deeplandmark.caffe.files.wire import varint
from deeplandmark.caffe.limits import MAX_AXES
from deeplandmark.caffe.proto import caffe_pb2

_LEGACY = ("num", "channels", "height", "width")


def has_legacy_shape(blob):
    """Whether (bool) a BlobProto has the num/channels/height/width of files written before BlobShape existed."""
    return any(blob.HasField(name) for name in _LEGACY)


def blob_shape(blob, count=None):
    """Shape of a BlobProto, a tuple of int; 4 axes for a legacy one (blob.cpp, FromProto).

    A legacy one of C3D v1.0 has a fifth extent, `length`, behind the channels. It follows from the number of values:
    `count`, where they are not in the message.
    """
    if not has_legacy_shape(blob):
        return tuple(blob.shape.dim)
    shape, count = tuple(getattr(blob, name) for name in _LEGACY), count or len(blob.data)
    area = math.prod(shape)
    if min(shape) > 0 and count > area and not count % area:
        return (*shape[:2], count // area, *shape[2:])
    return shape


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
    if blob.HasField("raw_diff" if diff else "raw_data"):
        return _raw_values(blob, shape, what, diff)
    double, single = (blob.double_diff, blob.diff) if diff else (blob.double_data, blob.data)
    count = len(double) or len(single) or (len(blob.double_data) or len(blob.data) if diff else 0)
    if len(shape) > MAX_AXES or min(shape, default=0) < 0 or math.prod(shape) != count:
        raise FileFormatError(f"{what}: {count} values for shape {shape_text(shape)}")
    with np.errstate(over="ignore"):                             # doubles beyond float32 are infinite
        values = _listed_values(blob, diff, bool(len(double)))
    return values.reshape(shape) if len(values) == count else np.zeros(shape, np.float32)


def check_finite(array, what):
    """Refuses values that are not finite; `what` names them in the FileFormatError."""
    report_not_finite(array.size - np.count_nonzero(np.isfinite(array)), array.size, what, strict=True)


def report_not_finite(wrong, count, what, strict):
    """Warns (NotFiniteWarning) of `wrong` values of `count` that are not finite, or refuses them: a FileFormatError."""
    if not wrong:
        return
    reason = f"{what}: {wrong} of {count} values are not finite"
    if strict:
        raise FileFormatError(reason)
    warnings.warn(f"{reason}: taken as Caffe takes them (strict=True refuses them)", NotFiniteWarning, stacklevel=2)


def array_to_blob(array, diff=None):
    """A BlobProto with float data (and diff) of an array's shape; float64 arrays are stored as double."""
    array = np.asarray(array)
    blob = caffe_pb2.BlobProto()
    blob.shape.dim.extend(array.shape)
    double = array.dtype == np.float64
    _append(blob, "double_data" if double else "data", array)
    if diff is not None:
        _append(blob, "double_diff" if double else "diff", diff)
    return blob


def _append(blob, name, array):
    """Adds an array to a packed list of a BlobProto as the bytes that stand in a file: one copy, no Python numbers."""
    field = blob.DESCRIPTOR.fields_by_name[name]
    data = np.asarray(array).astype("<f8" if field.type == field.TYPE_DOUBLE else "<f4", copy=False).tobytes()
    if data:
        blob.MergeFromString(_header(field, len(data)) + data)


def _header(field, size):
    """What stands in front of a packed list of `size` bytes: its tag and the size (bytes)."""
    return varint(field.number << 3 | 2) + varint(size)


def _listed_values(blob, diff, double):
    """A packed list of a BlobProto as a float32 array (count,), taken from the bytes that stand in a file."""
    field = blob.DESCRIPTOR.fields_by_name[("double_" if double else "") + ("diff" if diff else "data")]
    alone = caffe_pb2.BlobProto()
    getattr(alone, field.name).MergeFrom(getattr(blob, field.name))
    data, width = alone.SerializeToString(), 8 if double else 4
    size = len(getattr(blob, field.name)) * width
    return np.frombuffer(data, f"<f{width}", offset=len(data) - size).astype(np.float32)


def _raw_values(blob, shape, what, diff):
    """The values of NVIDIA's fork: bytes of half, single or double precision, as a float32 array."""
    data, kind = (blob.raw_diff, blob.raw_diff_type) if diff else (blob.raw_data, blob.raw_data_type)
    width = {blob.DOUBLE: 8, blob.FLOAT: 4, blob.FLOAT16: 2}[kind]
    if len(shape) > MAX_AXES or min(shape, default=0) < 0 or math.prod(shape) * width != len(data):
        raise FileFormatError(f"{what}: {len(data)} bytes of raw_data, {width} a value, for shape {shape_text(shape)}")
    with np.errstate(over="ignore"):
        return np.frombuffer(data, f"<f{width}").astype(np.float32).reshape(shape)


def fits(blob, shape, own=None):
    """Whether a BlobProto may be copied into a parameter of `shape` (blob.cpp, ShapeEquals).

    A legacy blob has four axes; it fits any shape that is equal to it once 1s are put in front, and for clips one with
    a length of 1 or, where the blob has a length, that. `own` is its shape where its values are not in the message.
    """
    own, shape = own or blob_shape(blob), tuple(shape)
    if not has_legacy_shape(blob):
        return own == shape
    if len(shape) == 5 and len(own) == 4:
        return shape == (*own[:2], 1, *own[2:])
    return (1,) * (4 - len(shape)) + shape == own


def shape_text(shape):
    """A shape as it is printed in messages: `20 1 4 4 (320)`."""
    if len(shape) > MAX_AXES:
        return f"of {len(shape)} axes"
    count = math.prod(shape)
    return " ".join([*map(str, shape), f"({count})"])
