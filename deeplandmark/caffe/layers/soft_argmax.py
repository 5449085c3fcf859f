"""SoftArgmax: the place that each map means. deeplandmark's own layer."""
import torch

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


@layer("SoftArgmax")
class SoftArgmax(Layer):
    """The mean place of each map's cells, each weighted by the softmax of its value over the whole map.

    (N, K, H, W) -> (N, 2K), x1 y1 x2 y2 ... soft_argmax_param: left, top, right, bottom, where the maps' edges lie in
    the units of the answer; a cell counts as its middle. The larger a map's values, the nearer the answer comes to its
    maximum.
    """
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        p = self.param.soft_argmax_param
        if not (p.left < p.right and p.top < p.bottom):
            self.fail(f"soft_argmax_param needs left < right and top < bottom, found {p.left} {p.right} {p.top} "
                      f"{p.bottom}")

    def reshape(self, bottom_shapes):
        shape = tuple(bottom_shapes[0])
        if len(shape) != 4 or not shape[2] * shape[3]:
            self.fail(f"takes maps (N, K, H, W) of at least one cell, found shape {shape}")
        return [(shape[0], 2 * shape[1])]

    def forward(self, x):
        shares = x.flatten(2).softmax(2)
        return (shares @ self.middles(*x.shape[2:]).to(x)).flatten(1),

    def middles(self, rows, columns):
        """Where the middles of the cells lie, x and y: float32 (rows * columns, 2), row after row."""
        p = self.param.soft_argmax_param
        y, x = (first + (last - first) * (torch.arange(n) + 0.5) / n
                for first, last, n in ((p.top, p.bottom, rows), (p.left, p.right, columns)))
        return torch.stack([x.repeat(rows), y.repeat_interleave(columns)], 1)
