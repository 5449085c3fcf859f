"""to_onnx: a net definition with its weights as one checked ONNX model."""
import os
from typing import NamedTuple

import onnx
from google.protobuf.message import EncodeError
from onnx import TensorProto, helper

from deeplandmark.caffe.errors import FileFormatError, NetError
from deeplandmark.caffe.files.model_file import Weights
from deeplandmark.caffe.files.prototxt import Definition
from deeplandmark.caffe.module import to_torch
from deeplandmark.caffe.onnx.batch_axes import CHOOSES_ROWS, find_batch_axes, is_source, trace
from deeplandmark.caffe.onnx.builder import OPSET, GraphBuilder, UnknownExtents, Value
from deeplandmark.caffe.onnx.folding import fold_into_convolutions
from deeplandmark.caffe.onnx.registry import find_exporter
from deeplandmark.work.whole_file import write_bytes

_IR_VERSION = 8                  # the one of opset 17


def to_onnx(model_file: Definition, weights_file: Weights | None = None,
            onnx_file: str | os.PathLike[str] | None = None,
            batch_axes: dict[str, int] | None = None) -> onnx.ModelProto:
    """A net of the phase TEST as an ONNX model (opset 17, float32), checked by onnx.checker.

    Inputs and outputs keep their blobs' names; an output that shares its name with an input is called `<name>_out`.
    Factors and shifts of maps behind a convolution, as those of BatchNorm and Scale, become part of its weights. Tops
    of data layers become inputs, unless nothing takes them, such as labels. Layers for training do nothing, as in
    TEST; losses, Accuracy and layers that write files or run Python cannot be exported. LSTM and RNN begin each run
    from a state of zeros. Layers that take indices do not check them.

    Parameters
    ----------
    model_file : path, prototxt text or NetParameter
    weights_file : path or NetParameter, optional
        .caffemodel or .caffemodel.h5; fillers are kept where it is silent.
    onnx_file : path, optional
        Where the model is written, whole or not at all.
    batch_axes : dict of input name to axis, optional
        Axes whose size is chosen when the model runs. By default axis 0 of the first input and of those of the same
        size (with LSTM and RNN: the axis of the streams); an empty one keeps every shape of the definition.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    NetError
        For a layer that cannot be exported, naming it and its type, or one that fixes the batch size.
    FileFormatError
        For a model of more than 2 GiB, which ONNX cannot hold in one file.
    """
    graph = to_torch(model_file, weights_file).graph
    axes = find_batch_axes(graph) if batch_axes is None else dict(batch_axes)
    try:
        exported = export_graph(graph, axes)
    except NetError as error:
        raise error.at(file=graph.file) from None
    try:
        data = exported.serialized()
    except FileFormatError as error:
        raise FileFormatError(f"{graph.file or 'the net'}: {error}") from None
    onnx.checker.check_model(data, full_check=True)
    if onnx_file is not None:
        write_bytes(onnx_file, data)
    return exported.model


class ExportedGraph(NamedTuple):
    """A ModelProto, and the names of its inputs and outputs by the positions of their blobs (dicts of int to str)."""
    model: onnx.ModelProto
    inputs: dict
    outputs: dict

    def serialized(self):
        """Its bytes; a FileFormatError for a model of more than 2 GiB."""
        try:
            return self.model.SerializeToString()
        except (EncodeError, ValueError):
            raise FileFormatError("the model is larger than the 2 GiB of an ONNX file") from None


def export_graph(graph, batch_axes, wanted=None):
    """The ExportedGraph of a Graph whose inputs have the given batch axes.

    Its outputs are the blobs `wanted` (positions), none of them an input; by default those that no layer takes.
    """
    inputs = [name for node in graph.nodes if is_source(node) for name in node.layer.param.top]
    unknown = sorted(set(batch_axes) - set(inputs))
    if unknown:
        raise NetError(f"is not an input (inputs: {', '.join(inputs) or 'none'})", blob=unknown[0])
    exported = _Export(graph, trace(graph, batch_axes), batch_axes)
    outputs = exported.outputs(graph.outputs if wanted is None else sorted(wanted))
    b = exported.builder
    nodes = fold_into_convolutions(b.nodes, b.constants, {output.name for output in outputs})
    proto = helper.make_graph(nodes, graph.name or "net", exported.inputs, outputs, list(b.constants.values()))
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION,
                              producer_name="deeplandmark.caffe")
    return ExportedGraph(model, exported.input_names, exported.output_names)


class _Export:
    """Runs the exporters of a graph in order; `values` holds the Value of every blob as it stands."""

    def __init__(self, graph, shapes, batch_axes):
        self.graph, self.batch_axes = graph, batch_axes
        self.builder, self.inputs = GraphBuilder(), []
        self.input_names, self.output_names = {}, {}             # by the positions of their blobs
        self.values = [None] * len(graph.blob_names)
        self.batch = _batch_size(graph, batch_axes)
        self.rows_vary = any(node.type in CHOOSES_ROWS for node in graph.nodes)
        taken = {blob for node in graph.nodes if node.type != "Silence" for blob in node.bottoms}
        last_writer = {blob: i for i, node in enumerate(graph.nodes) for blob in node.tops}
        for node, tops in zip(graph.nodes, shapes):              # names of inputs come before all others
            if is_source(node):
                self._add_inputs(node, tops, taken)
        self._final = {blob: (i, self._reserve_final(blob)) for blob, i in last_writer.items()
                       if not is_source(graph.nodes[i]) or blob in graph.outputs}
        for index, (node, tops) in enumerate(zip(graph.nodes, shapes)):
            if not is_source(node):
                self._add_layer(index, node, tops)

    def _add_inputs(self, node, tops, taken):
        for blob, shape in zip(node.tops, tops):
            if blob not in taken and not getattr(node.layer, "is_input", False):
                continue
            name = self.builder.reserve(self.graph.blob_names[blob])
            self.values[blob], self.input_names[blob] = Value(name, shape), name
            self.inputs.append(self._describe(name, blob, shape))

    def _reserve_final(self, blob):
        """The name of a blob's last value: the blob's own, unless an input of the model has it."""
        name = self.graph.blob_names[blob]
        return self.builder.reserve(name if self.values[blob] is None else f"{name}_out")

    def _add_layer(self, index, node, tops):
        try:
            export = find_exporter(node.layer)
            first_node = len(self.builder.nodes)
            self.builder.begin_layer(node.name, tops)
            try:
                names = export(self.builder, node.layer, *(self.values[blob] for blob in node.bottoms))
            except UnknownExtents as error:
                node.layer.fail(f"cannot be exported: more than one extent of {error} follows the batch")
        except NetError as error:
            raise error.at(line=node.line, layer=node.name) from None
        names = [names] if isinstance(names, str) else list(names)
        made = {name for new in self.builder.nodes[first_node:] for name in new.output}
        for blob, name, shape in zip(node.tops, names, tops, strict=True):
            writer, final = self._final[blob]
            if writer == index and name in made:
                self.builder.rename(name, final, first_node)
                name = final
            self.values[blob] = Value(name, shape)

    def outputs(self, wanted):
        """Descriptions of the blobs `wanted`; one that no node makes under its name is made by an Identity."""
        described = []
        for blob in wanted:
            value = self.values[blob]
            if value is None:
                continue                                         # of a data layer that nothing takes
            final = self._final[blob][1]
            if value.name != final:
                first = len(self.builder.nodes)
                self.builder.begin_layer(self.graph.blob_names[blob], [])
                self.builder.rename(self.builder.node("Identity", value), final, first)
            self.output_names[blob] = final
            described.append(self._describe(final, blob, value.shape))
        if not described:
            raise NetError("has no outputs to export")
        return described

    def _describe(self, name, blob, shape):
        """A ValueInfoProto; extents that are only known at run time have names, N that of the batch."""
        declared = self.graph.blob_shapes[blob]
        batch = None if self.rows_vary and name not in self.batch_axes else self.batch
        named = ["N" if size == batch else f"{name}_{axis}" for axis, size in enumerate(declared)]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT,
                                             [n if size is None else size for n, size in zip(named, shape)])


def _batch_size(graph, batch_axes):
    """The batch of the definition, None without one."""
    sizes = (shape[batch_axes[name]] for node in graph.nodes if is_source(node)
             for name, shape in zip(node.layer.param.top, node.layer.reshape([])) if name in batch_axes)
    return next(sizes, None)
