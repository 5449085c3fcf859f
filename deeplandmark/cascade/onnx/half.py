"""A model whose weights are stored as float16: half the file. It computes in float32 as before."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

_LARGE = 1000           # numbers: below are biases and the geometry of windows, which stay exact


def halved(model):
    """Changes a ModelProto in place; ONNX Runtime turns the weights back into float32 once, when it loads them."""
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= _LARGE:
            name, half = tensor.name, f"{tensor.name}/half"
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), half))
            casts.append(helper.make_node("Cast", [half], [name], name=name, to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
