"""Layers that move values without computing (layers/shape.py)."""
from itertools import pairwise

import numpy as np

from deeplandmark.caffe.onnx.builder import LAST
from deeplandmark.caffe.onnx.registry import exporter


@exporter("Flatten", "Reshape")
def reshape(b, layer, x):
    """Reshape to the shape of the top."""
    return b.reshape(x, b.tops[0])


@exporter("Concat")
def concat(b, layer, *bottoms):
    """Concat along the layer's axis."""
    return b.node("Concat", *bottoms, axis=layer.dim)


@exporter("Slice")
def slice_(b, layer, x):
    """Split where the sizes are known; along the batch, equal parts or a Slice for each top."""
    count, size = len(b.tops), x.shape[layer.dim]
    if count == 1:
        return x.name
    if size is not None:
        return b.node("Split", x, b.constant(layer._sizes(size)), outputs=count, axis=layer.dim)
    if not layer.points:
        return b.node("Split", x, outputs=count, axis=layer.dim)
    edges = [0, *layer.points, LAST]
    return [b.node("Slice", x, [start], [end], [layer.dim]) for start, end in pairwise(edges)]


@exporter("Crop")
def crop(b, layer, x, size):
    """A Slice for each axis that changes; where it follows the batch, its end is computed from bottom 1."""
    y = x
    for axis, offset in enumerate(layer.offsets, layer.start):
        extent = b.extent(size, axis)
        if offset == 0 and extent == x.shape[axis]:
            continue
        end = b.node("Add", extent, [offset]) if isinstance(extent, str) else [offset + extent]
        y = b.node("Slice", y, [offset], end, [axis])
    return y if isinstance(y, str) else y.name


@exporter("Tile")
def tile(b, layer, x):
    """Tile: `tiles` times along the layer's axis."""
    repeats = np.ones(len(x.shape), np.int64)
    repeats[layer.dim] = layer.tiles
    return b.node("Tile", x, b.constant(repeats))


@exporter("Split")
def split(b, layer, x):
    """The same value under several names."""
    return [x.name] * len(b.tops)


@exporter("Silence")
def silence(b, layer, *bottoms):
    """No node and no top, an empty list."""
    return []
