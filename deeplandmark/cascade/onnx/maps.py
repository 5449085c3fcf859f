"""Values between the layers of G networks: maps that lie side by side, in one of two layouts.

As *planes* a map's pixels lie side by side, which ONNX Runtime's convolutions want; as *pixels* the maps of a pixel do,
which makes a convolution with other weights in each region a gather of blocks and a matrix product for each of them.

Weights shared in p x q regions leave their result in regions, each a map of its own; planes are joined when needed.
"""
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Planes:
    """Attributes
    ----------
    names : tuple of str
        Tensors (n, ..., height, width), which together, side by side, are (n, p * q * G * room, height, width).
    count : int
        G.
    channels, room : int
        Maps of one network, and places for maps it has: what lies behind the maps is zero or does not count.
    height, width : int
        Rows and columns of one region.
    p, q : int
        Regions in rows and in columns.
    """
    names: tuple
    count: int
    channels: int
    room: int
    height: int
    width: int
    p: int = 1
    q: int = 1

    def each(self, run):
        """The same with `run(name) -> name` done to all tensors."""
        return replace(self, names=tuple(map(run, self.names)))

    def whole(self, b):
        """The name of one tensor that holds all."""
        return self.names[0] if len(self.names) == 1 else b.node("Concat", *self.names, axis=1)

    def joined(self, b):
        """The same without regions."""
        if self.p == self.q == 1:
            return self
        maps = self.count * self.room
        height, width = self.p * self.height, self.q * self.width
        y = b.node("Reshape", self.whole(b), b.constant([0, self.p, self.q, maps, self.height, self.width]))
        y = b.node("Transpose", y, perm=[0, 3, 1, 4, 2, 5])
        y = b.node("Reshape", y, b.constant([0, maps, height, width]))
        return replace(self, names=(y,), height=height, width=width, p=1, q=1)

    def regions(self, b, p, q, halo):
        """p x q regions of the whole map, each with `halo` more rows and columns than its share."""
        whole = self.joined(b)
        if p == q == 1:
            return whole
        name = whole.whole(b)
        rows, columns = (whole.height - halo) // p, (whole.width - halo) // q
        size = np.array([rows, columns])
        pieces = [b.node("Slice", name, b.constant(size * place), b.constant(size * place + size + halo),
                         b.constant([2, 3])) for place in np.ndindex(p, q)]
        return replace(whole, names=tuple(pieces), height=rows + halo, width=columns + halo, p=p, q=q)

    def by_network(self, b):
        """The same with a tensor for each network and region."""
        if self.count == 1 or len(self.names) == self.p * self.q * self.count:
            return self
        sizes = b.constant([self.room] * self.count)
        pieces = [b.node("Split", name, sizes, outputs=self.count, axis=1) for name in self.names]
        return replace(self, names=tuple(name for piece in pieces for name in piece))

    def trimmed(self, b):
        """The same with room for the maps and nothing else."""
        if self.room == self.channels:
            return self
        groups = self.p * self.q * self.count
        y = b.node("Reshape", self.whole(b), b.constant([0, groups, self.room, self.height, self.width]))
        y = b.node("Slice", y, b.constant([0]), b.constant([self.channels]), b.constant([2]))
        y = b.node("Reshape", y, b.constant([0, groups * self.channels, self.height, self.width]))
        return replace(self, names=(y,), room=self.channels)

    @property
    def shape(self):
        """(rows, columns) of the whole map."""
        return self.p * self.height, self.q * self.width

    def planes(self, b):
        return self

    def pixels(self, b):
        parts = self.p * self.q * self.count
        y = b.node("Transpose", self.whole(b), perm=[0, 2, 3, 1])
        y = b.node("Reshape", y, b.constant([0, self.height * self.width * parts, self.room]))
        if self.room > self.channels:
            y = b.node("Slice", y, b.constant([0]), b.constant([self.channels]), b.constant([2]))
        # Stored in the order row, column, region, network.
        place = np.arange(self.height * self.width * parts)
        place = place.reshape(self.height, self.width, self.p, self.q, self.count).transpose(4, 2, 0, 3, 1)
        return Pixels(y, self.channels, place.reshape(self.count, *self.shape), self.p, self.q)

    def vectors(self, b):
        whole = self.joined(b)
        numbers = self.room * whole.height * whole.width
        y = b.node("Reshape", whole.whole(b), b.constant([0, self.count, numbers]))
        y = b.node("Transpose", y, perm=[1, 0, 2])
        return Vectors(y, self.count, numbers, np.arange(self.channels * whole.height * whole.width))


@dataclass(frozen=True)
class Pixels:
    """Attributes
    ----------
    name : str
        Tensor (n, pixels of all networks, channels).
    channels : int
        Maps of one network.
    place : int array (G, height, width) of the whole map
        Where a pixel is.
    p, q : int
        Regions in rows and in columns.
    taps : int
        The pixels of a region lie in this many equal parts; the cells of a pooling window lie in different parts, at
        the same place.
    """
    name: str
    channels: int
    place: np.ndarray
    p: int
    q: int
    taps: int = 1

    @property
    def count(self):
        return len(self.place)

    @property
    def shape(self):
        return self.place.shape[1:]

    def each(self, run):
        return replace(self, name=run(self.name))

    def planes(self, b):
        y = b.node("Gather", self.name, b.constant(self.place.ravel()), axis=1)           # (n, G * h * w, channels)
        y = b.node("Reshape", y, b.constant([0, self.count, self.place[0].size, self.channels]))
        y = b.node("Transpose", y, perm=[0, 1, 3, 2])
        y = b.node("Reshape", y, b.constant([0, self.count * self.channels, *self.shape]))
        return Planes((y,), self.count, self.channels, self.channels, *self.shape)

    def pixels(self, b):
        return self

    def vectors(self, b):
        y, place, count = self.name, self.place.reshape(self.count, -1), self.place[0].size
        if (place // count != np.arange(self.count)[:, None]).any():
            y = b.node("Gather", y, b.constant(place.ravel()), axis=1)
            place = np.arange(place.size).reshape(place.shape)
        y = b.node("Reshape", y, b.constant([0, self.count, count * self.channels]))
        y = b.node("Transpose", y, perm=[1, 0, 2])
        order = place[0] * self.channels + np.arange(self.channels)[:, None]
        return Vectors(y, self.count, count * self.channels, order.ravel())


@dataclass(frozen=True)
class Vectors:
    """Attributes
    ----------
    name : str
        Tensor (G, n, size).
    count, size : int
        G and the numbers of one network.
    order : int array
        Where the numbers of Caffe's order (channels, rows, columns) stand.
    """
    name: str
    count: int
    size: int
    order: np.ndarray

    def each(self, run):
        return replace(self, name=run(self.name))

    def vectors(self, b):
        return self

    def answers(self, b):
        """(n, G, numbers) in Caffe's order."""
        y = b.node("Transpose", self.name, perm=[1, 0, 2])
        in_order = np.array_equal(self.order, np.arange(self.size))
        return y if in_order else b.node("Gather", y, b.constant(self.order), axis=2)
