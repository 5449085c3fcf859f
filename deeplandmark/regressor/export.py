"""A regressor as one ONNX graph: picture and boxes in, points out (needs the extra [train] to be written)."""
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, compose, helper

from deeplandmark.caffe.onnx.builder import OPSET, GraphBuilder
from deeplandmark.caffe.onnx.export import export_graph
from deeplandmark.faces.cutting import FLAT
from deeplandmark.networks.hidden_layer import hidden_blob
from deeplandmark.networks.model_folder import fingerprint
from deeplandmark.networks.network import PREDICTION
from deeplandmark.regressor.confidence import Confidence
from deeplandmark.regressor.engines import FORMAT, OUTPUTS, UNKNOWN
from deeplandmark.regressor.network import load_network
from deeplandmark.regressor.settings import RegressorSettings
from deeplandmark.work.whole_file import write_bytes

_FAR = 1e9              # pixels: where the border, repeated, ends


def export_regressor(folder, onnx_file=None):
    """The regressor of a model folder as one ONNX model (opset 17), checked by onnx.checker.

    Inputs
        image, uint8 (h, w, 3), blue green red, or (h, w) for a network that sees grey; boxes, float32 (n, 4).
    Outputs
        points, float32 (n, k, 2), pixels; confidence, float32 (n, k), of what one look tells.
    Metadata
        system: regressor; format; settings: the text of model.json; fingerprint of the folder.

    Parameters
    ----------
    folder : path
    onnx_file : path, optional
        Where the model is written, whole or not at all.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ValueError
        If the folder holds no regressor, or one whose windows are not cut by the rule "area".
    """
    settings = RegressorSettings.load(folder)
    if settings.cutting != "area":
        raise ValueError(f"{folder}: windows cut by the rule {settings.cutting!r} cannot be exported, only by 'area'")
    net, answers, hidden = _network(folder, settings)
    before, after = _seeing(settings, net.ir_version), _placing(settings, net.ir_version, hidden.size)
    model = compose.merge_models(before, net, io_map=[("seen", "data")],
                                 outputs=["corner", "size", answers, *[hidden.name] * bool(hidden.size)])
    joined = [("corner", "its_corner"), ("size", "its_size"), (answers, "answers"),
              *[(hidden.name, "hidden")] * bool(hidden.size)]
    model = compose.merge_models(model, after, io_map=joined)
    helper.set_model_props(model, {"system": settings.SYSTEM, "format": FORMAT, "settings": settings.to_json(),
                                   "fingerprint": fingerprint(folder)})
    onnx.checker.check_model(model, full_check=True)
    if onnx_file is not None:
        write_bytes(onnx_file, model.SerializeToString(deterministic=True))
    return model


class _Hidden(NamedTuple):
    """A blob that the confidence goes by, and its size a face; 0 where it goes by none."""
    name: str = ""
    size: int = 0


def _network(folder, settings):
    """(ModelProto of the network, name of its answer, _Hidden)"""
    graph = load_network(settings, folder).graph
    answers = graph.blob_names.index(PREDICTION)
    weights = settings.confidence.weights if settings.confidence else ()
    if not weights:
        exported = export_graph(graph, {"data": 0}, [answers])
        return exported.model, exported.outputs[answers], _Hidden()
    hidden = hidden_blob(graph)
    size = 0 if hidden is None else int(np.prod(graph.blob_shapes[hidden][1:]))
    if size != len(weights):
        raise ValueError(f"{folder}: its confidence was fitted to another network, whose hidden layer has "
                         f"{len(weights)} numbers and not {size}; `deeplandmark calibrate` fits it anew")
    exported = export_graph(graph, {"data": 0}, [answers, hidden])
    return exported.model, exported.outputs[answers], _Hidden(exported.outputs[hidden], size)


def _seeing(settings, ir_version):
    """Picture and boxes to what the network sees (n, channels, rows, columns), and each box's corner and size
    (n, 1, 2): the rule "area" of faces/cutting.py."""
    b, network = GraphBuilder(), settings.network
    outputs = "seen", "corner", "size"
    for name in ("image", "boxes", *outputs):
        b.reserve(name)
    b.begin_layer("window", [])
    picture = b.node("Cast", "image", to=TensorProto.FLOAT)
    colours = network.channels == 3
    picture = b.node("Unsqueeze", b.node("Transpose", picture, perm=[2, 0, 1]) if colours else picture,
                     b.constant([0] if colours else [0, 1]))
    left, top, right, bottom = b.node("Split", "boxes", outputs=4, axis=1)
    width, height = b.node("Sub", right, left), b.node("Sub", bottom, top)
    x0, x1, y0, y1 = network.window
    pixels = [b.node("Shape", "image", start=axis, end=axis + 1) for axis in (0, 1)]
    down = _weights(b, top, height, (y0, y1), network.size[0], pixels[0])
    across = _weights(b, left, width, (x0, x1), network.size[1], pixels[1])
    narrowed = b.node("MatMul", down, picture)
    patch = b.node("MatMul", narrowed, b.node("Transpose", across, perm=[0, 1, 3, 2]))
    corner, size = (b.node("Unsqueeze", b.node("Concat", *pair, axis=1), b.constant([1]))
                    for pair in ((left, top), (width, height)))
    results = _normalised(b, patch, settings.normalisation), corner, size
    nodes = [helper.make_node("Identity", [result], [name]) for name, result in zip(outputs, results)]
    shapes = {"seen": ["N", network.channels, *network.size], "corner": ["N", 1, 2], "size": ["N", 1, 2]}
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["h", "w", 3][:3 if colours else 2])
    described = [_floats(*item) for item in shapes.items()]
    return _model(b, nodes, [image, _floats("boxes", ["N", 4])], described, ir_version)


def _weights(b, start, side, window, count, pixels):
    """(n, 1, count, pixels): how much each picture pixel counts in a row or column of the patch.

    start, side : (n, 1), of the box on this axis; window : first and last edge, fractions of the box
    """
    cell = (window[1] - window[0]) / count
    middle = window[0] + (np.arange(count) + 0.5) * cell
    middle = b.node("Add", start, b.node("Mul", side, b.constant(middle[None])))                    # (n, count)
    covered = b.node("Max", b.node("Mul", side, float(cell)), 1.0)                                  # (n, 1)
    first = b.node("Sub", middle, b.node("Mul", covered, 0.5))
    last = b.node("Sub", b.node("Cast", b.node("Squeeze", pixels), to=TensorProto.FLOAT), 0.5)
    edges = b.node("Concat", b.constant([-_FAR]), b.node("Range", 0.5, last, 1.0), b.constant([_FAR]), axis=0)
    first, covered = (b.node("Unsqueeze", value, b.constant([2])) for value in (first, covered))
    passed = b.node("Clip", b.node("Div", b.node("Sub", edges, first), covered), 0.0, 1.0)
    ends = [b.node("Slice", passed, b.constant([start]), b.constant([stop]), b.constant([2]))
            for start, stop in ((1, np.iinfo(np.int64).max), (0, -1))]
    return b.node("Unsqueeze", b.node("Sub", *ends), b.constant([1]))


def _normalised(b, patch, normalisation):
    if normalisation.mean is not None:
        return b.node("Div", b.node("Sub", patch, float(normalisation.mean)), float(normalisation.deviation))
    centred = b.node("Sub", patch, b.node("ReduceMean", patch, axes=[1, 2, 3]))
    variance = b.node("ReduceMean", b.node("Mul", centred, centred), axes=[1, 2, 3])
    return b.node("Div", centred, b.node("Sqrt", b.node("Add", variance, FLAT)))


def _placing(settings, ir_version, hidden):
    """Answers (n, 2k) to points (n, k, 2) in pixels; and confidence (n, k), by a hidden layer of that size."""
    b, encoding, count = GraphBuilder(), settings.encoding, len(settings.points)
    for name in ("answers", "its_corner", "its_size", "hidden", *OUTPUTS):
        b.reserve(name)
    b.begin_layer("points", [])
    in_box = b.node("Reshape", "answers", b.constant([-1, count, 2]))
    in_box = b.node("Add", b.node("Mul", in_box, 1 / encoding.scale), float(encoding.centre))
    nodes = [helper.make_node("Add", [b.node("Mul", in_box, "its_size"), "its_corner"], ["points"]),
             helper.make_node("Sigmoid", [_odds(b, settings, hidden)], ["confidence"])]
    shapes = {"answers": ["N", 2 * count], "its_corner": ["N", 1, 2], "its_size": ["N", 1, 2],
              **({"hidden": ["N", hidden]} if hidden else {})}
    inputs = [_floats(*item) for item in shapes.items()]
    outputs = [_floats("points", ["N", count, 2]), _floats("confidence", ["N", count])]
    return _model(b, nodes, inputs, outputs, ir_version)


def _odds(b, settings, hidden):
    """Logarithm of each point's odds, (n, k): see confidence.py."""
    unknown = np.full(len(settings.points), UNKNOWN)
    fitted = settings.confidence or Confidence.of_shares(unknown)
    slope, bias = (b.constant(np.array([values], np.float32)) for values in (fitted.slope, fitted.bias))
    if hidden:
        told = b.node("MatMul", b.node("Flatten", "hidden"), b.constant(np.array(fitted.weights, np.float32)[:, None]))
    else:
        told = b.node("Mul", b.node("Squeeze", "its_size", b.constant([1])), 0.0)
        told = b.node("ReduceSum", told, b.constant([1]))        # a zero for each face
    return b.node("Add", b.node("Mul", told, slope), bias)


def _floats(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _model(b, last_nodes, inputs, outputs, ir_version):
    graph = helper.make_graph([*b.nodes, *last_nodes], "regressor", inputs, outputs, list(b.constants.values()))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=ir_version,
                             producer_name="deeplandmark")
