"""Resample and Downsample of FlowNet2 (lmb-freiburg/flownet2): maps in another size."""
import numpy as np
import torch

from deeplandmark.caffe.layers.fork_shape import MapLayer
from deeplandmark.caffe.layers.no_backward import without_backward
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.layers.roi import rounded
from deeplandmark.caffe.limits import check_shape


class ResizeLayer(MapLayer):
    """(N, C, H, W) to the size of the settings, or to that of a second bottom. No backward, as in the fork."""
    exact_bottoms = None
    min_bottoms, max_bottoms = 1, 2
    no_gradient_bottoms = (1,)

    def reshape(self, bottom_shapes):
        shape = self.map_shape(bottom_shapes[0])
        size = self.map_shape(bottom_shapes[1])[2:] if len(bottom_shapes) > 1 else self.given_size()
        if min(*size, *shape[2:]) < 1:
            self.fail(f"cannot resize a bottom of shape {shape} to {size[0]} x {size[1]}")
        for before, after in zip(shape[2:], size):
            check_shape((after, before))                       # of the weights
        self.check_sizes(shape[2:], size)
        return [(*shape[:2], *size)]

    def given_size(self):
        """(rows, columns) of the settings."""
        raise NotImplementedError(f"{type(self).__name__} has no given_size")

    def check_sizes(self, before, after):
        """Refuses sizes (rows, columns), as a NetError; nothing by default."""

    def forward(self, *bottoms):
        x, shapes = bottoms[0], [bottom.shape for bottom in bottoms]
        size = self.reshape(shapes)[0][2:]
        with torch.no_grad():
            y = self.resize(x, size)
        return without_backward(self, y, x),

    def resize(self, x, size):
        """(N, C, H, W) -> (N, C, *size)"""
        raise NotImplementedError(f"{type(self).__name__} has no resize")


@layer("Resample")
class Resample(ResizeLayer):
    """Maps resized by the nearest cell, linearly or cubically (resample_layer.cu of lmb-freiburg/flownet2).

    (N, C, H, W), or with a second bottom of the wanted size -> (N, C, rows, columns). With f_x columns and f_y rows of
    the bottom to one of the top, column x of the top lies at x * f_x + f_y / 2 - 1/2 and row y at
    y * f_y + f_x / 2 - 1/2: the fork has the two shifts the other way round, which shows where f_x and f_y differ.
    Cells outside count nowhere; NEAREST takes the last one there, where the fork reads beside the row.

    resample_param: height, width, type (NEAREST, LINEAR, CUBIC), antialias: a size that shrinks is smoothed by as much.
    AREA is refused, as in the fork.
    """

    def create(self, bottom_shapes):
        p = self.param.resample_param
        if p.type == p.AREA:
            self.fail("type AREA is not covered: NEAREST, LINEAR and CUBIC are")

    def given_size(self):
        return self.param.resample_param.height, self.param.resample_param.width

    def resize(self, x, size):
        p, before = self.param.resample_param, tuple(x.shape[2:])
        if p.type == p.NEAREST:
            rows, columns = (torch.from_numpy(cells).to(x.device) for cells in self.nearest(before, size))
            return x[:, :, rows][:, :, :, columns]
        rows, columns = (torch.from_numpy(weights).to(x) for weights in self.weights(before, size))
        return rows @ x @ columns.T

    def places(self, before, after):
        """Where the rows and the columns of the top lie in the bottom, two float32 arrays, and the cells between them.

        In float32, as the fork counts them: which cell is nearest depends on it.
        """
        steps = [np.float32(b) / np.float32(a) for b, a in zip(before, after)]
        return [np.arange(count, dtype=np.float32) * step + other / np.float32(2) - np.float32(0.5)
                for count, step, other in zip(after, steps, reversed(steps))], steps

    def nearest(self, before, after):
        """The row for each row and the column for each column, two int64 arrays."""
        return [rounded(places).clip(0, size - 1).astype(np.int64)
                for places, size in zip(self.places(before, after)[0], before)]

    def weights(self, before, after):
        """What each row adds to each row of the top and each column to each column: two float64 (after, before)."""
        p = self.param.resample_param
        kernel = _cubic if p.type == p.CUBIC else _triangle
        places, steps = self.places(before, after)
        smoothed = p.antialias and max(steps) > 1
        found = []
        for at, size, step in zip(places, before, steps):
            away = at.astype(np.float64)[:, None] - np.arange(size)
            found.append(_shares(kernel(np.abs(away / step if smoothed else away))))
        return found


def _triangle(t):
    return (1 - t).clip(0)


def _cubic(t):
    near, far = t * t * (1.5 * t - 2.5) + 1, t * (t * (-0.5 * t + 2.5) - 4) + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def _shares(weights):
    """Each row of weights with the sum 1; one without any stays 0."""
    total = weights.sum(1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total != 0)


@layer("Downsample")
class Downsample(ResizeLayer):
    """Maps made smaller, corners on corners, each cell a mean that leaves NaN out (downsample_layer.cu, FlowNet2).

    lmb-freiburg/flownet2. (N, C, H, W), or with a second bottom of the wanted size -> (N, C, rows, columns). A cell of
    the top weighs those of the bottom by their nearness, a triangle that ends at the middles of its neighbours, the
    product of rows and columns. It is NaN where the NaN below it weigh more than half of the other cells; where the top
    is larger, also where no cell is near enough. Both sizes must be at least 2, unless nothing changes.
    downsample_param: top_height, top_width.
    """

    def given_size(self):
        return self.param.downsample_param.top_height, self.param.downsample_param.top_width

    def check_sizes(self, before, after):
        if tuple(before) != tuple(after) and min(*before, *after) < 2:
            self.fail(f"one row or column has no corners: {before[0]} x {before[1]} to {after[0]} x {after[1]}")

    def resize(self, x, size):
        if tuple(x.shape[2:]) == tuple(size):
            return x.clone()
        rows, columns = (torch.from_numpy(_nearness(*sizes)).to(x) for sizes in zip(x.shape[2:], size))
        unknown = x.isnan()
        total, known, lost = (rows @ part @ columns.T for part in (
            torch.where(unknown, 0.0, x), (~unknown).to(x), unknown.to(x)))
        return torch.where(lost / known > 0.5, torch.nan, total / known)


def _nearness(before, after):
    """Weights of an axis' cells for the cells of the top, float64 (after, before)."""
    step = (before - 1) / (after - 1)
    return (1 - np.abs(np.arange(after)[:, None] * step - np.arange(before)) / step).clip(0)
