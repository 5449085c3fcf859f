"""Layers of G networks as nodes: what a convolution, a pooling ... does to maps that lie side by side.

Weights shared in p x q regions stay in *regions* from one such convolution to the next: there each region is a map of its
own, (n, p * q * G * maps, rows, columns), regions outermost.
"""
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Maps:
    """The value between two layers.

    Attributes
    ----------
    name : str
        Tensor (n, p * q * G * channels, height, width); behind an InnerProduct (G, n, channels), height = width = 0.
    count : int
        G.
    channels, height, width : int
        Maps of one network, rows and columns of one region.
    p, q : int
        Regions in rows and in columns.
    """
    name: str
    count: int
    channels: int
    height: int
    width: int
    p: int = 1
    q: int = 1

    @property
    def is_vector(self):
        return not self.height

    def joined(self, b):
        """The same without regions."""
        if self.p == self.q == 1:
            return self
        maps = self.count * self.channels
        height, width = self.p * self.height, self.q * self.width
        y = b.node("Reshape", self.name, b.constant([0, self.p, self.q, maps, self.height, self.width]))
        y = b.node("Transpose", y, perm=[0, 3, 1, 4, 2, 5])
        y = b.node("Reshape", y, b.constant([0, maps, height, width]))
        return replace(self, name=y, height=height, width=width, p=1, q=1)

    def regions(self, b, p, q, halo):
        """p x q regions of the whole map, each with `halo` more rows and columns than its share."""
        whole = self.joined(b)
        if p == q == 1:
            return whole
        rows, columns = (whole.height - halo) // p, (whole.width - halo) // q
        size = np.array([rows, columns])
        pieces = [b.node("Slice", whole.name, b.constant(size * place), b.constant(size * place + size + halo),
                         b.constant([2, 3])) for place in np.ndindex(p, q)]
        return replace(whole, name=b.node("Concat", *pieces, axis=1), height=rows + halo, width=columns + halo, p=p, q=q)

    def vectors(self, b):
        """(G, n, numbers) and the order in which the numbers of Caffe's (channels, rows, columns) stand in it."""
        if self.is_vector:
            return self.name, np.arange(self.channels)
        inside = self.channels * self.height * self.width
        regions = self.p * self.q
        y = b.node("Reshape", self.name, b.constant([0, regions, self.count, inside]))
        y = b.node("Transpose", y, perm=[2, 0, 1, 3])
        y = b.node("Reshape", y, b.constant([0, 0, regions * inside]))
        order = np.arange(regions * inside).reshape(self.channels, self.p, self.height, self.q, self.width)
        return y, order.transpose(1, 3, 0, 2, 4).ravel()

    def answers(self, b):
        """(n, G, numbers), in Caffe's order."""
        if self.is_vector:
            return b.node("Transpose", self.name, perm=[1, 0, 2])
        whole = self.joined(b)
        return b.node("Reshape", whole.name, b.constant([0, self.count, whole.channels * whole.height * whole.width]))


_OPERATIONS = {}


def operation(layers):
    """`run(b, maps) -> maps` of G equal layers; None for a type or a setting that has no stacked form."""
    build = _OPERATIONS.get(layers[0].param.type)
    return build and build(layers)


def _stacks(type_name):
    def add(build):
        _OPERATIONS[type_name] = build
        return build
    return add


def _blobs(layers, index):
    """One blob of all layers: (G, ...)."""
    return np.stack([layer.blobs[index].detach().cpu().numpy() for layer in layers])


def _elementwise(op):
    def build(layers):
        return lambda b, maps: replace(maps, name=b.node(op, maps.name))
    return build


_OPERATIONS.update(TanH=_elementwise("Tanh"), AbsVal=_elementwise("Abs"), Sigmoid=_elementwise("Sigmoid"))


@_stacks("Dropout")
def _dropout(layers):
    return lambda b, maps: maps


@_stacks("ReLU")
def _relu(layers):
    return None if layers[0].param.relu_param.negative_slope else _elementwise("Relu")(layers)


@_stacks("Convolution")
def _convolution(layers):
    first = layers[0]
    if first.num_spatial != 2 or first.channel_axis != 1:
        return None

    def run(b, maps):
        maps = maps.joined(b)
        parameters = [b.constant(_merged(_blobs(layers, i), 2)) for i in range(len(first.blobs))]
        y = b.node("Conv", maps.name, *parameters, group=maps.count * first.group, kernel_shape=list(first.kernel),
                   strides=list(first.stride), pads=[*first.pad, *first.pad], dilations=list(first.dilation))
        height, width = first.output_sizes((maps.height, maps.width))
        return replace(maps, name=y, channels=first.num_output, height=height, width=width)
    return run


@_stacks("LocallySharedConvolution")
def _locally_shared_convolution(layers):
    first = layers[0]

    def run(b, maps):
        halo, regions = first.kernel - 1, first.p * first.q
        maps = maps.regions(b, first.p, first.q, halo)
        parameters = []
        for i in range(len(first.blobs)):                        # (G, regions * maps, ...) -> (regions * G * maps, ...)
            blob = _blobs(layers, i)
            blob = blob.reshape(maps.count, regions, first.num_output, *blob.shape[2:]).swapaxes(0, 1)
            parameters.append(b.constant(_merged(blob, 3)))
        y = b.node("Conv", maps.name, *parameters, group=regions * maps.count, kernel_shape=[first.kernel] * 2)
        return replace(maps, name=y, channels=first.num_output, height=maps.height - halo, width=maps.width - halo)
    return run


@_stacks("LocallySharedScale")
def _locally_shared_scale(layers):
    """Gain and bias: one number a map where the maps lie in the same regions, else spread over the whole map."""
    p, q, channels = layers[0].p, layers[0].q, layers[0].channels

    def run(b, maps):
        y = maps
        if (maps.p, maps.q) != (p, q):
            y = maps.joined(b)
        for op, index in (("Mul", 0), ("Add", 1)):
            blob = _blobs(layers, index).reshape(-1, p, q, channels)
            if (y.p, y.q) == (p, q):
                values = blob.transpose(1, 2, 0, 3).reshape(-1, 1, 1)
            else:
                values = blob.transpose(0, 3, 1, 2).repeat(y.height // p, 2).repeat(y.width // q, 3)
                values = _merged(values, 2)
            y = replace(y, name=b.node(op, y.name, b.constant(values)))
        return y
    return run


@_stacks("Pooling")
def _pooling(layers):
    """Windows beside each other that divide the map evenly; regions they divide evenly, too, stay."""
    first = layers[0]
    if not first.is_max or first.kernel != first.stride or any(first.pad) or first.num_tops != 1:
        return None

    def run(b, maps):
        if maps.height % first.kernel[0] or maps.width % first.kernel[1]:
            maps = maps.joined(b)
        height, width = first._pooled((maps.height, maps.width))
        short = [n * k - size for n, k, size in zip((height, width), first.kernel, (maps.height, maps.width))]
        y = b.node("MaxPool", maps.name, kernel_shape=list(first.kernel), strides=list(first.stride),
                   pads=[0, 0, *short])
        return replace(maps, name=y, height=height, width=width)
    return run


@_stacks("InnerProduct")
def _inner_product(layers):
    first = layers[0]
    if first.start != 1 or first.transpose:
        return None

    def run(b, maps):
        y, order = maps.vectors(b)
        y = b.node("MatMul", y, b.constant(_blobs(layers, 0)[:, :, order].swapaxes(1, 2)))
        if len(first.blobs) > 1:
            y = b.node("Add", y, b.constant(_blobs(layers, 1)[:, None]))
        return Maps(y, maps.count, first.num_output, 0, 0)
    return run


def _merged(array, axes):
    """The first axes as one."""
    return array.reshape(-1, *array.shape[axes:])
