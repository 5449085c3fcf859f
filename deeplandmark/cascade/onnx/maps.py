"""Values between the layers of G networks: maps that lie side by side, in one of two layouts.

As *planes* a map's pixels lie side by side, which ONNX Runtime's convolutions want; as *pixels* the maps of a pixel do,
which makes a convolution of few pixels a gather of blocks and a matrix product, several times faster.

Weights shared in p x q regions leave their result in regions, each a map of its own; they are joined when needed.
"""
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Planes:
    """Attributes
    ----------
    name : str
        Tensor (n, p * q * G * channels, height, width).
    count : int
        G.
    channels, height, width : int
        Maps of one network; rows and columns of one region.
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
        y = b.node("Concat", *pieces, axis=1)
        return replace(whole, name=y, height=rows + halo, width=columns + halo, p=p, q=q)

    @property
    def shape(self):
        """(rows, columns) of the whole map."""
        return self.p * self.height, self.q * self.width

    def planes(self, b):
        return self

    def pixels(self, b):
        inside, regions = self.height * self.width, self.p * self.q
        y = b.node("Reshape", self.name, b.constant([0, regions, self.count, self.channels, inside]))
        y = b.node("Transpose", y, perm=[2, 1, 0, 4, 3])
        place = np.arange(regions * inside).reshape(self.p, self.q, self.height, self.width)
        place = place.swapaxes(1, 2).reshape(self.p * self.height, self.q * self.width)
        return Pixels(y, self.count, self.channels, place, self.p, self.q)

    def vectors(self, b):
        return self.pixels(b).vectors(b)


@dataclass(frozen=True)
class Pixels:
    """Attributes
    ----------
    name : str
        Tensor (G, p * q, n, slots, channels); a slot is the place of a pixel of a region.
    count, channels : int
        G and the maps of one network.
    place : int array (height, width) of the whole map
        Where a pixel is: region * slots + slot.
    p, q : int
        Regions in rows and in columns.
    taps : int
        The slots lie in this many equal parts; the cells of a pooling window lie in different parts, at the same place.
    """
    name: str
    count: int
    channels: int
    place: np.ndarray
    p: int
    q: int
    taps: int = 1

    @property
    def shape(self):
        return self.place.shape

    def flat(self, b):
        """(G, n, p * q * slots, channels)"""
        y = self.name
        if self.p * self.q > 1:
            y = b.node("Transpose", y, perm=[0, 2, 1, 3, 4])
        shape = [self.count, -1, self.place.size, self.channels]
        return b.node("Reshape", y, b.constant(shape))

    def planes(self, b):
        y = b.node("Gather", self.flat(b), b.constant(self.place.ravel()), axis=2)      # (G, n, h * w, channels)
        y = b.node("Transpose", y, perm=[1, 0, 3, 2])
        y = b.node("Reshape", y, b.constant([0, self.count * self.channels, *self.place.shape]))
        return Planes(y, self.count, self.channels, *self.place.shape)

    def pixels(self, b):
        return self

    def vectors(self, b):
        numbers = self.place.size * self.channels
        y = b.node("Reshape", self.flat(b), b.constant([self.count, -1, numbers]))
        order = self.place.ravel() * self.channels + np.arange(self.channels)[:, None]
        return Vectors(y, self.count, numbers, order.ravel())


@dataclass(frozen=True)
class Vectors:
    """Attributes
    ----------
    name : str
        Tensor (G, n, size).
    count, size : int
        G and the numbers of one network.
    order : int array (size,)
        Where the numbers of Caffe's order (channels, rows, columns) stand.
    """
    name: str
    count: int
    size: int
    order: np.ndarray

    def vectors(self, b):
        return self

    def answers(self, b):
        """(n, G, size) in Caffe's order."""
        y = b.node("Transpose", self.name, perm=[1, 0, 2])
        in_order = (self.order == np.arange(self.size)).all()
        return y if in_order else b.node("Gather", y, b.constant(self.order), axis=2)
