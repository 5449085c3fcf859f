"""Pooling, Pooling3D and SPP (layers/pooling.py, volumes.py, spp.py): Caffe's windows, rounded up, as padding."""
import math

import numpy as np
from onnx import TensorProto

from deeplandmark.caffe.onnx.registry import exporter

_LOWEST = float(np.finfo(np.float32).min)
_TINY = float(np.finfo(np.float32).tiny)


@exporter("Pooling", "Pooling3D")
def pooling(b, layer, x):
    """MaxPool or AveragePool over (N, C, spatial...), rounded up as Caffe rounds; STOCHASTIC as it is in TEST."""
    return _pool(b, layer, x, b.tops)


@exporter("SPP")
def spp(b, layer, x):
    """One Pooling for each level; several levels are flattened and stand side by side."""
    levels = layer._levels((1, *x.shape[1:]))
    shapes = [(x.shape[0], *level.reshape([(1, *x.shape[1:])])[0][1:]) for level in levels]
    pooled = [_pool(b, level, x, [shape])[0] for level, shape in zip(levels, shapes)]
    if layer.height == 1:
        return pooled[0]
    return b.node("Concat", *(b.reshape(y, (shape[0], int(np.prod(shape[1:])))) for y, shape in zip(pooled, shapes)),
                  axis=1)


def _pool(b, layer, x, tops):
    sizes, pooled = x.shape[2:], tops[0][2:]
    kernel = layer.kernel or sizes
    # Windows that see a cell; ONNX has no others, so those behind them are added to the result.
    seen = [min(n, -(-(size + pad) // s)) for n, size, pad, s in zip(pooled, sizes, layer.pad, layer.stride)]
    missing = [n - m for n, m in zip(pooled, seen)]
    ends = [max(0, (m - 1) * s + k - pad - size)
            for m, s, k, pad, size in zip(seen, layer.stride, kernel, layer.pad, sizes)]
    windows = {"kernel_shape": list(kernel), "strides": [s if m > 1 else 1 for s, m in zip(layer.stride, seen)],
               "pads": [*layer.pad, *ends]}
    if layer.is_max:
        return _maximum(b, x, windows, missing, len(tops))
    area = float(np.prod(kernel))
    if layer.is_stochastic:                                      # in TEST: sum(x^2) / sum(x)
        squares, total = (b.node("Mul", b.node("AveragePool", value, count_include_pad=1, **windows), area)
                          for value in (b.node("Mul", x, x), x))
        return [_extended(b, b.node("Div", squares, b.node("Add", total, _TINY)), missing, 0.0)]
    mean = _extended(b, b.node("AveragePool", x, count_include_pad=1, **windows), missing, 0.0)
    with np.errstate(divide="ignore"):
        share = area / _counts(layer, kernel, sizes, pooled)
    return [mean if (share == 1).all() else b.node("Mul", mean, b.constant(share))]


def _extended(b, y, missing, value):
    """Cells of a value behind a map, along each spatial axis."""
    return b.node("Pad", y, [*[0] * (4 + len(missing)), *missing], value) if any(missing) else y


def _counts(layer, kernel, sizes, pooled):
    """Cells an average is divided by: the window cut to [-pad, size + pad)."""
    counts = []
    for n, k, stride, pad, size in zip(pooled, kernel, layer.stride, layer.pad, sizes):
        start = np.arange(n) * stride - pad
        counts.append(np.minimum(start + k, size + pad) - start)
    return math.prod(np.ix_(*counts)).astype(np.float64)


def _maximum(b, x, windows, missing, tops):
    if tops == 1:
        return [_extended(b, b.node("MaxPool", x, **windows), missing, _LOWEST)]
    top, index = b.node("MaxPool", x, outputs=2, **windows)
    place = b.node("Mod", index, int(np.prod(x.shape[2:])))      # ONNX counts on from picture to picture and map to map
    place = b.node("Cast", place, to=TensorProto.FLOAT)
    return [_extended(b, top, missing, _LOWEST), _extended(b, place, missing, -1.0)]
