"""A net definition turned into layers with named blobs (net.cpp, Net::Init)."""
from dataclasses import dataclass, field

from deeplandmark.caffe.errors import CaffeError, NetError
from deeplandmark.caffe.graph.gradients import find_needs
from deeplandmark.caffe.graph.phase_rules import layer_is_included
from deeplandmark.caffe.graph.sharing import share_params
from deeplandmark.caffe.graph.splits import insert_splits
from deeplandmark.caffe.layers import create_layer
from deeplandmark.caffe.limits import check_shape

AUTOMATIC = "(automatic)"      # Caffe's name of a top that the definition leaves out


@dataclass
class Node:
    """One layer of the net, with the blobs it reads and writes.

    Attributes
    ----------
    layer : Layer
    bottoms, tops : list of int
        Positions in Graph.blob_names; an in-place layer has one of its bottoms as a top.
    loss_weights : list of float, one per top
    needs_backward : bool
        Whether backward runs this layer at all.
    bottom_needs : list of bool, one per bottom
        Whether backward fills the diff of that bottom.
    line : int or None
        Where the layer is defined.
    """
    layer: object
    bottoms: list
    tops: list
    loss_weights: list = field(default_factory=list)
    needs_backward: bool = False
    bottom_needs: list = field(default_factory=list)
    line: int = None

    @property
    def name(self):
        """Of the layer, a str."""
        return self.layer.name

    @property
    def type(self):
        """Caffe's type string of the layer."""
        return self.layer.param.type


@dataclass
class Graph:
    """The layers of one phase in the order they run.

    Attributes
    ----------
    name, file : str
        Of the net, and of the file it was read from (or None).
    nodes : list of Node
    blob_names, blob_shapes : lists, one entry per blob
        Shapes as the definition gives them.
    blob_needs : list of bool
        Whether something before the blob has parameters to learn.
    inputs, outputs : lists of positions in blob_names
        Tops of Input layers; blobs that no layer takes, sorted by name as in Caffe.
    params : ParamTable
    """
    name: str
    file: str
    phase: int
    nodes: list = field(default_factory=list)
    blob_names: list = field(default_factory=list)
    blob_shapes: list = field(default_factory=list)
    blob_needs: list = field(default_factory=list)
    inputs: list = field(default_factory=list)
    outputs: list = field(default_factory=list)
    params: object = None


def build_graph(source, phase, context):
    """The Graph of a NetSource for a phase, with the level and stages of a Context.

    Raises
    ------
    NetError
        Naming file, line, layer and blob: unknown types or blobs, blobs made twice, layers that refuse their bottoms.
    """
    net = source.message
    graph = Graph(net.name, source.file, phase)
    available, made = {}, {AUTOMATIC}
    try:
        for param, line in insert_splits(_select(source, phase, context)):
            try:
                _add_node(graph, available, made, param, line, context)
            except NetError as error:
                raise error.at(line=line, layer=param.name) from None
        graph.outputs = [available[name] for name in sorted(available)]
        graph.params = share_params(graph.nodes)
    except NetError as error:
        raise error.at(file=source.file) from None
    find_needs(graph, net.force_backward)
    return graph


def _select(source, phase, context):
    """(layer, line) pairs of the layers whose rules are met; a layer without a phase gets the net's."""
    selected = []
    for index, layer in enumerate(source.message.layer):
        line = source.line(index)
        try:
            if not layer_is_included(layer, phase, context.level, context.stages):
                continue
        except NetError as error:
            raise error.at(line=line) from None
        selected.append((layer, line))
    return selected


def _add_node(graph, available, made, param, line, context):
    """Adds a layer; `available` maps the blobs that may be taken to their positions, `made` holds all names."""
    if not param.HasField("phase"):
        param.phase = graph.phase
    if param.propagate_down and len(param.propagate_down) != len(param.bottom):
        raise NetError(f"{len(param.propagate_down)} propagate_down for {len(param.bottom)} bottoms; "
                       "give none or one each")
    layer = create_layer(param, param.phase, context)
    bottoms = [_take(available, name, index) for index, name in enumerate(param.bottom)]
    if layer.auto_tops:
        needed = max(layer.exact_tops or 0, layer.min_tops or 0)
        layer.num_tops = max(layer.num_tops, needed)
    shapes = _set_up(layer, [graph.blob_shapes[blob] for blob in bottoms])
    tops = [_add_top(graph, available, made, param, bottoms, index) for index in range(layer.num_tops)]
    for blob, shape in zip(tops, shapes, strict=True):
        shape, before = tuple(map(int, shape)), graph.blob_shapes[blob]
        if before not in (None, shape):
            raise NetError(f"cannot work in place: the bottom has shape {before}, the top {shape}",
                           blob=graph.blob_names[blob])
        graph.blob_shapes[blob] = shape
    graph.inputs += tops if getattr(layer, "is_input", False) else []
    graph.nodes.append(Node(layer, bottoms, tops, _loss_weights(layer), line=line))


def _set_up(layer, bottom_shapes):
    """Top shapes of a new layer, none of them larger than the memory."""
    try:
        shapes = layer.setup(bottom_shapes)
    except NetError as error:
        if error.blob is None and bottom_shapes:
            error.reason += f" ({_bottoms_text(layer.param.bottom, bottom_shapes)})"
        raise
    except CaffeError:
        raise
    except (ArithmeticError, MemoryError, OSError, RuntimeError, ValueError) as error:    # what no check foresaw
        if layer.runs_user_code:
            raise
        raise NetError(f"cannot be set up: {str(error).partition(chr(10))[0]}") from error
    for shape in shapes:
        check_shape(shape)
    return shapes


def _bottoms_text(names, shapes):
    """bottom 'pool1' (64, 20, 18, 18), bottom 'label' (64,)"""
    return ", ".join(f"bottom {name!r} {tuple(shape)}" for name, shape in zip(names, shapes))


def _take(available, name, index):
    if name not in available:
        raise NetError(f"unknown bottom blob {name!r}, bottom index {index}", blob=name)
    return available.pop(name)


def _add_top(graph, available, made, param, bottoms, index):
    """The blob of a top: a bottom again when the layer works in place, otherwise a new one."""
    if index >= len(param.top):
        name = AUTOMATIC
    else:
        name = param.top[index]
        if index < len(param.bottom) and name == param.bottom[index]:
            available[name] = bottoms[index]
            return bottoms[index]
        if name in made:
            raise NetError("is made by more than one layer; only a layer that works in place may name it again",
                           blob=name)
        available[name] = len(graph.blob_names)
        made.add(name)
    graph.blob_names.append(name)
    graph.blob_shapes.append(None)
    return len(graph.blob_names) - 1


def _loss_weights(layer):
    """Loss weight of every top; the default of a loss layer is written into its message, as in Caffe's snapshots."""
    weights = layer.param.loss_weight
    if not weights and layer.default_loss_weight is not None:
        weights.append(layer.default_loss_weight)
    if weights and len(weights) != layer.num_tops:
        raise NetError(f"{len(weights)} loss_weight for {layer.num_tops} tops; give none or one each")
    return list(weights) or [0.0] * layer.num_tops
