"""LRN, MVN, BatchNorm and Softmax (layers/lrn.py, normalise.py, softmax.py)."""
import math

import torch

from deeplandmark.caffe.onnx.registry import exporter


@exporter("LRN")
def lrn(b, layer, x):
    """Across channels it is ONNX's LRN. Within them the mean of squares is an AveragePool, cells outside being 0."""
    if layer.across:
        size = min(layer.size, 2 * x.shape[1] - 1)               # a wider one would only see more zeros
        return b.node("LRN", x, size=size, alpha=layer.alpha * size / layer.size, beta=layer.beta, bias=layer.k)
    windows = [min(layer.size, 2 * size - 1) for size in x.shape[2:]]
    alpha = layer.alpha * math.prod(window / layer.size for window in windows)
    squares = b.node("Mul", x, x)
    if math.prod(windows) > 1:
        squares = b.node("AveragePool", squares, kernel_shape=windows, pads=[window // 2 for window in windows] * 2,
                         count_include_pad=1)
    base = b.node("Add", b.node("Mul", squares, alpha), layer.k)
    return b.node("Mul", x, b.node("Pow", base, -layer.beta))


@exporter("MVN")
def mvn(b, layer, x):
    """ReduceMean and arithmetic on (N, C, ...): eps is added to the deviation, not under the root."""
    axes = list(range(layer.axes_kept, len(x.shape)))
    if not axes:                                                 # rows of one value: their mean is the value itself
        centred = b.node("Sub", x, x)
        return b.node("Div", centred, layer.eps) if layer.normalize_variance else centred
    centred = b.node("Sub", x, b.node("ReduceMean", x, axes=axes))
    if not layer.normalize_variance:
        return centred
    variance = b.node("ReduceMean", b.node("Mul", centred, centred), axes=axes)
    return b.node("Div", centred, b.node("Add", b.node("Sqrt", variance), layer.eps))


@exporter("BatchNorm")
def batch_norm(b, layer, x):
    """With use_global_stats the stored statistics; without, those of the batch, which then are not added up."""
    shape = (layer.channels, *(1,) * (len(x.shape) - 2))
    if layer.global_stats:
        mean, variance = (values.detach().reshape(shape) for values in layer._stored())
        factor = torch.rsqrt(variance + layer.eps)
        return b.node("Mul", b.node("Sub", x, b.constant(mean.cpu().numpy())), b.constant(factor.cpu().numpy()))
    axes = [axis for axis in range(len(x.shape)) if axis != 1]
    centred = b.node("Sub", x, b.node("ReduceMean", x, axes=axes))
    variance = b.node("ReduceMean", b.node("Mul", centred, centred), axes=axes)
    return b.node("Div", centred, b.node("Sqrt", b.node("Add", variance, layer.eps)))


@exporter("Softmax")
def softmax(b, layer, x):
    """Softmax along the layer's axis."""
    return b.node("Softmax", x, axis=layer.dim)
