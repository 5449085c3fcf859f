"""Gains and shifts of each map that follow a convolution, as BatchNorm and Scale do, taken into its weights."""
from collections import Counter

import numpy as np
from onnx import AttributeProto, numpy_helper


def fold_into_convolutions(nodes, constants, kept):
    """The nodes without each Mul, Add and Sub of a constant that the convolution before it can do as well.

    That is where the constant is one number, or one for each map, and nothing else takes what the convolution gives.
    What is done is computed in float64 and rounded once.

    Parameters
    ----------
    nodes : list of NodeProto, in the order they run
        Convolutions among them are changed.
    constants : dict of name to TensorProto
        Weights are added, and those taken out that nothing takes any more.
    kept : set of str
        Names of the graph's outputs.

    Returns
    -------
    list of NodeProto
    """
    users = Counter(name for node in nodes for name in _taken(node))
    makers, weights, left = {}, {}, []
    for node in nodes:
        convolution = _maker(node, makers, constants)
        if convolution is not None and users[convolution.output[0]] == 1 and convolution.output[0] not in kept:
            values = weights.setdefault(convolution.name, _weights(convolution, constants))
            if _fold(node, convolution, values, constants):
                convolution.output[0] = node.output[0]
                makers[node.output[0]] = convolution
                continue
        left.append(node)
        if node.op_type == "Conv":
            makers[node.output[0]] = node
    _store(left, constants, weights)
    return left


def _taken(node):
    """The names a node takes, those in graphs inside it included."""
    yield from node.input
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            for inner in attribute.g.node:
                yield from _taken(inner)


def _maker(node, makers, constants):
    """The convolution whose maps a Mul, Add or Sub joins with a constant; None for any other node."""
    if node.op_type not in ("Mul", "Add", "Sub") or len(node.input) != 2:
        return None
    maps, other = node.input if node.op_type == "Sub" or node.input[1] in constants else reversed(node.input)
    found = makers.get(maps)
    return found if found is not None and other in constants and found.input[1] in constants else None


def _weights(convolution, constants):
    """[weights (maps, ...), bias (maps,)] as float64."""
    weight, *bias = (numpy_helper.to_array(constants[name]).astype(np.float64) for name in convolution.input[1:])
    return [weight, bias[0] if bias else np.zeros(len(weight))]


def _fold(node, convolution, values, constants):
    """Whether it was: `values` are those of the convolution that does what the node does, too."""
    name = node.input[1] if node.input[0] == convolution.output[0] else node.input[0]
    by = numpy_helper.to_array(constants[name]).astype(np.float64)
    maps, axes = len(values[0]), values[0].ndim
    one_each = by.size == maps and by.shape == (maps, *(1,) * (axes - 2))
    if by.size != 1 and not one_each:
        return False
    by = np.broadcast_to(by.ravel(), maps)
    if node.op_type == "Mul":
        values[:] = [values[0] * by.reshape(-1, *(1,) * (axes - 1)), values[1] * by]
    else:
        values[1] = values[1] + (by if node.op_type == "Add" else -by)
    return True


def _store(nodes, constants, weights):
    for node in nodes:
        if node.op_type == "Conv" and node.name in weights:
            names = [f"{node.name}/{part}" for part in ("folded_weight", "folded_bias")]
            for name, value in zip(names, weights[node.name]):
                constants[name] = numpy_helper.from_array(value.astype(np.float32), name)
            del node.input[1:]
            node.input.extend(names)
    used = {name for node in nodes for name in _taken(node)}
    for name in set(constants) - used:
        del constants[name]
