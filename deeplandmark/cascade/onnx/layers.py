"""Layers of G equal networks as nodes: what a convolution, a pooling ... does to their maps (maps.py)."""
from dataclasses import replace

import numpy as np

from deeplandmark.cascade.onnx.maps import Pixels, Planes, Vectors

FEW = 16                # pixels of a region below which a convolution is faster as a matrix product of pixels

_OPERATIONS = {}


def operation(layers, pooled=None):
    """`run(b, maps) -> maps` of G equal layers; None for a type or a setting that has no stacked form.

    pooled : (rows, columns) of the windows in which the result will be pooled, if it will.
    """
    build = _OPERATIONS.get(layers[0].param.type)
    return build and build(layers, pooled)


def _stacks(type_name):
    def add(build):
        _OPERATIONS[type_name] = build
        return build
    return add


def _blobs(layers, index):
    """One blob of all layers: (G, ...)."""
    return np.stack([layer.blobs[index].detach().cpu().numpy() for layer in layers])


def _elementwise(op):
    def build(layers, pooled):
        return lambda b, maps: replace(maps, name=b.node(op, maps.name))
    return build


_OPERATIONS.update(TanH=_elementwise("Tanh"), AbsVal=_elementwise("Abs"), Sigmoid=_elementwise("Sigmoid"))


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
        parameters = [b.constant(_merged(_blobs(layers, i), 2)) for i in range(len(first.blobs))]
        y = b.node("Conv", maps.name, *parameters, group=maps.count * first.group, kernel_shape=list(first.kernel),
                   strides=list(first.stride), pads=[*first.pad, *first.pad], dilations=list(first.dilation))
        height, width = first.output_sizes((maps.height, maps.width))
        return replace(maps, name=y, channels=first.num_output, height=height, width=width)
    return run


@_stacks("LocallySharedConvolution")
def _locally_shared_convolution(layers, pooled):
    first = layers[0]
    regions = first.p * first.q
    # (G, regions * maps, ...) -> (G, regions, maps, ...)
    parameters = [blob.reshape(len(layers), regions, first.num_output, *blob.shape[2:])
                  for blob in (_blobs(layers, i) for i in range(len(first.blobs)))]

    def run(b, maps):
        rows, columns = ((size - first.kernel + 1) // parts for size, parts in zip(maps.shape, (first.p, first.q)))
        if rows * columns < FEW and first.channels > 1:
            return _product_of_pixels(b, first, parameters, maps.pixels(b), (rows, columns), pooled)
        maps = maps.planes(b).regions(b, first.p, first.q, first.kernel - 1)
        constants = [b.constant(_merged(blob.swapaxes(0, 1), 3)) for blob in parameters]
        y = b.node("Conv", maps.name, *constants, group=regions * maps.count, kernel_shape=[first.kernel] * 2)
        return replace(maps, name=y, channels=first.num_output, height=rows, width=columns)
    return run


def _product_of_pixels(b, layer, parameters, maps, size, pooled):
    """The convolution as one matrix product per region, of (n * slots, kernel * kernel * channels) numbers."""
    place, taps = _slots((layer.p, layer.q), size, pooled)
    rows, columns = place.shape
    cells = np.ndindex(layer.kernel, layer.kernel)
    seen = np.stack([maps.place[k:k + rows, l:l + columns] for k, l in cells], axis=-1)
    windows = np.empty((place.size, seen.shape[-1]), np.int64)
    windows[place.ravel()] = seen.reshape(windows.shape)
    regions, slots, depth = layer.p * layer.q, size[0] * size[1], layer.channels * layer.kernel ** 2
    y = b.node("Gather", maps.flat(b), b.constant(windows.reshape(regions, slots, -1)), axis=2)
    if regions > 1:
        y = b.node("Transpose", y, perm=[0, 2, 1, 3, 4, 5])
    y = b.node("Reshape", y, b.constant([maps.count, regions, -1, depth]))
    weights = parameters[0].transpose(0, 1, 4, 5, 3, 2).reshape(maps.count, regions, depth, -1)
    y = b.node("MatMul", y, b.constant(weights))
    if len(parameters) > 1:
        y = b.node("Add", y, b.constant(parameters[1][:, :, None]))
    y = b.node("Reshape", y, b.constant([maps.count, regions, -1, slots, layer.num_output]))
    return Pixels(y, maps.count, layer.num_output, place, layer.p, layer.q, taps)


def _slots(regions, size, pooled):
    """Where the pixels of a map lie (as Pixels.place), and in how many parts for pooling."""
    if not pooled or size[0] % pooled[0] or size[1] % pooled[1]:
        pooled = (1, 1)
    inside = np.arange(size[0] * size[1]).reshape(*pooled, size[0] // pooled[0], size[1] // pooled[1])
    inside = inside.transpose(2, 0, 3, 1).reshape(size)
    first = np.arange(regions[0] * regions[1]).reshape(*regions) * inside.size
    place = first[:, None, :, None] + inside[:, None]
    return place.reshape(regions[0] * size[0], regions[1] * size[1]), pooled[0] * pooled[1]


@_stacks("LocallySharedScale")
def _locally_shared_scale(layers, pooled):
    """Gain and bias: one number a map where the maps lie in the same regions, else spread over the whole map."""
    p, q, channels = layers[0].p, layers[0].q, layers[0].channels

    def run(b, maps):
        if (maps.p, maps.q) != (p, q):
            maps = maps.planes(b).joined(b)
        for op, index in (("Mul", 0), ("Add", 1)):
            blob = _blobs(layers, index).reshape(-1, p, q, channels)
            if isinstance(maps, Pixels):
                values = blob.reshape(maps.count, p * q, 1, 1, channels)
            elif (maps.p, maps.q) == (p, q):
                values = blob.transpose(1, 2, 0, 3).reshape(-1, 1, 1)
            else:
                values = _merged(blob.transpose(0, 3, 1, 2), 2).repeat(maps.height // p, 1).repeat(maps.width // q, 2)
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
            return _pooled_pixels(b, maps, kernel)
        maps = maps.planes(b)
        if maps.height % kernel[0] or maps.width % kernel[1]:
            maps = maps.joined(b)
        height, width = first._pooled((maps.height, maps.width))
        short = [n * k - size for n, k, size in zip((height, width), kernel, (maps.height, maps.width))]
        y = b.node("MaxPool", maps.name, kernel_shape=kernel, strides=kernel, pads=[0, 0, *short])
        return replace(maps, name=y, height=height, width=width)
    return run


def windows_beside_each_other(layer):
    """[rows, columns] of the windows of a MAX pooling whose windows do not overlap, else None."""
    plain = layer.param.type == "Pooling" and layer.is_max and layer.kernel == layer.stride and not any(layer.pad)
    return list(layer.kernel) if plain and layer.num_tops == 1 else None


def _pooled_pixels(b, maps, kernel):
    slots = maps.place.size // (maps.p * maps.q * maps.taps)
    y = b.node("Reshape", maps.name, b.constant([maps.count, maps.p * maps.q, -1, maps.taps, slots, maps.channels]))
    rows, columns = maps.place.shape[0] // maps.p // kernel[0], maps.place.shape[1] // maps.q // kernel[1]
    place, _ = _slots((maps.p, maps.q), (rows, columns), None)
    return replace(maps, name=b.node("ReduceMax", y, axes=[3], keepdims=0), place=place, taps=1)


@_stacks("InnerProduct")
def _inner_product(layers, pooled):
    first = layers[0]
    if first.start != 1 or first.transpose:
        return None

    def run(b, maps):
        maps = maps.vectors(b)
        weights = np.empty_like(_blobs(layers, 0))
        weights[:, :, maps.order] = _blobs(layers, 0)
        y = b.node("MatMul", maps.name, b.constant(weights.swapaxes(1, 2)))
        if len(first.blobs) > 1:
            y = b.node("Add", y, b.constant(_blobs(layers, 1)[:, None]))
        return Vectors(y, maps.count, first.num_output, np.arange(first.num_output))
    return run


def _merged(array, axes):
    """The first axes as one."""
    return array.reshape(-1, *array.shape[axes:])
