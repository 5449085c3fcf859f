"""A model folder as one ONNX model that needs nothing but ONNX Runtime."""
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from deeplandmark.caffe.onnx.builder import OPSET, GraphBuilder
from deeplandmark.cascade.networks import levels_of
from deeplandmark.cascade.onnx.half import halved
from deeplandmark.cascade.onnx.int8 import quantised
from deeplandmark.cascade.onnx.levels import OUTPUTS, CascadeNodes, Level
from deeplandmark.cascade.onnx.stacks import Stack, alike
from deeplandmark.cascade.onnx.windows import FaceNodes, Places, read_picture
from deeplandmark.cascade.onnx_engine import FORMAT
from deeplandmark.cascade.torch_engine import load_modules
from deeplandmark.networks.model_folder import fingerprint
from deeplandmark.work.whole_file import write_bytes

_IR_VERSION = 8                  # the one of opset 17


def export_cascade(folder, onnx_file=None, mirror=False, half=False, int8=None):
    """The cascade of a model folder as one ONNX model (opset 17), checked by onnx.checker.

    Inputs
        image, uint8 (h, w), grey; boxes, float32 (n, 4): left, top, right, bottom in pixels.
    Outputs, float32
        levels (n, L, k, 2), points after each level, pixels; confidence (n, k); spread (n, L, k), pixels, how far the
        networks of a point are apart; first (n, k, 2), network F alone.
    Metadata
        deeplandmark: format of the model; settings: cascade.json; fingerprint of the model folder; mirror, half, int8:
        0 or 1; levels there are; reach: how far beyond the box windows may lie, fraction of the box.

    Parameters
    ----------
    folder : path
    onnx_file : path, optional
        Where the model is written, whole or not at all.
    mirror : bool
        Each face is looked at as it is and mirrored, and the answers are averaged: twice the work.
    half : bool
        Weights are stored as float16 (see half.py).
    int8 : iterable of (uint8 (h, w), float64 (4,)), optional
        Pictures with the box of a face: by them a model is made that computes in eight bits (see int8.py).

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ValueError
        If there are no faces for `int8`; if the folder holds no cascade, or one that cannot be exported: the
        original's, whose windows are cut by cv2.resize on rounded pixels.
    """
    settings, modules = load_modules(Path(folder))
    if settings.cutting != "area":
        raise ValueError(f"{folder}: windows cut by the rule {settings.cutting!r} cannot be exported, only by 'area'; "
                         "PyTorch runs this cascade")
    model = _build(settings, modules, mirror)
    if int8 is not None:
        model = quantised(model, int8, answers=2 * len(settings.points))
    helper.set_model_props(model, {
        **_metadata(settings, modules, mirror=mirror, half=half, int8=int8 is not None),
        "fingerprint": fingerprint(folder)})
    if half:
        halved(model)
    onnx.checker.check_model(model)
    if onnx_file is not None:
        write_bytes(onnx_file, model.SerializeToString(deterministic=True))
    return model


def _metadata(settings, modules, **options):
    return {"deeplandmark": str(FORMAT), "settings": settings.to_json(),
            **{name: str(int(value)) for name, value in options.items()},
            "levels": " ".join(map(str, levels_of(modules))), "reach": str(_reach(settings, modules))}


def _build(settings, modules, mirror):
    b = GraphBuilder()
    for name in ("image", "boxes", *OUTPUTS):
        b.reserve(name)
    b.begin_layer("faces", [])
    # ONNX Runtime's fast kernels divide by the number of faces: without any, there is one of no size.
    count = b.node("Shape", "boxes", end=1)
    missing = b.node("Max", b.node("Sub", b.constant([1]), count), b.constant([0]))
    boxes = b.node("Pad", "boxes", b.node("Concat", b.constant([0, 0]), missing, b.constant([0]), axis=0))
    cascade = CascadeNodes(settings, _levels(settings, modules), read_picture(b, "image"), _faces(b, boxes, mirror))
    for name, result in zip(OUTPUTS, cascade.run(b)):
        those = [result, b.constant([0]), count, b.constant([0])]
        b.nodes.append(helper.make_node("Slice", those, [name], name=f"{name}/output"))
    points = len(settings.points)
    shapes = {"levels": ["n", "levels", points, 2], "confidence": ["n", points], "spread": ["n", "levels", points],
              "first": ["n", points, 2]}
    graph = helper.make_graph(
        b.nodes, "cascade",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["h", "w"]),
         helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        list(b.constants.values()))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION,
                             producer_name="deeplandmark")


def _faces(b, boxes, mirror):
    left, top, right, bottom = b.node("Split", boxes, outputs=4, axis=1)
    width, height = b.node("Sub", right, left), b.node("Sub", bottom, top)
    corner, size = (b.node("Concat", *pair, axis=1) for pair in ((left, top), (width, height)))
    longest = b.node("ReduceMax", size, keepdims=0)
    if mirror:
        corner = b.node("Concat", corner, b.node("Concat", right, top, axis=1), axis=0)
        size = b.node("Concat", size, b.node("Mul", size, b.constant([[-1.0, 1.0]])), axis=0)
    corner, size = (b.node("Unsqueeze", value, b.constant([1])) for value in (corner, size))
    return FaceNodes(corner, size, longest, mirror)


def _reach(settings, modules):
    """How far beyond the box any window may lie, fraction of the box: bounded where all answers are, by a tanh."""
    if any(network.earlier for network in modules):              # looks at nothing but its window
        return float(max(max(-min(network.window), max(network.window) - 1) for network in modules))
    if any(module.graph.nodes[-1].type != "TanH" for module in modules.values()):
        return np.inf
    # Answers lie in -1..1, that is so far from the middle of the network's frame, in frames.
    off = max(abs(settings.encoding.decode(answer) - 0.5) for answer in (-1.0, 1.0))
    reach, point = 0.0, off - 0.5                                # of the windows; of the points so far
    for level in sorted({network.level for network in modules}):
        mine = [network for network in modules if network.level == level]
        if level == 1:
            edges = np.array([network.window for network in mine])
            reach = max(reach, -edges.min(), edges.max() - 1)
            continue
        half = max(network.half_side for network in mine)
        reach, point = max(reach, point + half), point + 2 * off * half
    return float(reach)


def _levels(settings, modules):
    return [_level(number, {network: modules[network] for network in settings.of_level(number) if network in modules})
            for number in sorted({network.level for network in modules})]


def _level(number, modules):
    groups = alike(modules)
    if number == 1:
        places = [Places([[network] for group in groups for network in group])]
    else:
        places = [place for group in groups for place in _around_points(group)]
    stacks = [[Stack(mine, [modules[network].graph for network in mine]) for mine in _in_order(place, groups)]
              for place in places]
    return Level(number, places, stacks)


def _around_points(group):
    """Places of networks of levels 2 and 3 of one structure: one for all points where each has as many networks."""
    by_point = {}
    for network in group:
        by_point.setdefault(network.points[0], []).append(network)
    if len({len(networks) for networks in by_point.values()}) == 1:
        return [Places([list(slot) for slot in zip(*by_point.values())])]
    return [Places([[network]]) for network in group]


def _in_order(places, groups):
    """The networks of `places` by structure, in the order in which their patches lie."""
    networks = [network for slot in places.slots for network in slot]
    return [mine for group in groups if (mine := [network for network in networks if network in group])]
