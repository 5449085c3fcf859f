"""Large binary messages without their values: what a net or a solver state is made of, and where its numbers lie."""
import os

from google.protobuf.message import DecodeError

from deeplandmark.caffe.files.mapped import mapped, no_message
from deeplandmark.caffe.files.stored_blobs import FileBlob, ProtoBlob
from deeplandmark.caffe.files.wire import MalformedMessage, check_message, records, varint
from deeplandmark.caffe.proto import caffe_pb2

_BLOB = caffe_pb2.BlobProto.DESCRIPTOR
_WORTH_IT = 4096             # bytes of values that stay in the file
_WITH_BLOBS = {"NetParameter", "LayerParameter", "V1LayerParameter", "V0LayerParameter", "SolverState"}
_VALUES = {"data": "<f4", "double_data": "<f8", "raw_data": None}
_DIFFS = {"diff", "double_diff", "raw_diff"}
_RAW = {_BLOB.fields_by_name["raw_data_type"].enum_type.values_by_name[name].number: kind
        for name, kind in (("DOUBLE", "<f8"), ("FLOAT", "<f4"), ("FLOAT16", "<f2"))}


def read_large(path, message):
    """Fills a NetParameter or SolverState from a binary file, but for the values of its larger blobs.

    Returns
    -------
    callable
        Gives a stored blob (stored_blobs.py) for each BlobProto of the message, or of a copy of it.

    Raises
    ------
    FileFormatError
        As `read_message`.
    """
    path, places = os.fspath(path), []
    with mapped(path) as data:
        try:
            check_message(data, message.DESCRIPTOR)
            message.ParseFromString(b"".join(_without_values(data, 0, len(data), message.DESCRIPTOR, places)))
        except (DecodeError, MalformedMessage) as error:
            raise no_message(path, data, message, error) from None

    def stored(blob):
        if not blob.HasField("stored_at"):
            return ProtoBlob(blob)
        kind, start, nbytes = places[blob.stored_at]
        return FileBlob(blob, path, kind or _RAW[blob.raw_data_type], start, nbytes)
    return stored


def _without_values(data, place, end, descriptor, places):
    """Pieces (bytes) of a message without the values of its larger blobs, whose (kind, start, bytes) go to `places`."""
    for number, start, body, stop in records(data, place, end):
        field = descriptor.fields_by_number.get(number)
        inner = field.message_type if field is not None and body != stop and data[start] & 7 == 2 else None
        if inner is None or inner is not _BLOB and inner.name not in _WITH_BLOBS:
            yield data[start:stop]
            continue
        parts = _blob(data, body, stop, places) if inner is _BLOB else _without_values(data, body, stop, inner, places)
        content = b"".join(parts)
        yield varint(number << 3 | 2) + varint(len(content)) + content


def _blob(data, place, end, places):
    """Pieces of a BlobProto: differences are left out, and its values where they are one large list."""
    found = [(_BLOB.fields_by_number.get(number), start, body, stop)
             for number, start, body, stop in records(data, place, end)]
    values = [record for record in found if record[0] is not None and record[0].name in _VALUES]
    alone = len(values) == 1 and data[values[0][1]] & 7 == 2 and end - place >= _WORTH_IT
    for field, start, body, stop in found:
        name = field.name if field is not None else None
        if alone and name in _VALUES:
            yield varint(_BLOB.fields_by_name["stored_at"].number << 3) + varint(len(places))
            places.append((_VALUES[name], body, stop - body))
        elif name not in _DIFFS and name != "stored_at":
            yield data[start:stop]
