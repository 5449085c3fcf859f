"""Weights and solver states into files, blob by blob from where they lie: nothing is copied as a whole."""
import os
import warnings

import numpy as np
import torch

from deeplandmark.caffe.errors import FileFormatError
from deeplandmark.caffe.files import hdf5
from deeplandmark.caffe.files.blob_proto import array_to_blob
from deeplandmark.caffe.files.mapped import LARGEST
from deeplandmark.caffe.files.wire import varint
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.work.whole_file import open_whole, write_bytes


def write_message(path, message):
    """Writes a message as a binary file, whole or not at all; an OSError where that cannot be."""
    write_bytes(path, message.SerializeToString())


def write_caffemodel(path, graph, write_diff=False):
    """Writes the message of `graph_to_proto`, whole or not at all.

    A message holds 2 GiB at most: a larger net is written as HDF5, with a warning. Everything that reads weights, Caffe
    too, knows such a file by its content.
    """
    net = _net(graph)
    pieces, number = [net.SerializeToString()], _number(net, "layer")
    for node in graph.nodes:
        layer = _without_blobs(node)
        inside = [layer.SerializeToString()]
        for arrays in _arrays(node, write_diff):
            inside += _field(_number(layer, "blobs"), _blob(*arrays))
        pieces += _field(number, inside)
    if sum(map(len, pieces)) > LARGEST:
        warnings.warn(f"{os.fspath(path)}: written as HDF5, because the net is larger than the 2 GiB that a binary "
                      "message holds; Caffe reads it under this name, too", UserWarning, stacklevel=3)
        write_hdf5(path, graph, write_diff)
    else:
        _write(path, pieces)


def write_state_message(path, state, history):
    """Writes a SolverState with a history (arrays), whole or not at all; a FileFormatError where it is too large."""
    pieces = [state.SerializeToString()]
    for array in history:
        pieces += _field(_number(state, "history"), _blob(np.asarray(array, np.float32)))
    if sum(map(len, pieces)) > LARGEST:
        raise FileFormatError(f"{path}: larger than the 2 GiB that a binary message holds: set snapshot_format: HDF5")
    _write(path, pieces)


def graph_to_proto(graph, write_diff=False):
    """The NetParameter Caffe would snapshot (net.cpp, ToProto): the filtered layers with Split layers and blobs.

    write_diff (bool) adds their diffs.
    """
    net = _net(graph)
    for node in graph.nodes:
        layer = net.layer.add()
        layer.CopyFrom(_without_blobs(node))
        layer.blobs.extend(array_to_blob(data, diff) for data, diff in _arrays(node, write_diff))
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


def _net(graph):
    return caffe_pb2.NetParameter(name=graph.name) if graph.name else caffe_pb2.NetParameter()


def _without_blobs(node):
    layer = caffe_pb2.LayerParameter()
    layer.CopyFrom(node.layer.param)
    layer.ClearField("blobs")
    return layer


def _arrays(node, with_diff):
    """(data, diff or None) of every blob of a layer, as arrays on the host."""
    parameters = list(node.layer._parameters.values())
    for blob, parameter in zip(node.layer.blobs, parameters):
        diff = None
        if with_diff:
            diff = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            diff = diff.detach().reshape(blob.shape).cpu().numpy()
        yield blob.detach().cpu().numpy(), diff


def _blob(data, diff=None):
    """Pieces (bytes or views of bytes) of a BlobProto with float data (and diff)."""
    shape = caffe_pb2.BlobProto()
    shape.shape.dim.extend(data.shape)
    pieces = [shape.SerializeToString()]
    for name, array in (("data", data), ("diff", diff)):
        if array is not None and array.size:
            content = np.ascontiguousarray(array, "<f4").reshape(-1).view(np.uint8).data
            pieces += _field(_number(shape, name), [content])
    return pieces


def _number(message, name):
    return message.DESCRIPTOR.fields_by_name[name].number


def _field(number, pieces):
    """Pieces of a field that says its size: a message, or a packed list."""
    return [varint(number << 3 | 2) + varint(sum(map(len, pieces))), *pieces]


def _write(path, pieces):
    with open_whole(path, "wb") as stream:
        stream.writelines(pieces)
