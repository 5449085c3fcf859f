"""A fully convolutional ONNX model for pictures of any size."""
import onnx

from deeplandmark.caffe.errors import NetError

_ANY_SIZE = {"Conv", "Identity", "MaxPool", "PRelu", "Relu", "LeakyRelu", "Sigmoid", "Tanh", "Softmax", "Add", "Mul",
             "Resize"}


def for_any_size(model):
    """A copy of a model that `to_onnx` wrote whose inputs and outputs (N, C, H, W) have no fixed H and W.

    Convolutions, maximum pooling (rounded up) and cells that are repeated alone may know where the picture ends.

    Parameters
    ----------
    model : onnx.ModelProto

    Returns
    -------
    onnx.ModelProto, checked

    Raises
    ------
    NetError
        For a node that stands for one size, naming it.
    """
    found = onnx.ModelProto()
    found.CopyFrom(model)
    for node in found.graph.node:
        pads = next((list(attribute.ints) for attribute in node.attribute if attribute.name == "pads"), [])
        if node.op_type not in _ANY_SIZE or node.op_type == "MaxPool" and (any(pads[:2]) or len(node.output) > 1):
            raise NetError(f"{node.op_type} {node.name or node.output[0]!r} is for one size of picture")
        if node.op_type == "MaxPool":                            # its padding is what Caffe's rounding up comes to
            kept = [attribute for attribute in node.attribute if attribute.name not in ("pads", "ceil_mode")]
            del node.attribute[:]
            node.attribute.extend([*kept, onnx.helper.make_attribute("ceil_mode", 1)])
    for value in (*found.graph.input, *found.graph.output):
        for axis, dim in list(enumerate(value.type.tensor_type.shape.dim))[2:]:
            dim.dim_param = f"{value.name}_{axis}"
    onnx.checker.check_model(found, full_check=True)
    return found
