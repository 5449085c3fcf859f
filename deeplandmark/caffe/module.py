"""A Caffe net as an ordinary torch module."""
import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

import torch
from torch import nn

from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.files.model_file import Weights, copy_weights, read_weights
from deeplandmark.caffe.files.prototxt import Definition, read_source
from deeplandmark.caffe.graph.build import AUTOMATIC, Graph, build_graph
from deeplandmark.caffe.graph.norm_and_scale import NormAndScale, run_together
from deeplandmark.caffe.layers.base import Context
from deeplandmark.caffe.mode import ALONE, MODE
from deeplandmark.caffe.proto import caffe_pb2


class Step(NamedTuple):
    """One layer, or two that run together, in the order of execution; blobs are positions in the list of values."""
    layer: nn.Module | NormAndScale
    bottoms: tuple
    tops: tuple
    cut: tuple              # bottoms that pass no gradient down
    losses: tuple           # (position among the tops, weight), weights other than 0
    last_use: tuple         # blobs that no later layer takes and that are no outputs


class NetModule(nn.Module):
    """The compiled net: state_dict keys are `layer name.blob index`, as in `conv1.0`; tensors are float32.

    The phase was chosen when the graph was built: `train()` and `eval()` do not change dropout or batch statistics.

    Parameters
    ----------
    graph : Graph
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self._times_met: Counter[str] = Counter()                # of names that layers wanted again
        for node in graph.nodes:
            self.add_module(self._free_name(node.name), node.layer)
        last_uses = {blob: i for i, node in enumerate(graph.nodes) for blob in (*node.bottoms, *node.tops)}
        last_uses.update(dict.fromkeys(graph.outputs))           # never the last
        self._steps, self._training_steps = (_steps(graph, last_uses, training) for training in (False, True))

    def forward(self, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """The net's outputs for given input blobs.

        Parameters
        ----------
        **inputs : tensors by blob name
            Blobs of Input layers; tops of other layers without bottoms may be given, too, and then replace them.

        Returns
        -------
        dict of str to tensor
            Output blobs; those that belong to a data layer and were not given are left out.

        Raises
        ------
        NetError
            For a name that is not a blob of a layer without bottoms, or a missing input.
        """
        values = self.values_of(inputs)
        self.run(values, release=True)
        return {self.graph.blob_names[i]: values[i] for i in self.graph.outputs if values[i] is not None}

    def _apply(self, fn, recurse=True):
        """Moves and casts (.to, .double ...); parameters that were one stay one where torch makes new objects."""
        before = [(layer, key, p) for layer in self.modules() for key, p in layer._parameters.items()]
        super()._apply(fn, recurse)
        moved = {}
        for layer, key, parameter in before:
            layer._parameters[key] = moved.setdefault(id(parameter), layer._parameters[key])
        table = self.graph.params
        table.learnable[:] = [moved.get(id(parameter), parameter) for parameter in table.learnable]
        return self

    def values_of(self, inputs: Mapping[str, torch.Tensor]) -> list:
        """The list of values, one place per blob: the given inputs (dict of str to tensor), None elsewhere.

        A NetError for a name that is no blob of a layer without bottoms.
        """
        sources = {self.graph.blob_names[i]: i for step in self._steps if not step.bottoms for i in step.tops}
        values: list[torch.Tensor | None] = [None] * len(self.graph.blob_names)
        for name, value in inputs.items():
            if name not in sources:
                raise NetError(f"is not an input (inputs: {', '.join(sources)})", blob=name, file=self.graph.file)
            values[sources[name]] = value
        return values

    def run(self, values: list, training: bool = False, release: bool = False,
            kept: Collection[int] = ()) -> torch.Tensor | float:
        """Runs every layer on a list of values that holds the inputs, and fills in the others.

        Parameters
        ----------
        values : list of tensor or None, one per blob
            Layers without bottoms run only when none of their tops is there.
        training : bool
            Cut the gradient as Caffe does: layers that no loss sees get none.
        release : bool
            Forget a blob after its last use; outputs stay, and the blobs `kept` (positions).

        Returns
        -------
        0-d tensor or 0.0 : the weighted sum of all losses
        """
        total: torch.Tensor | float = 0.0
        for layer, bottoms, tops, cut, losses, last_use in self._training_steps if training else self._steps:
            if bottoms:
                arguments = [values[i] for i in bottoms]
                for position in cut:
                    arguments[position] = arguments[position].detach()
            elif any(values[i] is not None for i in tops):
                continue
            else:
                arguments = []
            try:
                results = layer(*arguments)
            except (TypeError, AttributeError):
                self._check_present(layer, bottoms, values)
                raise
            except RuntimeError as error:
                layer.blame_empty_bottom(arguments, error)
                raise
            for i, value in zip(tops, results):
                values[i] = value
            for position, weight in losses:
                loss = results[position]
                total = total + weight * (loss if loss.dim() == 0 else loss.sum())
            if release:
                for i in last_use:
                    if i not in kept:
                        values[i] = None
        return total

    def _check_present(self, layer, bottoms, values):
        for i in bottoms:
            if values[i] is None:
                layer.fail("has no value: it was not given as an input", blob=self.graph.blob_names[i])

    def _free_name(self, name):
        """A layer name as an attribute name that is not taken."""
        name = free = re.sub(r"\W", "_", name) or "_"
        while hasattr(self, free):
            self._times_met[name] += 1
            count = self._times_met[name]
            free = f"{name}_" if count == 1 else f"{name}_{count}"
        return free


def _steps(graph, last_uses, training):
    """The Steps of a whole net."""
    steps, index = [], 0
    while index < len(graph.nodes):
        step = _step(graph, index, last_uses, training)
        if run_together(graph, index):
            index += 1
            scale = _step(graph, index, last_uses, training)
            step = step._replace(layer=NormAndScale(step.layer, scale.layer), last_use=step.last_use + scale.last_use)
        steps.append(step)
        index += 1
    return steps


def _step(graph, index, last_uses, training):
    node = graph.nodes[index]
    passes = list(node.layer.param.propagate_down) or [True] * len(node.bottoms)
    if training:
        passes = node.bottom_needs if node.needs_backward else [False] * len(node.bottoms)
    cut = tuple(i for i, keep in enumerate(passes) if not keep and (not training or graph.blob_needs[node.bottoms[i]]))
    losses = tuple((i, weight) for i, weight in enumerate(node.loss_weights) if weight)
    last_use = tuple({blob for blob in (*node.bottoms, *node.tops) if last_uses[blob] == index})
    return Step(node.layer, tuple(node.bottoms), tuple(node.tops), cut, losses, last_use)


def new_context(level=0, stages=(), seed=None, share=ALONE):
    """The Context of a new net; without a seed (int) it draws from the process-wide generator."""
    generator = MODE.generator if seed is None else torch.Generator().manual_seed(int(seed))
    return Context(generator=generator, level=level, stages=tuple(stages or ()), share=share)


def build_module(source, phase, context):
    """The NetModule of a NetSource; the `state` in the definition adds to the context's stages, as in Caffe.

    Raises
    ------
    NetError
        As `build_graph` does.
    """
    context.stages = (*source.message.state.stage, *context.stages)
    return NetModule(build_graph(source, phase, context))


def to_torch(model_file: Definition, weights_file: Weights | None = None, phase: int = caffe_pb2.TEST,
             strict: bool = False) -> NetModule:
    """A torch module of a net definition.

    Parameters
    ----------
    model_file : path, prototxt text or NetParameter
    weights_file : path or NetParameter, optional
        .caffemodel or .caffemodel.h5; fillers are kept where it is silent.
    phase : TRAIN or TEST
    strict : bool
        Refuse fields of forks that change no result, as BVLC's Caffe does, and weights that are not finite; by default
        there is a warning.

    Returns
    -------
    NetModule
        On the CPU; `module(data=tensor)` gives a dict of output blobs.

    Raises
    ------
    CaffeError
        For a definition or weights that cannot be used, naming file, line, layer and blob.
    """
    module = build_module(read_source(model_file, strict), phase, new_context())
    if weights_file is not None:
        layers, file = read_weights(weights_file)
        copy_weights(module.graph, layers, file, strict)
    return module


def named_blobs(graph):
    """(position, name) of the blobs that have a name of their own."""
    return [(i, name) for i, name in enumerate(graph.blob_names) if name != AUTOMATIC]
