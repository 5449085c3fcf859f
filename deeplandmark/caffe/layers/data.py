"""Layers without bottoms that hold or make their data: Input, MemoryData, DummyData."""
import math

import numpy as np
import torch

from deeplandmark.caffe.fillers import constant, fill
from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


class DataLayer(Layer):
    """A layer without bottoms, whose tops are float32 batches on the net's device.

    `is_input` says that its tops are set from outside and forward leaves them alone.
    """
    exact_bottoms = 0
    is_input = False

    def __init__(self, param, phase, context):
        super().__init__(param, phase, context)
        # Follows the module through .to(device), so that batches are made where the net is.
        self.register_buffer("place", torch.empty(0), persistent=False)

    def set_batch(self, batch_size):
        """Sets `batch_of_all` and `batch_size`, the rows (int) that all ranks together read for a batch and those that
        are this one's; a NetError where there are none."""
        share = self.context.share
        self.batch_of_all, self.batch_size = share.of_all(batch_size), share.own(batch_size)
        if not self.batch_size:
            self.fail(f"batch_size {batch_size} cannot be divided among {share.count} ranks")

    def to_place(self, tensor):
        """A batch as float32 on the net's device; no copy when it is there already."""
        return tensor.to(device=self.place.device, dtype=torch.float32)


@layer("Input")
class Input(DataLayer):
    """Blobs that the caller fills (input_layer.cpp): only their shapes are known.

    input_param: shape, none, one for all tops or one each; without it a top begins as (0,).
    """
    min_tops = 1
    is_input = True

    def reshape(self, bottom_shapes):
        shapes = self.param.input_param.shape
        if len(shapes) not in (0, 1, self.num_tops):
            self.fail(f"input_param has {len(shapes)} shapes for {self.num_tops} tops; give none, one or one each")
        if not shapes:
            return [(0,)] * self.num_tops
        return [tuple(shapes[i if len(shapes) > 1 else 0].dim) for i in range(self.num_tops)]

    def forward(self):
        self.fail("its blobs are inputs: give them by name")


@layer("MemoryData")
class MemoryData(DataLayer):
    """Batches from arrays given by `set_input_arrays` (memory_data_layer.cpp).

    Tops are data (batch_size, channels, height, width) and label (batch_size,) - (batch_size, 1, 1, 1) once it has run,
    as in Caffe. memory_data_param: batch_size, channels, height, width. transform_param is not applied to arrays, as in
    Caffe. A forward without arrays is a NetError.
    """
    exact_tops = 2

    def create(self, bottom_shapes):
        p = self.param.memory_data_param
        self.item_shape = (p.channels, p.height, p.width)
        self.batch_size = p.batch_size
        if not self.batch_size or 0 in self.item_shape:
            self.fail("memory_data_param needs batch_size, channels, height and width, each at least 1, "
                      f"found {p.batch_size} {p.channels} {p.height} {p.width}")
        self.data = self.labels = None
        self.row = 0

    def reshape(self, bottom_shapes):
        return [(self.batch_size, *self.item_shape), (self.batch_size,)]

    def set_arrays(self, data, labels):
        """Arrays to take batches from, round after round; converted to float32 where they are not.

        Parameters
        ----------
        data : array (n, channels, height, width)
        labels : array (n,) or (n, 1, 1, 1)

        Raises
        ------
        NetError
            For other shapes, or an n that is no multiple of batch_size.
        """
        data = torch.from_numpy(np.ascontiguousarray(data, dtype=np.float32))
        labels = torch.from_numpy(np.ascontiguousarray(labels, dtype=np.float32))
        n = len(data)
        if tuple(data.shape[1:]) != self.item_shape:
            self.fail(f"data has shape {tuple(data.shape)}, expected (n, {', '.join(map(str, self.item_shape))})")
        if len(labels) != n or labels.numel() != n:
            self.fail(f"labels have shape {tuple(labels.shape)}, expected ({n},) or ({n}, 1, 1, 1)")
        if n == 0 or n % self.batch_size:
            self.fail(f"{n} items are not a multiple of batch_size {self.batch_size}")
        self.data, self.labels, self.row = data, labels.reshape(n, 1, 1, 1), 0

    def forward(self):
        if self.data is None:
            self.fail("has no data: call set_input_arrays first")
        rows = slice(self.row, self.row + self.batch_size)
        self.row = rows.stop % len(self.data)
        return self.to_place(self.data[rows]), self.to_place(self.labels[rows])


@layer("DummyData")
class DummyData(DataLayer):
    """Tops drawn by fillers (dummy_data_layer.cpp): constants once, everything else again at every forward.

    dummy_data_param: shape (or the older num, channels, height, width) and data_filler, each one for all tops or one
    each; zeros without a filler.
    """
    min_tops = 1

    def create(self, bottom_shapes):
        p = self.param.dummy_data_param
        if len(p.data_filler) not in (0, 1, self.num_tops):
            self.fail(f"{len(p.data_filler)} data_filler for {self.num_tops} tops; give none, one or one each")
        legacy = len(p.num)
        if legacy and p.shape:
            self.fail("give shape or num/channels/height/width, not both")
        if any(len(dims) != legacy for dims in (p.channels, p.height, p.width)):
            self.fail("num, channels, height and width must be given equally often")
        shapes = [tuple(s.dim) for s in p.shape] or list(zip(p.num, p.channels, p.height, p.width))
        if len(shapes) not in (1, self.num_tops):
            self.fail(f"{len(shapes)} shapes for {self.num_tops} tops; give one or one each")
        self.shapes = shapes if len(shapes) == self.num_tops else shapes * self.num_tops
        for shape in self.shapes:
            self.context.reserve(shape)
        fillers = list(p.data_filler) or [constant(0.0)]
        self.fillers = fillers if len(fillers) == self.num_tops else fillers * self.num_tops
        self.kept = [self._draw(i) if f.type == "constant" else None for i, f in enumerate(self.fillers)]

    def reshape(self, bottom_shapes):
        return list(self.shapes)

    def forward(self):
        return tuple(self.to_place(self._draw(i) if kept is None else kept) for i, kept in enumerate(self.kept))

    def _draw(self, index):
        if math.prod(self.shapes[index]) == 0:
            return torch.empty(self.shapes[index])
        return fill(self.fillers[index], self.shapes[index], self.context.own_generator)
