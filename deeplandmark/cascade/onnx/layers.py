"""Layers of G equal networks as nodes: what a convolution, a pooling ... does to their maps (maps.py)."""
from dataclasses import replace

import numpy as np

from deeplandmark.caffe.graph.pooled_first import windows_beside_each_other
from deeplandmark.caffe.layers.registry import Registry
from deeplandmark.cascade.onnx.maps import Pixels, Planes, Vectors
from deeplandmark.cascade.onnx.pixel_products import FEW, pooled_pixels, product_of_pixels

LANES = 8               # maps that ONNX Runtime's convolutions work on at once with AVX2

OPERATIONS = Registry("forms in the cascade's graph")
_stacks = OPERATIONS.register


def operation(layers, pooled=None):
    """`run(b, maps) -> maps` of G equal layers; None for a type or a setting that has no stacked form.

    pooled : (rows, columns) of the windows in which the result will be pooled, if it will.
    """
    build = OPERATIONS.get(layers[0].param.type)
    return build and build(layers, pooled)


def _blobs(layers, index):
    """One blob of all layers: (G, ...)."""
    return np.stack([layer.blobs[index].detach().cpu().numpy() for layer in layers])


def _elementwise(op):
    def build(layers, pooled):
        return lambda b, maps: _one(b, maps).each(lambda name: b.node(op, name))
    return build


def _one(b, maps):
    """Planes in one tensor: later layers are small and want few nodes."""
    return replace(maps, names=(maps.whole(b),)) if isinstance(maps, Planes) else maps


_stacks("TanH")(_elementwise("Tanh"))
_stacks("Sigmoid")(_elementwise("Sigmoid"))


@_stacks("AbsVal")
def _absolute_value(layers, pooled):
    def run(b, maps):
        if isinstance(maps, Planes):
            # |x| in a form that ONNX Runtime does within the convolution before it.
            return maps.each(lambda name: b.node("LeakyRelu", name, alpha=-1.0))
        return maps.each(lambda name: b.node("Abs", name))
    return run


@_stacks("Dropout")
def _dropout(layers, pooled):
    return lambda b, maps: maps


@_stacks("ReLU")
def _relu(layers, pooled):
    return None if layers[0].param.relu_param.negative_slope else _elementwise("Relu")(layers, pooled)


@_stacks("Convolution")
def _convolution(layers, pooled):
    first = layers[0]
    if first.num_spatial != 2 or first.channel_axis != 1:
        return None

    def run(b, maps):
        maps = maps.planes(b).joined(b)
        if first.group > 1:
            maps = maps.trimmed(b)
        parameters = [_blobs(layers, i)[None] for i in range(len(first.blobs))]
        height, width = first.output_sizes((maps.height, maps.width))
        return _convolved(b, maps, parameters, (height, width), first.group, strides=list(first.stride),
                          pads=[*first.pad, *first.pad], dilations=list(first.dilation))
    return run


@_stacks("LocallySharedConvolution")
def _locally_shared_convolution(layers, pooled):
    first = layers[0]
    regions = first.p * first.q
    # (G, regions * maps, ...) -> (regions, G, maps, ...)
    parameters = [blob.reshape(len(layers), regions, first.num_output, *blob.shape[2:]).swapaxes(0, 1)
                  for blob in (_blobs(layers, i) for i in range(len(first.blobs)))]

    def run(b, maps):
        rows, columns = ((size - first.kernel + 1) // parts for size, parts in zip(maps.shape, (first.p, first.q)))
        if first.channels > 1 and (regions > 1 or rows * columns < FEW):
            return product_of_pixels(b, first, parameters, maps.pixels(b), (rows, columns), pooled)
        maps = maps.planes(b).regions(b, first.p, first.q, first.kernel - 1)
        return _convolved(b, maps, parameters, (rows, columns))
    return run


def _convolved(b, maps, parameters, size, group=1, **attributes):
    """Planes of size (rows, columns): parameters are weights (regions, G, maps, channels / group, kernel, kernel) and,
    if there are any, biases (regions, G, maps).

    Maps are filled up to multiples of LANES with zeros, and a convolution of few maps is one node for each network:
    ONNX Runtime has fast kernels for these two.
    """
    channels, *kernel = parameters[0].shape[2], *parameters[0].shape[4:]
    room = channels if group > 1 else -(-channels // LANES) * LANES
    parameters = [_filled(blob, 2, room) for blob in parameters]
    parameters[0] = _filled(parameters[0], 3, maps.room // group)
    if maps.room < LANES and group == 1:
        maps = maps.by_network(b)
        constants = zip(*(map(b.constant, _merged(blob, 2)) for blob in parameters))
        names = [b.node("Conv", name, *mine, kernel_shape=kernel, **attributes)
                 for name, mine in zip(maps.names, constants)]
    else:
        groups = maps.p * maps.q * maps.count * group
        names = [b.node("Conv", maps.whole(b), *(b.constant(_merged(blob, 3)) for blob in parameters), group=groups,
                        kernel_shape=kernel, **attributes)]
    return replace(maps, names=tuple(names), channels=channels, room=room, height=size[0], width=size[1])


def _filled(array, axis, size):
    """The array with zeros behind it, up to a size."""
    short = [(0, 0)] * array.ndim
    short[axis] = (0, size - array.shape[axis])
    return np.pad(array, short)


@_stacks("LocallySharedScale")
def _locally_shared_scale(layers, pooled):
    """Gain and bias; of planes as a normalisation, one number a map, if the maps lie in the same regions."""
    p, q, channels = layers[0].p, layers[0].q, layers[0].channels

    def run(b, maps):
        blobs = [_blobs(layers, i).reshape(-1, p, q, channels) for i in range(2)]
        if isinstance(maps, Planes) and (maps.p, maps.q) == (p, q):
            gain, bias = (_filled(blob.transpose(1, 2, 0, 3), 3, maps.room).ravel() for blob in blobs)
            zeros, ones = np.zeros_like(gain), np.ones_like(gain)
            constants = map(b.constant, (gain, bias, zeros, ones))
            return replace(maps, names=(b.node("BatchNormalization", maps.whole(b), *constants, epsilon=0.0),))
        maps = maps.pixels(b)
        height, width = maps.shape
        for op, blob in zip(("Mul", "Add"), blobs):
            values = np.empty((maps.place.size, channels))
            values[maps.place] = blob.repeat(height // p, 1).repeat(width // q, 2)
            maps = replace(maps, name=b.node(op, maps.name, b.constant(values)))
        return maps
    return run


@_stacks("Pooling")
def _pooling(layers, pooled):
    """Windows beside each other; regions that they divide evenly stay."""
    first = layers[0]
    kernel = windows_beside_each_other(first)
    if kernel is None:
        return None

    def run(b, maps):
        if isinstance(maps, Pixels) and maps.taps == kernel[0] * kernel[1] > 1:
            return pooled_pixels(b, maps, kernel)
        maps = maps.planes(b)
        if maps.height % kernel[0] or maps.width % kernel[1]:
            maps = maps.joined(b)
        height, width = first._pooled((maps.height, maps.width))
        short = [n * k - size for n, k, size in zip((height, width), kernel, (maps.height, maps.width))]
        maps = maps.each(lambda name: b.node("MaxPool", name, kernel_shape=kernel, strides=kernel, pads=[0, 0, *short]))
        return replace(maps, height=height, width=width)
    return run


@_stacks("InnerProduct")
def _inner_product(layers, pooled):
    first = layers[0]
    if first.start != 1 or first.transpose or first.normalize:
        return None

    def run(b, maps):
        maps = maps.vectors(b)
        weights = np.zeros((maps.count, maps.size, first.num_output))
        weights[:, maps.order] = _blobs(layers, 0).swapaxes(1, 2)
        y = b.node("MatMul", maps.name, b.constant(weights[0] if maps.count == 1 else weights))
        if len(first.blobs) > 1:
            y = b.node("Add", y, b.constant(_blobs(layers, 1)[:, None]))
        return Vectors(y, maps.count, first.num_output, np.arange(first.num_output))
    return run


def _merged(array, axes):
    """The first axes as one."""
    return array.reshape(-1, *array.shape[axes:])
