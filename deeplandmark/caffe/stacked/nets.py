"""StackedNets: training nets of one structure, run as one on blobs of shape (G, ..., N)."""
from functools import partial

import torch

from deeplandmark.caffe.graph.pooled_first import MONOTONE, pooled_first
from deeplandmark.caffe.stacked.layers import NotStackable, operation, unstacked
from deeplandmark.caffe.stacked.recorded import RecordedPass, cuda_graph


class StackedNets:
    """G training nets that differ in nothing but their data and their weights.

    From then on each net's parameters and diffs are views of the stacked ones: what the stack learns is at once in the
    nets, whose `save` and `copy_from` work as ever.

    Parameters
    ----------
    nets : list of Net, phase TRAIN
    dtype : torch.dtype
        Of the maps and of what is done with them: float32 or bfloat16. Weights, gradients, inner products and losses
        are float32.
    record : callable, optional
        What records a pass (see recorded.py); by default a CUDA graph on a GPU, nothing on the CPU.

    Attributes
    ----------
    params : list of torch Parameter (G, ...), in the order of each net's learnable_params
    grads : list of tensors
        Their diffs.
    refusal : str or None
        Why passes are not replayed although they were to be recorded.

    Raises
    ------
    NotStackable
        If the nets differ in structure or have a layer without a stacked form.
    """

    def __init__(self, nets, dtype=torch.float32, record=None):
        self.nets = nets
        self.graph = nets[0].graph
        for net in nets[1:]:
            _check_same_structure(nets[0], net)
        self.params = [_stack([net.learnable_params[i] for net in nets]) for i in range(len(nets[0].learnable_params))]
        self.grads = [p.grad for p in self.params]
        self._sources, self._steps = self._compile(dtype)
        if record is None and self.params[0].is_cuda:
            record = cuda_graph
        self._pass = RecordedPass(self._run, self.grads, record) if record else self._run

    @property
    def refusal(self):
        """Why passes are not replayed although they were to be recorded, a str; None where they are, or need not be."""
        return getattr(self._pass, "refusal", None)

    def clear_param_diffs(self):
        """Sets the diffs of all parameters, and so those of the nets, to 0."""
        torch._foreach_zero_(self.grads)

    def forward_backward(self):
        """One pass of all nets over their next batches; diffs accumulate. Returns the losses, tensor (G,), detached."""
        return self._pass(self.read_data())

    def _run(self, inputs):
        self.values = values = [None] * len(self.graph.blob_names)
        for (_, tops), blobs in zip(self._sources, inputs):
            for i, value in zip(tops, blobs):
                values[i] = value
        total = 0.0
        for run, bottoms, tops, losses in self._steps:
            for i, value in zip(tops, run([values[i] for i in bottoms])):
                values[i] = value
            for i, weight in losses:
                total = total + weight * values[i]
        total.sum().backward()                # the nets have no parameter in common: each gets its own gradient
        return total.detach()

    def read_data(self):
        """What the data layers give next, as lists of stacked tensors (G, ..., N), one list a layer."""
        return [run([]) for run, _ in self._sources]

    def outputs_of(self, index):
        """Output blobs of one net in the last pass: dict of name -> tensor (N, ...)."""
        return {self.graph.blob_names[i]: unstacked(self.values[i].detach(), index) for i in self.graph.outputs}

    def _compile(self, dtype):
        """[(reads the tops, tops)] of the layers that read data, [(run, bottoms, tops, losses)] of the others."""
        position = {id(p): i for i, p in enumerate(self.nets[0].learnable_params)}
        sources, steps = [], []
        for k, node in enumerate(self.graph.nodes):
            blobs = [self.params[position[id(p)]] for p in node.layer._parameters.values()]
            run = operation([net.graph.nodes[k].layer for net in self.nets], blobs, dtype)
            if not node.bottoms:
                sources.append((run, node.tops))
            losses = [(node.tops[i], weight) for i, weight in enumerate(node.loss_weights) if weight]
            steps.append((run, node.bottoms, node.tops, losses))
        steps = _reordered(self.graph, steps)
        return sources, [step for step in steps if step[1]]


def _stack(parameters):
    stacked = torch.nn.Parameter(torch.stack([p.data for p in parameters]))
    stacked.grad = torch.zeros_like(stacked)
    for g, parameter in enumerate(parameters):
        parameter.data, parameter.grad = stacked.data[g], stacked.grad[g]
    return stacked


def _check_same_structure(one, other):
    if len(one.graph.nodes) != len(other.graph.nodes) or one.graph.blob_shapes != other.graph.blob_shapes:
        raise NotStackable("the nets differ in their layers or in the shapes of their blobs")
    for a, b in zip(one.graph.nodes, other.graph.nodes):
        if _settings(a) != _settings(b) or (a.bottoms, a.tops) != (b.bottoms, b.tops):
            raise NotStackable(f"the nets differ in layer {a.name!r}")


def _settings(node):
    """The layer's definition without what may differ: where its data comes from, and how it is filled."""
    param = type(node.layer.param)()
    param.CopyFrom(node.layer.param)
    param.hdf5_data_param.ClearField("source")
    param.hdf5_patch_data_param.ClearField("source")
    return param


def _reordered(graph, steps):
    """The steps with functions of single numbers behind AbsVal and max pooling, and these two as one.

    Only along a chain: a blob that anybody else reads stays what it is.
    """
    order = pooled_first([node.layer for node in graph.nodes], MONOTONE, partial(_is_private, graph))
    types, runs = [graph.nodes[i].type for i in order], [steps[i][0] for i in order]
    for k in range(len(types) - 1):                              # |x| and its maximum in one go
        if types[k:k + 2] == ["AbsVal", "Pooling"] and _is_private(graph, k):
            runs[k], runs[k + 1] = list, partial(runs[k + 1], absolute=True)
    return [(run, *step[1:]) for run, step in zip(runs, steps)]


def _is_private(graph, k):
    """Whether the top of layer k is read by layer k + 1 and by nobody else, and no loss is taken of it."""
    top, = graph.nodes[k].tops
    readers = [i for i, node in enumerate(graph.nodes) if i > k and top in node.bottoms]
    return readers == [k + 1] and graph.nodes[k + 1].tops != [top] and top not in graph.outputs
