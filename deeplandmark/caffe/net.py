"""pycaffe's Net: a net with named blobs that can be read, written and run piece by piece.

Its methods stand here and, by what they are for, in net_batches.py, net_callbacks.py, net_training.py, net_weights.py.
"""
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from deeplandmark.caffe.blob import Blob, ParamBlob, make_blobs, untouched_zeros
from deeplandmark.caffe.engines.fast_forward import FastForward
from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.files.model_file import Weights
from deeplandmark.caffe.files.prototxt import Definition, NetSource, read_source
from deeplandmark.caffe.mode import ALONE, MODE
from deeplandmark.caffe.module import build_module, named_blobs, new_context
from deeplandmark.caffe.net_batches import BatchMethods
from deeplandmark.caffe.net_callbacks import Watchers, WatchMethods
from deeplandmark.caffe.net_execution import BlobRunner
from deeplandmark.caffe.net_training import TrainingMethods
from deeplandmark.caffe.net_weights import WeightMethods
from deeplandmark.caffe.proto import caffe_pb2


class LayerHandle:
    """A layer as pycaffe shows it: `type` (str) and `blobs` (list of Blob); other names are the layer object's."""

    def __init__(self, layer, blobs):
        self.layer, self.blobs, self.type = layer, blobs, layer.param.type

    def __getattr__(self, name):
        return getattr(self.layer, name)


class Net(BatchMethods, TrainingMethods, WatchMethods, WeightMethods):
    """A net of one phase, with pycaffe's names (pycaffe.py, _caffe.cpp).

    Calls of pycaffe all work: `Net(file, phase)`, `Net(file, weights, phase)`, `Net(file, phase, level=, stages=,
    weights=)`.

    Parameters
    ----------
    network_file : path, prototxt text, NetParameter or NetSource
    phase : TRAIN or TEST
    weights : path or NetParameter, optional
        .caffemodel or .caffemodel.h5
    level, stages : int and sequence of str
        The net state that include and exclude rules are compared with.
    seed : int, optional
        Makes fillers, dropout and shuffling of this net repeatable; without it, they draw from the generator that
        set_random_seed sets.
    device : str or torch.device, optional
        By default the one chosen by set_mode_cpu or set_mode_gpu.
    strict : bool
        Refuse, as BVLC's Caffe does, the fields of forks that change no float32 result, and weights that are not
        finite; by default there is a ForkFieldWarning or a NotFiniteWarning.
    engine : "torch" or "onnxruntime", optional
        What runs `forward` in TEST, by default what set_engine says: torch. ONNX Runtime runs the graph of `to_onnx`,
        several times as fast on a CPU. Blobs that somebody looks at hold Caffe's values either way.

    Attributes
    ----------
    blobs : dict of str to Blob
    params : dict of str to list of Blob
        The parameters of each layer that has some.
    inputs, outputs : list of str
        Names of the blobs that the caller fills, and of those that no layer takes.
    layers : list of LayerHandle
    layer_dict : dict of str to LayerHandle
    bottom_names, top_names : dict of str to list of str
        Blobs of each layer.

    Raises
    ------
    CaffeError
        For a definition or weights that cannot be used, naming file, line, layer and blob.
    """

    def __init__(self, network_file: Definition | NetSource, *args: Any, phase: int | None = None, level: int = 0,
                 stages: Sequence[str] = (), weights: Weights | None = None, seed: int | None = None,
                 device: str | torch.device | None = None, strict: bool = False, engine: str | None = None) -> None:
        phase, level, stages, weights = _arguments(args, phase, level, stages, weights)
        self.phase = phase
        self.device = torch.device(device) if device is not None else MODE.device
        source = read_source(network_file, strict)
        share = MODE.share if phase == caffe_pb2.TRAIN else ALONE
        self.module = build_module(source, phase, new_context(level, stages, seed, share)).to(self.device)
        self.graph = graph = self.module.graph
        self.learnable_params = graph.params.learnable
        self.params_lr, self.params_weight_decay = graph.params.lr_mult, graph.params.decay_mult
        for parameter in self.learnable_params:
            # One buffer for good: views of it stay valid, and gradients accumulate over several backwards.
            parameter.grad = untouched_zeros(parameter)
        self.watchers = Watchers()
        self._make_names()
        self._make_blobs()
        self.set_debug_info(source.message.debug_info)
        self._pending = None                                     # values of the last whole-graph run
        if weights is not None:
            self.copy_from(weights, strict)
        self._fast = FastForward(self, engine or MODE.engine)

    def _make_names(self):
        graph, names = self.graph, self.graph.blob_names
        self._layer_names = [node.name for node in graph.nodes]
        self._blob_names = list(names)
        self.bottom_names = OrderedDict((node.name, [names[i] for i in node.bottoms]) for node in graph.nodes)
        self.top_names = OrderedDict((node.name, [names[i] for i in node.tops]) for node in graph.nodes)
        self._inputs, self._outputs = list(graph.inputs), list(graph.outputs)
        self.inputs: list[str] = [names[i] for i in graph.inputs]
        self.outputs: list[str] = [names[i] for i in graph.outputs]
        weight_of = {blob: weight for node in graph.nodes for blob, weight in zip(node.tops, node.loss_weights)}
        self.output_loss_weights = [weight_of[i] for i in graph.outputs]
        self.blob_loss_weights = OrderedDict((name, weight_of[i]) for i, name in named_blobs(graph))

    def _make_blobs(self):
        graph = self.graph
        self._fast = None
        self._blobs = make_blobs(graph.blob_shapes, self.device, self._note_access)
        self.blobs: OrderedDict[str, Blob] = OrderedDict((name, self._blobs[i]) for i, name in named_blobs(graph))
        param_blobs = [[ParamBlob(parameter, view.shape) for parameter, view
                        in zip(node.layer._parameters.values(), node.layer.blobs)] for node in graph.nodes]
        self.params: OrderedDict[str, list[Blob]] = OrderedDict(
            (node.name, blobs) for node, blobs in zip(graph.nodes, param_blobs) if blobs)
        self.layers = [LayerHandle(node.layer, blobs) for node, blobs in zip(graph.nodes, param_blobs)]
        self.layer_dict = OrderedDict(zip(self._layer_names, self.layers))
        self._runner = BlobRunner(graph, self._blobs, self.watchers)

    def _bottom_ids(self, layer):
        """Positions of a layer's bottoms in `_blob_names`, by the layer's index."""
        return list(self.graph.nodes[layer].bottoms)

    def _top_ids(self, layer):
        return list(self.graph.nodes[layer].tops)

    def _sync(self):
        """Takes over host copies that the user may have written into; there are none on the CPU."""
        if self.device.type != "cpu":
            for blob in [*self._blobs, *(blob for blobs in self.params.values() for blob in blobs)]:
                blob.sync()

    def forward(self, blobs: Sequence[str] | None = None, start: str | None = None, end: str | None = None,
                **inputs: npt.ArrayLike) -> dict[str, np.ndarray]:
        """Runs the net, or the layers `start` to `end`, both included.

        Parameters
        ----------
        blobs : list of str, optional
            Further blobs to return.
        start, end : str, optional
            Names of layers.
        **inputs : array
            Values of all input blobs, or of none: then those of before. Another batch size wants `reshape` first.

        Returns
        -------
        dict of str to float32 array
            The outputs (or the tops of `end`) and `blobs`: views, overwritten by the next forward.

        Raises
        ------
        NetError
            For a name or a shape that does not fit.
        """
        first = 0 if start is None else self._layer_index(start)
        last = len(self.graph.nodes) - 1 if end is None else self._layer_index(end)
        wanted = (self.outputs if end is None else self.top_names[end]) + list(blobs or [])
        self._set("data", inputs, self.inputs)
        self._forward(first, last, [i for i, name in named_blobs(self.graph) if name in wanted])
        return {name: self.blobs[name].data for name in wanted}

    def backward(self, diffs: Sequence[str] | None = None, start: str | None = None, end: str | None = None,
                 **top_diffs: npt.ArrayLike) -> dict[str, np.ndarray]:
        """Runs backward from `start` (the last layer) down to `end` (the first); parameter diffs accumulate.

        Parameters
        ----------
        diffs : list of str, optional
            Further blobs whose diffs to return.
        start, end : str, optional
            Names of layers.
        **top_diffs : array
            Diffs of all output blobs, or of none: then losses start from their loss weights.

        Returns
        -------
        dict of str to float32 array
            Diffs of the inputs (or of the bottoms of `end`) and of the blobs named in `diffs`.

        Raises
        ------
        NetError
            For a name or a shape that does not fit.
        """
        first = len(self.graph.nodes) - 1 if start is None else self._layer_index(start)
        last = 0 if end is None else self._layer_index(end)
        wanted = (self.inputs if end is None else self.bottom_names[end]) + list(diffs or [])
        self._set("diff", top_diffs, self.outputs)
        self._backward(first, last)
        return {name: self.blobs[name].diff for name in wanted}

    def _forward(self, first, last, wanted=()):
        self._take_pending()
        self._sync()
        if (first, last) == (0, len(self.graph.nodes) - 1):
            if self._fast.run(wanted):
                return 0.0
            self._fast.forget()
        self._fast.fill_all()
        return self._runner.forward(first, last)

    def _backward(self, first, last):
        self._take_pending()
        self._sync()
        self._fast.before_backward()
        self._runner.backward(first, last)

    def _set(self, which, arrays, names):
        """Copies arrays into the blobs of the same names; all of `names` or none must be given."""
        if arrays and set(arrays) != set(names):
            raise NetError(f"arrays are given for {sorted(arrays)}, but the net has {sorted(names)}",
                           file=self.graph.file)
        for name, array in arrays.items():
            blob, array = self.blobs[name], np.asarray(array)
            if array.shape[:1] != blob.shape[:1]:
                raise NetError(f"array of shape {array.shape} for a blob of shape {blob.shape}: the batch sizes differ",
                               blob=name)
            getattr(blob, which)[...] = array

    def _layer_index(self, name):
        if name not in self._layer_names:
            raise NetError(f"no layer {name!r} (layers: {', '.join(self._layer_names)})", file=self.graph.file)
        return self._layer_names.index(name)

    def reshape(self) -> None:
        """Gives every blob the shape that follows from those of the input blobs.

        A NetError where a layer refuses its own.
        """
        self._take_pending()
        self._fast.forget()
        for index, node in enumerate(self.graph.nodes):
            if node.bottoms:
                for blob, shape in zip(node.tops, self._runner.check_shapes(index) or ()):
                    self._blobs[blob].resize(tuple(shape))
        self._runner.fill_loss_diffs()

    def set_input_arrays(self, data: npt.ArrayLike, labels: npt.ArrayLike) -> None:
        """Arrays for the MemoryData layer, which must be the first layer.

        Parameters
        ----------
        data : array (n, channels, height, width)
        labels : array (n,) or (n, 1, 1, 1)

        Raises
        ------
        NetError
            Where there is no such layer, or the arrays do not fit it.
        """
        layer = self.graph.nodes[0].layer if self.graph.nodes else None
        if layer is None or not hasattr(layer, "set_arrays"):
            raise NetError("set_input_arrays needs a MemoryData layer as the first layer", file=self.graph.file)
        layer.set_arrays(data, labels)


def _arguments(args, phase, level, stages, weights):
    """Phase, level, stages and weights from pycaffe's positional forms."""
    args = list(args)
    if args and not isinstance(args[0], int):                    # Net(file, weights, phase)
        weights, args = args[0], args[1:]
    values = dict(zip(("phase", "level", "stages", "weights"), args))
    if "level" in values and not isinstance(values["level"], int):
        values["weights"] = values.pop("level")                  # Net(file, phase, weights)
    if len(args) > 4 or phase is not None and "phase" in values:
        raise NetError(f"Net takes a file and a phase, found {len(args)} further arguments")
    phase = values.get("phase", phase)
    if phase not in (caffe_pb2.TRAIN, caffe_pb2.TEST):
        raise NetError(f"a net needs a phase, TRAIN or TEST; found {phase!r}")
    return phase, values.get("level", level), values.get("stages", stages), values.get("weights", weights)
