"""A net as an ONNX graph under ONNX Runtime: on a CPU two to four times as fast as the layers of torch."""
import contextlib

import torch

from deeplandmark.caffe.engines.parameter_watch import ParameterWatch
from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.onnx.export import export_graph
from deeplandmark.work.onnx_session import open_session


class OnnxEngine:
    """Runs a net of the phase TEST by ONNX Runtime, on as many threads as torch has.

    The graph is for the shapes of the inputs and for the weights as they are. It is made anew, at the next run, when
    either has changed or another blob is wanted.

    Parameters
    ----------
    graph : Graph
    param_blobs : list of ParamBlob
        All parameters of the net, through which the user may change them.

    Raises
    ------
    NetError
        Naming the layer that has no ONNX form.
    """

    def __init__(self, graph, param_blobs):
        self.graph, self.watch = graph, ParameterWatch(param_blobs)
        self._made_for = self._exported = self._session = None

    def run(self, inputs, wanted):
        """Values (dict of blob position to tensor) of the blobs `wanted` (set of int) for those of the inputs."""
        made_for = {blob: tuple(tensor.shape) for blob, tensor in inputs.items()}, wanted
        if made_for != self._made_for or self.watch.have_changed():
            self.make(*made_for)
        feed = {name: inputs[blob].numpy() for blob, name in self._exported.inputs.items()}
        arrays = self._session.run(list(self._exported.outputs.values()), feed)
        return dict(zip(self._exported.outputs, map(torch.from_numpy, arrays)))

    def make(self, shapes, wanted):
        """Makes the graph for input shapes (dict of blob position to tuple) and the blobs `wanted`."""
        with _input_shapes(self.graph, shapes):
            self._exported = export_graph(self.graph, {}, wanted)
        place = self.graph.file or "the net"
        self._session = open_session(self._exported.serialized(), place, NetError, torch.get_num_threads())
        self.watch.start()
        self._made_for = shapes, frozenset(wanted)


@contextlib.contextmanager
def _input_shapes(graph, shapes):
    """While the block runs, the Input layers of a graph declare these shapes."""
    before = []
    for node in graph.nodes:
        if getattr(node.layer, "is_input", False):
            declared = node.layer.param.input_param
            kept = type(declared)()
            kept.CopyFrom(declared)
            before.append((declared, kept))
            del declared.shape[:]
            for blob in node.tops:
                declared.shape.add(dim=shapes[blob])
    try:
        yield
    finally:
        for declared, kept in before:
            declared.CopyFrom(kept)
