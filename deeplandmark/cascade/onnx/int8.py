"""A model that multiplies by its weights in eight bits: static quantisation, a scale for each map of weights, and
ranges of what they are multiplied by that some faces tell."""
import logging
import tempfile
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import onnx

_LARGE = 1000           # numbers: smaller products stay float32, those of windows among them
_PRODUCTS = ("Conv", "Gemm", "MatMul")
_MOVED = 0.05           # widths of its box that a face is moved by at most, to be seen another time


def quantised(model, faces, answers):
    """A ModelProto of another, float32 as `export_cascade` builds it, by ONNX Runtime's quantize_static.

    Parameters
    ----------
    model : onnx.ModelProto
    faces : iterable of (uint8 (h, w), float64 (4,))
        Pictures and the box of a face in each, some two hundred: the ranges of values are the largest on these, each
        seen twice.
    answers : int
        Numbers that a network answers at most. Products of no more columns stay float32: in eight bits the points of
        the wide networks would lie on a grid of half a hundredth of the face.

    Raises
    ------
    ValueError
        Where there are no faces.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static  # it brings half a second with it
    weights = {tensor.name for tensor in model.graph.initializer
               if np.prod(tensor.dims) >= _LARGE and (len(tensor.dims) > 3 or min(tensor.dims[-2:]) > answers)}
    products = [node.name for node in model.graph.node if node.op_type in _PRODUCTS and node.input[1] in weights]
    root = logging.getLogger()
    before = root.level
    with tempfile.TemporaryDirectory() as folder:
        root.setLevel(logging.ERROR)                             # it advises to fold constants, of which there are none
        try:
            quantize_static(model, Path(folder, "int8.onnx"), _Faces(faces), quant_format=QuantFormat.QDQ,
                            per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                            nodes_to_quantize=products)
        finally:
            root.setLevel(before)
        return _in_order(onnx.load(Path(folder, "int8.onnx")))


def _in_order(model):
    """The model, its nodes after those whose values they or their branches need: quantize_static forgets these."""
    nodes = list(model.graph.node)
    makers = {name: place for place, node in enumerate(nodes) for name in node.output}
    needs = {place: [makers[name] for name in _names(node) if name in makers] for place, node in enumerate(nodes)}
    del model.graph.node[:]
    model.graph.node.extend(nodes[place] for place in TopologicalSorter(needs).static_order())
    return model


def _names(node):
    """The values that a node needs, and those of its branches' nodes."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _names(inner)


class _Faces:
    """What quantize_static takes for its CalibrationDataReader: the inputs of one run after the other."""

    def __init__(self, faces):
        self._faces, self._random, self.count = iter(faces), np.random.default_rng(0), 0

    def get_next(self):
        image, box = next(self._faces, (None, None))
        if image is None:
            if not self.count:
                raise ValueError("no faces to tell the ranges of values by")
            return None
        self.count += 1
        moved = box + self._random.uniform(-_MOVED, _MOVED, 4) * (box[2] - box[0])
        return {"image": image, "boxes": np.stack([box, moved]).astype(np.float32)}

    def __iter__(self):
        return iter(self.get_next, None)
