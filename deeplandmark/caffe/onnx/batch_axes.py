"""Which extents of a net follow its batch: the shapes are computed for two batch sizes and compared."""
from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.layers.recurrent import LSTMUnit, RecurrentLayer
from deeplandmark.caffe.onnx.registry import exported_types

CHOOSES_ROWS = ("Filter",)      # the number of rows of their tops depends on values


def is_source(node):
    """Whether (bool) the tops of a Node become inputs of the model: Input and data layers."""
    return not node.bottoms and node.type not in exported_types()


def find_batch_axes(graph):
    """The axis of every input that is the batch: dict of name to int.

    The batch is axis 0 of the first input, and of every input that has the same size there. In nets with recurrent
    layers, whose number of steps T cannot change, it is axis 1 of inputs (T, N, ...), (1, N, ...) and axis 0 of others.
    """
    steps = {node.layer.steps for node in graph.nodes if isinstance(node.layer, RecurrentLayer)}
    if steps or any(isinstance(node.layer, LSTMUnit) for node in graph.nodes):
        steps.add(1)
    shapes = {name: shape for node in graph.nodes if is_source(node)
              for name, shape in zip(node.layer.param.top, node.layer.reshape([]))}
    axes, batch = {}, None
    for name, shape in shapes.items():
        candidates = [1, 0] if len(shape) > 1 and shape[0] in steps else [0] if shape else []
        for axis in candidates:
            if name not in axes and batch in (None, shape[axis]):
                axes[name], batch = axis, shape[axis]
    return axes


def trace(graph, batch_axes):
    """Shapes of the tops of every node, None for extents that follow an input's batch axis.

    Raises
    ------
    NetError
        When a layer fixes the batch size that `batch_axes` sets free, or an axis is not there.
    """
    once = _shapes(graph, {}, 1)
    try:
        twice = _shapes(graph, batch_axes, 2)
    except NetError as error:
        error.reason = (f"fixes an extent that follows the batch ({error.reason}); batch_axes=() exports the shapes "
                        "of the definition, batch_axes={input: axis} sets others free")
        raise
    return [[tuple(None if a != b else a for a, b in zip(*pair)) for pair in zip(*tops)]
            for tops in zip(once, twice)]


def _shapes(graph, batch_axes, factor):
    """Shapes of the tops of every node with `factor` times the batch."""
    values, result = [None] * len(graph.blob_names), []
    for node in graph.nodes:
        try:
            tops = [tuple(map(int, shape)) for shape in node.layer.reshape([values[i] for i in node.bottoms])]
        except NetError as error:
            raise error.at(file=graph.file, line=node.line, layer=node.name) from None
        if is_source(node):
            tops = [_enlarged(node, name, shape, batch_axes, factor) for name, shape in zip(node.layer.param.top, tops)]
        if node.type in CHOOSES_ROWS:
            tops = [(shape[0] * factor + factor - 1, *shape[1:]) for shape in tops]
        for i, shape in zip(node.tops, tops):
            values[i] = shape
        result.append(tops)
    return result


def _enlarged(node, name, shape, batch_axes, factor):
    axis = batch_axes.get(name)
    if axis is None:
        return shape
    if not 0 <= axis < len(shape) or not shape[axis]:
        node.layer.fail(f"batch axis {axis} of an input of shape {shape}: expected an axis that is not empty", name)
    return (*shape[:axis], shape[axis] * factor, *shape[axis + 1:])
