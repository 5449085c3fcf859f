"""Weights on disk: .caffemodel, .caffemodel.h5 and .binaryproto, and copying them into a net by layer name."""
import os
from collections import OrderedDict

from google.protobuf.message import DecodeError, Message

from deeplandmark.caffe.errors import FileFormatError, PrototxtError
from deeplandmark.caffe.files import hdf5
from deeplandmark.caffe.files.blob_proto import blob_to_array, report_not_finite, shape_text
from deeplandmark.caffe.files.large_message import read_large
from deeplandmark.caffe.files.mapped import mapped, no_message
from deeplandmark.caffe.files.plain import open_plain
from deeplandmark.caffe.files.stored_blobs import ProtoBlob, StoredArray, copy_values, not_finite
from deeplandmark.caffe.files.upgrade import upgrade_net
from deeplandmark.caffe.files.wire import MalformedMessage, check_message
from deeplandmark.caffe.proto import caffe_pb2

Weights = str | os.PathLike[str] | Message                       # a path, or a NetParameter
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def read_weights(weights):
    """Weights of a path or of a NetParameter, for `copy_weights`.

    Returns
    -------
    (dict, str or None)
        Layer name -> list of stored blobs (stored_blobs.py; None where one is not stored); the file name.

    Raises
    ------
    FileFormatError
        For a file that is missing or of neither format.
    """
    if isinstance(weights, caffe_pb2.NetParameter):
        return _blobs_by_layer(weights, ProtoBlob), None
    file, net = os.fspath(weights), caffe_pb2.NetParameter()
    if _first_bytes(file, len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE:
        return _read_hdf5(file), file
    stored = read_large(file, net)
    return _blobs_by_layer(_upgraded(net, file), stored), file


def read_caffemodel(path):
    """The upgraded NetParameter of a binary .caffemodel; a FileFormatError for a file that cannot be read."""
    return _upgraded(read_message(path, caffe_pb2.NetParameter()), path)


def _upgraded(net, path):
    try:
        return upgrade_net(net)
    except PrototxtError as error:
        raise FileFormatError(f"{os.fspath(path)}: {error}") from None


def read_message(path, message):
    """Fills a message from a binary file and returns it.

    Raises
    ------
    FileFormatError
        Naming the file: missing, no plain file, cut off, or holding more than a message of Caffe's can.
    """
    with mapped(path) as data:
        try:
            check_message(data, message.DESCRIPTOR)
            message.ParseFromString(data[:])
        except (DecodeError, MalformedMessage) as error:
            raise no_message(path, data, message, error) from None
    return message


def read_binaryproto(path):
    """The float32 array of a .binaryproto file, such as a mean image; a FileFormatError where it cannot be read."""
    return blob_to_array(read_message(path, caffe_pb2.BlobProto()), os.fspath(path))


def _blobs_by_layer(net, stored):
    """Layer name -> list of stored blobs of a NetParameter; the first layer of a name counts."""
    layers = OrderedDict()
    for layer in net.layer:
        layers.setdefault(layer.name, list(map(stored, layer.blobs)))
    return layers


def copy_weights(graph, layers, file=None, strict=False):
    """Copies stored blobs into the layers of the same name (net.cpp, CopyTrainedLayersFrom).

    Layers without stored blobs keep what they have; stored layers that the net lacks are ignored. Values that are not
    finite are copied with a NotFiniteWarning, or with `strict` refused.

    Raises
    ------
    FileFormatError
        When a layer has another number of blobs, or a blob another shape: both are named, and nothing is copied.
    """
    place = f"{file}: " if file else ""
    copies, seen = [], set()
    for index, node in enumerate(graph.nodes):
        if node.name not in layers or node.name in seen:
            continue
        seen.add(node.name)
        what = f"{place}layer {node.name!r}"
        stored, targets = node.layer.fit_stored(layers[node.name], what), node.layer.blobs
        borrowed = [(index, i) not in graph.params.owned for i in range(len(targets))]
        copies += _match(stored, targets, borrowed, what)
    for blob, target, what in copies:                            # once through everything before the first is copied
        report_not_finite(not_finite(blob, what), target.numel(), what, strict)
    for blob, target, what in copies:
        copy_values(blob, target, what)


def _match(stored, targets, borrowed, place):
    """(stored blob, tensor, name for messages) of one layer; HDF5 files leave out blobs that are borrowed."""
    in_hdf5 = not any(isinstance(blob, ProtoBlob) for blob in stored)
    if len(stored) < len(targets) and all(borrowed[len(stored):]) and in_hdf5:
        stored = stored + [None] * (len(targets) - len(stored))
    if len(stored) != len(targets):
        raise FileFormatError(f"{place}: {len(stored)} blobs in the file, {len(targets)} in the net")
    found = []
    for i, (blob, target) in enumerate(zip(stored, targets)):
        shape, what = tuple(target.shape), f"{place}: blob {i}"
        if blob is None:
            if not borrowed[i]:
                raise FileFormatError(f"{what} is not in the file")
            continue
        if not blob.fits(shape):
            raise FileFormatError(f"{what} has shape {shape_text(blob.shape)} in the file, {shape_text(shape)} "
                                  "in the net; rename the layer to learn it from scratch")
        found.append((blob, target, what))
    return found


def _read_hdf5(path):
    """Layer name -> list of StoredArray of a .caffemodel.h5."""
    layers = OrderedDict()
    with hdf5.opened(path) as file:
        if "data" not in file:
            raise FileFormatError(f"{path}: has no group 'data', so it holds no weights")
        for name, data in hdf5.datasets(hdf5.member(file, "data")):
            folder, _, index = name.rpartition("/")
            if data.shape is not None and index.isdecimal() and index.isascii() and len(index) <= 3:
                layers.setdefault(folder, {})[int(index)] = StoredArray(path, data.name, data.shape)
    return OrderedDict((name, [blobs.get(i) for i in range(max(blobs) + 1)]) for name, blobs in layers.items())


def _first_bytes(path, count):
    try:
        with open_plain(path) as stream:
            return stream.read(count)
    except OSError as error:
        raise FileFormatError(f"{os.fspath(path)}: {error.strerror}") from None
