"""Networks of equal structure side by side: their answers from one chain of nodes instead of one each.

Maps of G networks lie in one tensor (n, G * maps, rows, columns), so that a convolution of all is one with groups.
"""
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.graph.pooled_first import pooled_first, windows_beside_each_other
from deeplandmark.caffe.onnx.batch_axes import find_batch_axes, is_source, trace
from deeplandmark.caffe.onnx.builder import Value
from deeplandmark.caffe.onnx.registry import find_exporter
from deeplandmark.cascade.onnx.layers import operation
from deeplandmark.cascade.onnx.maps import Planes, Vectors
from deeplandmark.networks.hidden_layer import hidden_blob
from deeplandmark.networks.network import PREDICTION


@dataclass(frozen=True)
class Stack:
    """G networks of one structure.

    Attributes
    ----------
    networks : list of Network
    graphs : list of Graph, one of each network, with its weights
    """
    networks: list
    graphs: list

    @property
    def size(self):
        """(rows, columns) of the input."""
        return self.networks[0].size


def alike(modules):
    """Networks grouped by structure: lists of Network, in the order of `modules` (dict of Network to NetModule)."""
    groups = defaultdict(list)
    for network, module in modules.items():
        groups[_structure(network, module.graph)].append(network)
    return list(groups.values())


def run_stack(b, stack, x):
    """Adds the nodes of a stack; x (n, G, rows, columns) to its answers (n, G, num_output) and, as Vectors, what the
    last InnerProduct layers get (None without such layers)."""
    chain = _chain(stack.graphs)
    if chain is None:
        return _one_by_one(b, stack, x)
    # ONNX Runtime chooses its kernels by sizes, and does not know those of the patches.
    x = b.node("Reshape", x, b.constant([0, len(stack.graphs), *stack.size]))
    maps, hidden = Planes((x,), len(stack.graphs), 1, 1, *stack.size), None
    for layer, run in chain:
        b.begin_layer(f"{stack.networks[0].full_name}/{layer.name}", [])
        if layer.param.type == "InnerProduct":
            maps = hidden = maps.vectors(b)
        maps = run(b, maps)
    return maps.vectors(b).answers(b), hidden


def run_whole(b, graph, network, x):
    """Adds the nodes of a network that is a whole cascade; x (n, 1, rows, columns) to its answers (n, num_output) after
    each level, a list of names, and what its last InnerProduct layer gets, a Value (n, D)."""
    x = b.node("Reshape", x, b.constant([0, network.channels, *network.size]))
    values, _ = _values(b, graph, network, x)
    blobs = [graph.blob_names.index(name) for name in (*network.earlier, PREDICTION)]
    return [values[blob].name for blob in blobs], values[hidden_blob(graph)]


def _structure(network, graph):
    definitions = tuple(_definition(node.layer.param) for node in graph.nodes)
    return network.size, network.num_output, definitions, tuple(map(str, graph.blob_shapes))


def _definition(param):
    copy = type(param)()
    copy.CopyFrom(param)
    return copy.SerializeToString(deterministic=True)


def _chain(graphs):
    """[(first layer, operation)] when every layer feeds just the next and has a stacked form, else None."""
    layers, before = [], None
    for nodes in zip(*(graph.nodes for graph in graphs)):
        node = nodes[0]
        if not is_source(node):
            if node.bottoms != before or len(node.tops) != 1:
                return None
            layers.append([each.layer for each in nodes])
        before = node.tops
    layers = [layers[i] for i in pooled_first([equal[0] for equal in layers], ("TanH",))]
    steps = [(equal[0], operation(equal, _pooled(layers[i + 1:]))) for i, equal in enumerate(layers)]
    return None if any(run is None for _, run in steps) else steps


def _pooled(layers):
    """The windows in which a result will be pooled after functions of single numbers, or None."""
    for equal in layers:
        if equal[0].param.type not in ("AbsVal", "TanH", "ReLU", "Sigmoid", "Dropout"):
            return windows_beside_each_other(equal[0])
    return None


def _one_by_one(b, stack, x):
    """Nets that are no chain: each by itself, layer by layer, with the exporters of deeplandmark.caffe."""
    parts = [b.node("Slice", x, *(b.constant([k]) for k in (g, g + 1, 1))) for g in range(len(stack.graphs))]
    results = [_run_net(b, graph, network, part) for graph, network, part in zip(stack.graphs, stack.networks, parts)]
    answers, layers = zip(*results)
    hidden = None
    if layers[0] is not None:
        size = int(np.prod(layers[0].shape[1:]))
        rows = [b.node("Reshape", layer, b.constant([1, -1, size])) for layer in layers]
        hidden = Vectors(b.node("Concat", *rows, axis=0), len(rows), size, np.arange(size))
    return b.node("Concat", *answers, axis=1), hidden


def _run_net(b, graph, network, x):
    values, output = _values(b, graph, network, x)
    hidden = hidden_blob(graph)
    return (b.node("Reshape", values[output], b.constant([0, 1, network.num_output])),
            None if hidden is None else values[hidden])


def _values(b, graph, network, x):
    """The Value of every blob of a net, and which of them is its answer."""
    values = [None] * len(graph.blob_names)
    for node, tops in zip(graph.nodes, trace(graph, find_batch_axes(graph))):
        b.begin_layer(f"{network.full_name}/{node.name}", tops)
        if is_source(node):
            values[node.tops[0]] = Value(x, tops[0])
            continue
        try:
            names = find_exporter(node.layer)(b, node.layer, *(values[blob] for blob in node.bottoms))
        except NetError as error:
            raise error.at(file=graph.file, line=node.line, layer=node.name) from None
        for blob, name, shape in zip(node.tops, [names] if isinstance(names, str) else names, tops):
            values[blob] = Value(name, shape)
    return values, next((i for i in graph.outputs if graph.blob_names[i] == PREDICTION), graph.outputs[0])
