"""Pictures of nets (pycaffe's caffe.draw): Graphviz text, and SVG or PNG with or without the program `dot`.

Layers are boxes and blobs are octagons; a layer that works in place is a green box behind its blob.
"""
import os
import shutil
import subprocess
from dataclasses import dataclass, field

from google.protobuf.message import Message

from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.work.whole_file import write_bytes

RANK_DIRECTIONS = ("LR", "RL", "TB", "BT")
TEXT_FORMATS = ("dot", "gv", "raw")
_COLOURS = {"Convolution": "#FF5050", "Deconvolution": "#FF5050", "Pooling": "#FF9900", "InnerProduct": "#CC33FF"}
_OTHER_LAYER, _IN_PLACE, _BLOB = "#6495ED", "#90EE90", "#E0E0E0"


@dataclass
class DrawnNode:
    """A box (shape `record`) or an octagon: lines of text and a colour."""
    lines: list
    shape: str
    colour: str


@dataclass
class Drawing:
    """Nodes by a key, edges as (key, key, label), and the direction they flow in: LR, RL, TB or BT."""
    name: str
    rankdir: str
    nodes: dict = field(default_factory=dict)
    edges: list = field(default_factory=list)

    def to_string(self):
        """The drawing in Graphviz's language, a str."""
        lines = [f"digraph {_quoted(self.name)} {{", f"rankdir={self.rankdir};"]
        ids = {key: f"n{i}" for i, key in enumerate(self.nodes)}
        for key, node in self.nodes.items():
            text = "\\n".join(map(_escaped, node.lines))
            shape = "box" if node.shape == "record" else node.shape
            lines.append(f'{ids[key]} [label="{text}", shape={shape}, style=filled, fillcolor="{node.colour}"];')
        for start, end, label in self.edges:
            lines.append(f"{ids[start]} -> {ids[end]}" + (f" [label={_quoted(label)}]" if label else "") + ";")
        return "\n".join([*lines, "}"]) + "\n"

    def create(self, format="png"):
        """The drawing as bytes of a file format: dot, svg, png, and whatever `dot -T` knows where it is installed.

        A CaffeError for a format that needs `dot` where there is none.
        """
        if format in TEXT_FORMATS:
            return self.to_string().encode()
        program = shutil.which("dot")
        if program:
            return _run_dot(program, self.to_string(), format)
        if format not in ("svg", "png"):
            raise CaffeError(f"format {format!r} needs the program dot (Graphviz), which is not installed; "
                             "dot, gv, svg and png do without it")
        from deeplandmark.caffe.drawing import layout as drawing_layout
        return drawing_layout.to_svg(self) if format == "svg" else drawing_layout.to_png(self)


def get_pydot_graph(caffe_net: Message, rankdir: str = "LR", label_edges: bool = True, phase: int | None = None,
                    display_lrm: bool = False) -> Drawing:
    """The Drawing of a NetParameter; it has `to_string` and `create` like the graph pycaffe gets from pydot.

    Parameters
    ----------
    caffe_net : NetParameter
    rankdir : LR, RL, TB or BT
    label_edges : bool
        Write num_output of convolutions and inner products at their outputs.
    phase : TRAIN, TEST or None
        Leave out layers whose rules exclude the phase; None draws all.
    display_lrm : bool
        Write lr_mult of the parameters into the boxes.

    Raises
    ------
    CaffeError
        For another rankdir.
    """
    if rankdir not in RANK_DIRECTIONS:
        raise CaffeError(f"rankdir must be one of {', '.join(RANK_DIRECTIONS)}, found {rankdir!r}")
    drawing = Drawing(caffe_net.name or "Unknown Net", rankdir)
    for index, layer in enumerate(caffe_net.layer):
        if phase is not None and not _is_in_phase(layer, phase):
            continue
        key = ("layer", index)
        in_place = list(layer.bottom) == list(layer.top) and len(layer.top) == 1
        colour = _IN_PLACE if in_place else choose_color_by_layertype(layer.type)
        drawing.nodes[key] = DrawnNode(_layer_lines(layer, display_lrm), "record", colour)
        for blob in layer.bottom:
            drawing.nodes.setdefault(("blob", blob), DrawnNode([blob], "octagon", _BLOB))
            drawing.edges.append((("blob", blob), key, ""))
        for blob in layer.top:
            drawing.nodes.setdefault(("blob", blob), DrawnNode([blob], "octagon", _BLOB))
            drawing.edges.append((key, ("blob", blob), get_edge_label(layer) if label_edges else ""))
    return drawing


def draw_net(caffe_net: Message, rankdir: str = "LR", ext: str = "png", phase: int | None = None,
             display_lrm: bool = False) -> bytes:
    """The picture of a NetParameter as bytes of a file with the extension `ext`; errors as of Drawing.create."""
    return get_pydot_graph(caffe_net, rankdir, phase=phase, display_lrm=display_lrm).create(format=ext)


def draw_net_to_file(caffe_net: Message, filename: str | os.PathLike[str], rankdir: str = "LR",
                     phase: int | None = None, display_lrm: bool = False) -> None:
    """Writes the picture, whole or not at all; the format is that of the file name's extension.

    Raises
    ------
    CaffeError
        For a name without an extension, or a format that needs the program dot where it is missing.
    """
    ext = os.path.splitext(os.fspath(filename))[1][1:].lower()
    if not ext:
        raise CaffeError(f"{os.fspath(filename)}: give an extension, such as .svg, .png or .dot")
    write_bytes(filename, draw_net(caffe_net, rankdir, ext, phase, display_lrm))


def get_edge_label(layer):
    """num_output or batch size of a LayerParameter as a str, '' where it has none."""
    if layer.type == "Data":
        return f"Batch {layer.data_param.batch_size}"
    if layer.type in ("Convolution", "Deconvolution"):
        return str(layer.convolution_param.num_output)
    return str(layer.inner_product_param.num_output) if layer.type == "InnerProduct" else ""


def get_layer_label(layer, rankdir="LR", display_lrm=False):
    """Name, type and the settings that say most about a LayerParameter, as a str.

    Several lines, one for a rankdir of TB or BT.
    """
    separator = " " if rankdir in ("TB", "BT") else "\n"
    return separator.join(_layer_lines(layer, display_lrm))


def choose_color_by_layertype(layertype):
    """The colour of a layer's box, a str like '#FF9900'."""
    return _COLOURS.get(layertype, _OTHER_LAYER)


def get_layer_lr_mult(layer):
    """lr_mult of the parameters as a str, '' where the LayerParameter gives none."""
    return ", ".join(f"{spec.lr_mult:g}" for spec in layer.param)


def get_pooling_types_dict():
    """Enum value -> name: {0: 'MAX', 1: 'AVE', 2: 'STOCHASTIC'}."""
    return {number: name for name, number in caffe_pb2.PoolingParameter.PoolMethod.items()}


def _layer_lines(layer, display_lrm):
    lines = [layer.name, f"({layer.type})"]
    if layer.type in ("Convolution", "Deconvolution"):
        p = layer.convolution_param
        lines += [f"kernel size: {_size(p, 'kernel_size', 'kernel', 1)}", f"stride: {_size(p, 'stride', 'stride', 1)}",
                  f"pad: {_size(p, 'pad', 'pad', 0)}"]
    elif layer.type == "Pooling":
        p = layer.pooling_param
        lines[1] = f"({get_pooling_types_dict()[p.pool]} {layer.type})"
        lines += ["global"] if p.global_pooling else [
            f"kernel size: {_size(p, 'kernel_size', 'kernel', 1)}", f"stride: {_size(p, 'stride', 'stride', 1)}",
            f"pad: {_size(p, 'pad', 'pad', 0)}"]
    if display_lrm and layer.param:
        lines.append(f"lr mult: {get_layer_lr_mult(layer)}")
    return lines


def _size(p, name, prefix, default):
    """A setting that is given once, several times, or as _h and _w."""
    if p.HasField(f"{prefix}_h") or p.HasField(f"{prefix}_w"):
        return f"{getattr(p, f'{prefix}_h')}x{getattr(p, f'{prefix}_w')}"
    value = getattr(p, name)
    values = [value] if isinstance(value, int) else list(value)
    return "x".join(map(str, values or [default]))


def _is_in_phase(layer, phase):
    """Whether some rule admits the phase, whatever level and stages."""
    include = [rule.phase == phase for rule in layer.include if rule.HasField("phase")]
    exclude = [rule.phase == phase and len(rule.ListFields()) == 1 for rule in layer.exclude]
    return (any(include) or not include) and not any(exclude)


def _run_dot(program, text, format):
    result = subprocess.run([program, f"-T{format}"], input=text.encode(), capture_output=True, check=False)
    if result.returncode:
        reason = result.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise CaffeError(f"dot -T{format}: {reason[0]}")
    return result.stdout


def _escaped(text):
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _quoted(text):
    return f'"{_escaped(text)}"'
