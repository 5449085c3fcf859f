"""Weights on disk: .caffemodel, .caffemodel.h5 and .binaryproto, and copying them into a net by layer name."""
import contextlib
import mmap
import os
from collections import OrderedDict
from dataclasses import dataclass

import torch
from google.protobuf.message import DecodeError, Message

from deeplandmark.caffe.errors import FileFormatError, PrototxtError
from deeplandmark.caffe.files import hdf5
from deeplandmark.caffe.files.blob_proto import array_to_blob, blob_shape, blob_to_array, check_finite, fits, shape_text
from deeplandmark.caffe.files.plain import mistaken, open_plain
from deeplandmark.caffe.files.upgrade import upgrade_net
from deeplandmark.caffe.files.wire import MalformedMessage, check_message
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.work.whole_file import write_bytes

Weights = str | os.PathLike[str] | Message                       # a path, or a NetParameter
_LARGEST = (1 << 31) - 1         # bytes of a binary message, as protobuf has it
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def read_weights(weights):
    """Weights of a path or of a NetParameter, for `copy_weights`.

    Returns
    -------
    (dict, str or None)
        Layer name -> list of BlobProto, or for HDF5 of StoredArray (None where a blob is not stored); the file name.

    Raises
    ------
    FileFormatError
        For a file that is missing or of neither format.
    """
    if isinstance(weights, caffe_pb2.NetParameter):
        return blobs_by_layer(weights), None
    file = os.fspath(weights)
    if _first_bytes(file, len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE:
        return _read_hdf5(file), file
    return blobs_by_layer(read_caffemodel(file)), file


def read_caffemodel(path):
    """The upgraded NetParameter of a binary .caffemodel; a FileFormatError for a file that cannot be read."""
    try:
        return upgrade_net(read_message(path, caffe_pb2.NetParameter()))
    except PrototxtError as error:
        raise FileFormatError(f"{os.fspath(path)}: {error}") from None


def read_message(path, message):
    """Fills a message from a binary file and returns it.

    Raises
    ------
    FileFormatError
        Naming the file: missing, no plain file, cut off, or holding more than a message of Caffe's can.
    """
    with _mapped(path) as data:
        try:
            check_message(data, message.DESCRIPTOR)
            message.ParseFromString(data[:])
        except (DecodeError, MalformedMessage) as error:
            reason = f": {error}" if isinstance(error, MalformedMessage) else ""
            known = f"not a binary {message.DESCRIPTOR.name}, {_as_text(data[:512]) or f'or cut off{reason}'}"
            raise FileFormatError(f"{os.fspath(path)}: {mistaken(data[:512]) or known}") from None
    return message


def _as_text(start):
    """What to say of a text file where a binary one belongs; '' for bytes that are not text."""
    words = (b"layer", b"input", b"name", b"net:", b"base_lr")
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in start) or not any(word in start for word in words):
        return ""
    return "but text, a definition as it seems: the definition comes first, the weights second"


@contextlib.contextmanager
def _mapped(path):
    """The bytes of a file without reading those that nobody looks at."""
    path = os.fspath(path)
    try:
        with open_plain(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > _LARGEST:
                raise FileFormatError(f"{path}: {size} bytes; a binary message has at most 2 GiB")
            if not size:
                raise FileFormatError(f"{path}: is empty")       # a message without fields, which Caffe would take
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield data
    except OSError as error:
        raise FileFormatError(f"{path}: {error.strerror or error}") from None


def write_message(path, message):
    """Writes a message as a binary file, whole or not at all; an OSError where that cannot be."""
    write_bytes(path, message.SerializeToString())


def read_binaryproto(path):
    """The float32 array of a .binaryproto file, such as a mean image; a FileFormatError where it cannot be read."""
    return blob_to_array(read_message(path, caffe_pb2.BlobProto()), os.fspath(path))


def blobs_by_layer(net):
    """Layer name -> list of BlobProto of a NetParameter; the first layer of a name counts."""
    layers = OrderedDict()
    for layer in net.layer:
        layers.setdefault(layer.name, list(layer.blobs))
    return layers


def copy_weights(graph, layers, file=None):
    """Copies stored blobs into the layers of the same name (net.cpp, CopyTrainedLayersFrom).

    Layers without stored blobs keep what they have; stored layers that the net lacks are ignored.

    Raises
    ------
    FileFormatError
        When a layer has another number of blobs, or a blob another shape: both are named, and nothing is copied.
        Likewise for values that are not finite, which Caffe would take: no net computes anything with them.
    """
    place = f"{file}: " if file else ""
    copies, seen = [], set()
    for index, node in enumerate(graph.nodes):
        if node.name not in layers or node.name in seen:
            continue
        seen.add(node.name)
        stored, targets = layers[node.name], node.layer.blobs
        borrowed = [(index, i) not in graph.params.owned for i in range(len(targets))]
        copies += _match(stored, targets, borrowed, f"{place}layer {node.name!r}")
    for target, array in copies:
        target.data.copy_(torch.from_numpy(array).reshape(target.shape))


def _match(stored, targets, borrowed, place):
    """(tensor, array) pairs of one layer; HDF5 files leave out blobs that are borrowed."""
    if len(stored) < len(targets) and all(borrowed[len(stored):]) and not any(map(_is_proto, stored)):
        stored = stored + [None] * (len(targets) - len(stored))
    if len(stored) != len(targets):
        raise FileFormatError(f"{place}: {len(stored)} blobs in the file, {len(targets)} in the net")
    pairs = []
    for i, (blob, target) in enumerate(zip(stored, targets)):
        shape = tuple(target.shape)
        if blob is None:
            if not borrowed[i]:
                raise FileFormatError(f"{place}: blob {i} is not in the file")
            continue
        found = blob_shape(blob) if _is_proto(blob) else blob.shape
        if not (fits(blob, shape) if _is_proto(blob) else found == shape):
            raise FileFormatError(f"{place}: blob {i} has shape {shape_text(found)} in the file, {shape_text(shape)} "
                                  "in the net; rename the layer to learn it from scratch")
        array = blob_to_array(blob, f"{place}: blob {i}") if _is_proto(blob) else blob.read()
        check_finite(array, f"{place}: blob {i}")
        pairs.append((target, array))
    return pairs


def _is_proto(blob):
    return isinstance(blob, caffe_pb2.BlobProto)


def graph_to_proto(graph, write_diff=False):
    """The NetParameter Caffe would snapshot (net.cpp, ToProto): the filtered layers with Split layers and blobs.

    write_diff (bool) adds their diffs.
    """
    net = caffe_pb2.NetParameter()
    if graph.name:
        net.name = graph.name
    for node in graph.nodes:
        layer = net.layer.add()
        layer.CopyFrom(node.layer.param)
        layer.ClearField("blobs")
        for data, diff in _arrays(node, write_diff):
            layer.blobs.append(array_to_blob(data, diff))
    return net


def write_hdf5(path, graph, write_diff=False):
    """Writes `data/<layer>/<index>` (and `diff/...`), blobs of their owners only (net.cpp, ToHDF5)."""
    with hdf5.written(path) as file:
        groups = [file.create_group("data")] + ([file.create_group("diff")] if write_diff else [])
        for index, node in enumerate(graph.nodes):
            # A name with slashes makes nested groups, and may be met twice.
            layers = [group.require_group(node.name) for group in groups]
            for i, arrays in enumerate(_arrays(node, write_diff)):
                if (index, i) in graph.params.owned:
                    for layer, array in zip(layers, arrays):
                        layer.create_dataset(str(i), data=array)


def _arrays(node, with_diff):
    """(data, diff or None) of every blob of a layer, as arrays on the host."""
    parameters = list(node.layer._parameters.values())
    for blob, parameter in zip(node.layer.blobs, parameters):
        diff = None
        if with_diff:
            diff = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            diff = diff.detach().reshape(blob.shape).cpu().numpy()
        yield blob.detach().cpu().numpy(), diff


@dataclass
class StoredArray:
    """A blob in an HDF5 file, read only when it fits the net: its file, the dataset's name, its shape (tuple)."""
    path: str
    name: str
    shape: tuple

    def read(self):
        """The float32 array."""
        with hdf5.opened(self.path) as file:
            return hdf5.read_array(file[self.name]).astype("float32")


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
