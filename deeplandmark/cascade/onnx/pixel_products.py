"""Convolutions of few pixels as products of matrices, and the pooling of what they give (Pixels, see maps.py)."""
from dataclasses import replace

import numpy as np

from deeplandmark.cascade.onnx.maps import Pixels
from deeplandmark.cascade.onnx.windows import split

FEW = 16                # pixels of a region below which a product of pixels is faster, and a copy of them cheap


def product_of_pixels(b, layer, parameters, maps, size, pooled):
    """The convolution as a matrix product for each network and region, of (n * pixels, kernel * kernel * channels)
    numbers: ONNX Runtime lays out the weights of such products beforehand, of stacks of them at each call."""
    place, taps = _slots((layer.p, layer.q), size, pooled)
    rows, columns = place.shape
    regions, slots, depth = layer.p * layer.q, size[0] * size[1], layer.channels * layer.kernel ** 2
    cells = np.ndindex(layer.kernel, layer.kernel)
    seen = np.stack([maps.place[:, i:i + rows, j:j + columns] for i, j in cells], axis=-1)
    windows = np.empty((maps.count, place.size, seen.shape[-1]), np.int64)
    windows[:, place.ravel()] = seen.reshape(windows.shape)
    weights = parameters[0].transpose(0, 1, 4, 5, 3, 2).reshape(regions, maps.count, depth, -1)
    groups = list(np.ndindex(maps.count, regions))
    pieces = _seen_by(b, maps.name, windows.reshape(len(groups), slots, -1), depth)
    products = [b.node("MatMul", piece, b.constant(weights[r, g])) for piece, (g, r) in zip(pieces, groups)]
    y = products[0] if len(products) == 1 else b.node("Concat", *products, axis=1)
    if len(parameters) > 1:
        y = b.node("Add", y, b.constant(parameters[1].swapaxes(0, 1).repeat(slots, 1).reshape(-1, layer.num_output)))
    place = place + np.arange(maps.count)[:, None, None] * place.size
    return Pixels(y, layer.num_output, place, layer.p, layer.q, taps)


def _seen_by(b, pixels, windows, depth):
    """The windows (groups, slots, cells) of each group as numbers, (n, slots, depth) or (n, 1, slots, depth)."""
    groups, slots, _ = windows.shape
    if slots < FEW:                             # one gather, and a copy of little
        y = b.node("Gather", pixels, b.constant(windows), axis=1)
        y = b.node("Reshape", y, b.constant([0, groups * slots, depth]))
        return split(b, y, [slots] * groups, 1)
    pieces = [b.node("Gather", pixels, b.constant(mine), axis=1) for mine in windows]
    return [b.node("Reshape", piece, b.constant([0, slots, depth])) for piece in pieces]


def _slots(regions, size, pooled):
    """Where the pixels of a map lie (as Pixels.place), and in how many parts for pooling."""
    if not pooled or size[0] % pooled[0] or size[1] % pooled[1]:
        pooled = (1, 1)
    inside = np.arange(size[0] * size[1]).reshape(*pooled, size[0] // pooled[0], size[1] // pooled[1])
    inside = inside.transpose(2, 0, 3, 1).reshape(size)
    first = np.arange(regions[0] * regions[1]).reshape(*regions) * inside.size
    place = first[:, None, :, None] + inside[:, None]
    return place.reshape(regions[0] * size[0], regions[1] * size[1]), pooled[0] * pooled[1]


def pooled_pixels(b, maps, kernel):
    parts, (height, width) = maps.count * maps.p * maps.q, maps.shape
    size = height // maps.p // kernel[0], width // maps.q // kernel[1]
    numbers = size[0] * size[1] * maps.channels
    y = b.node("Reshape", maps.name, b.constant([0, parts, maps.taps, numbers]))
    y = b.node("ReduceMax", y, axes=[2], keepdims=0)
    y = b.node("Reshape", y, b.constant([0, parts * size[0] * size[1], maps.channels]))
    place, _ = _slots((maps.p, maps.q), size, None)
    place = place + np.arange(maps.count)[:, None, None] * place.size
    return replace(maps, name=y, place=place, taps=1)
