"""Collects the nodes and constants of an ONNX graph."""
import math
from typing import NamedTuple

import numpy as np
from onnx import helper, numpy_helper

OPSET = 17
LAST = np.iinfo(np.int64).max    # as the end of a Slice: up to the end of the axis


class Value(NamedTuple):
    """A named tensor of the graph; None in its shape is an extent that is only known when the model runs."""
    name: str
    shape: tuple


class GraphBuilder:
    """Nodes in the order they run, and the constants they take.

    Attributes
    ----------
    nodes : list of NodeProto
    constants : dict of name to TensorProto
    tops : list of shapes
        Of the layer that is being exported, with None as in Value.
    """

    def __init__(self):
        self.nodes, self.constants, self.tops = [], {}, []
        self._taken, self._known, self._prefix = set(), {}, ""

    def inner(self):
        """A GraphBuilder for a graph inside a node; none of its names is one of ours."""
        inner = GraphBuilder()
        inner._taken, inner._prefix, inner.tops = self._taken, self._prefix, self.tops
        return inner

    def begin_layer(self, name, tops):
        """Everything made from now on is named after this layer; `tops` is the list of its tops' shapes."""
        self._prefix, self.tops = name or "layer", tops

    def reserve(self, name):
        """`name` (str), or where it is empty or taken a longer one; it is taken from now on."""
        name = found = name or "value"
        count = 1
        while found in self._taken:
            count += 1
            found = f"{name}_{count}"
        self._taken.add(found)
        return found

    def node(self, op, *inputs, outputs=1, **attributes):
        """Adds a node; returns the name of its output, with outputs > 1 a list of names.

        Inputs are names, Values or numbers: floats become float32 constants, whole numbers int64 ones.
        """
        names = [self.reserve(f"{self._prefix}/{op}") for _ in range(outputs)]
        inputs = [self._input(value) for value in inputs]
        self.nodes.append(helper.make_node(op, inputs, names, name=names[0], **attributes))
        return names[0] if outputs == 1 else names

    def blob(self, layer, index, shape=None):
        """The parameter blob of a layer as a constant, with another shape if given; shared blobs are stored once."""
        tensor = layer.blobs[index].detach()
        shape = tuple(tensor.shape) if shape is None else tuple(shape)
        return self._constant(tensor.cpu().numpy().reshape(shape), ("blob", tensor.data_ptr(), shape),
                              f"{layer.name}.{index}")

    def constant(self, array):
        """An array as a constant; small ones that are equal are stored once."""
        array = np.asarray(array)
        array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size <= 64 else None
        return self._constant(array, key, f"{self._prefix}/constant")

    def reshape(self, value, shape):
        """The value with another shape, in which one extent may be None."""
        if isinstance(value, Value) and value.shape == tuple(shape):
            return value.name
        if list(shape).count(None) > 1:
            raise UnknownExtents(shape)
        return self.node("Reshape", value, self.constant(np.array([-1 if n is None else n for n in shape], np.int64)))

    def extent(self, value, axis):
        """The size of an axis: a number, or the name of an int64 value (1,) where it is only known at run time."""
        if value.shape[axis] is not None:
            return value.shape[axis]
        return self.node("Shape", value, start=axis, end=axis + 1)

    def rename(self, old, new, first_node):
        """Gives a value another name (str) in the nodes from `first_node` (int) on, which make it."""
        for node in self.nodes[first_node:]:
            for names in (node.input, node.output):
                for i, name in enumerate(names):
                    if name == old:
                        names[i] = new

    def _input(self, value):
        if isinstance(value, Value):
            return value.name
        return value if isinstance(value, str) else self.constant(value)

    def _constant(self, array, key, name):
        if key is None or key not in self._known:
            name = self.reserve(name)
            self.constants[name] = numpy_helper.from_array(np.array(array, order="C"), name)
            if key is None:
                return name
            self._known[key] = name
        return self._known[key]


class UnknownExtents(Exception):
    """A shape in which more than one extent is only known when the model runs."""


def merged(shape):
    """Number of elements of a shape, None where it depends on an unknown extent."""
    return None if None in shape else math.prod(shape)
