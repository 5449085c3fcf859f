"""PointSIFT (layers/point_sift.py) by ordinary operators."""
import math

import numpy as np

from deeplandmark.caffe.layers.point_sift import CELLS, DIRECTIONS, FLAT, HIGHEST, LEAST
from deeplandmark.caffe.onnx.builder import LAST
from deeplandmark.caffe.onnx.registry import exporter

_TINY = float(np.finfo(np.float32).tiny)


@exporter("PointSIFT")
def point_sift(b, layer, pictures, points):
    """Conv for the Gaussian, Slice and Sub for gradients, Atan for their directions, two MatMul for the cells."""
    rows, columns = (size - 2 for size in pictures.shape[2:])
    k = points.shape[1] // 2
    directions = _directions(b, _smooth(b, layer, pictures))
    down, across = _shares(b, layer, points, pictures.shape[2:])
    directions = b.node("Transpose", directions, perm=[0, 2, 1, 3])
    directions = b.node("Reshape", directions, b.constant([-1, rows, DIRECTIONS * columns]))
    found = b.node("MatMul", b.node("Reshape", down, b.constant([-1, k * CELLS, rows])), directions)
    found = b.node("Reshape", found, b.constant([-1, k, CELLS * DIRECTIONS, columns]))
    found = b.node("MatMul", found, b.node("Transpose", across, perm=[0, 1, 3, 2]))
    found = b.node("Transpose", b.node("Reshape", found, b.constant([-1, k, CELLS, DIRECTIONS, CELLS])),
                   perm=[0, 1, 2, 4, 3])
    found = b.node("Reshape", found, b.constant([-1, k, CELLS * CELLS * DIRECTIONS]))
    found = b.node("Div", found, b.node("Sqrt", b.node("Add", _length_squared(b, found), FLAT ** 2)))
    found = b.node("Min", found, HIGHEST)
    found = b.node("Div", found, b.node("Max", b.node("Sqrt", _length_squared(b, found)), LEAST))
    return b.reshape(b.node("Reshape", found, b.constant([-1, b.tops[0][1]])), b.tops[0])


def _length_squared(b, found):
    return b.node("ReduceSum", b.node("Mul", found, found), b.constant([2]), keepdims=1)


def _smooth(b, layer, pictures):
    if not layer.reach:
        return pictures
    weights = layer.gaussian().numpy()
    padded = b.node("Pad", pictures, b.constant(layer.reach * np.array([0, 0, 1, 1] * 2)), mode="reflect")
    return b.node("Conv", b.node("Conv", padded, b.constant(weights[None, None, None])),
                  b.constant(weights[None, None, :, None]))


def _directions(b, pictures):
    right, left = (_part(b, pictures, (1, first), (-1, last)) for first, last in ((2, LAST), (0, -2)))
    above, below = (_part(b, pictures, (first, 1), (last, -1)) for first, last in ((0, -2), (2, LAST)))
    dx, dy = b.node("Sub", right, left), b.node("Sub", above, below)
    upright = b.node("Equal", dx, b.constant(np.float32(0)))
    angle = b.node("Atan", b.node("Div", dy, b.node("Where", upright, b.constant(np.float32(_TINY)), dx)))
    behind = b.node("Where", b.node("Less", dx, b.constant(np.float32(0))), b.constant(np.float32(math.pi)),
                    b.constant(np.float32(0)))
    angle = b.node("Mul", b.node("Add", angle, behind), DIRECTIONS / (2 * math.pi))
    each = b.constant(np.arange(DIRECTIONS, dtype=np.float32).reshape(1, -1, 1, 1))
    off = b.node("Abs", b.node("Sub", angle, each))
    near = b.node("Min", off, b.node("Abs", b.node("Sub", float(DIRECTIONS), off)))
    length = b.node("Sqrt", b.node("Add", b.node("Mul", dx, dx), b.node("Mul", dy, dy)))
    return b.node("Mul", length, b.node("Relu", b.node("Sub", 1.0, near)))


def _part(b, pictures, first, last):
    return b.node("Slice", pictures, b.constant(list(first)), b.constant(list(last)), b.constant([2, 3]))


def _shares(b, layer, points, size):
    """(rows, columns): (N or 1, k, 4, inner pixels)."""
    places, shares = b.node("Reshape", points, b.constant([-1, points.shape[1] // 2, 2])), []
    cells = (np.arange(CELLS, dtype=np.float32) - (CELLS - 1) / 2)[:, None]
    for axis, (scale, shift) in enumerate(layer.to_pixels(size)):
        place = b.node("Slice", places, b.constant([axis]), b.constant([axis + 1]), b.constant([2]))
        place = b.node("Add", b.node("Mul", place, scale), shift)
        pixels = b.constant(np.arange(1, size[1 - axis] - 1, dtype=np.float32)[None, None])
        off = b.node("Div", b.node("Sub", pixels, place), layer.settings.cell)
        off = b.node("Unsqueeze", off, b.constant([2]))
        near = b.node("Relu", b.node("Sub", 1.0, b.node("Abs", b.node("Sub", off, b.constant(cells)))))
        weight = b.node("Exp", b.node("Mul", b.node("Mul", off, off), -2 / (CELLS * CELLS)))
        shares.append(b.node("Mul", near, weight))
    return shares[1], shares[0]
