"""Correlation and Correlation1D of FlowNet and DispNet: how alike two maps are at places that are moved apart."""
import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.limits import check_shape


@layer("Correlation")
class Correlation(Layer):
    """Mean product of two maps in windows moved apart, a channel for each move (correlation_layer.cu of FlowNet).

    lmb-freiburg/flownet2. Two bottoms (N, C, H, W) of one shape; top (N, (2r + 1)^2, rows, columns), r being
    max_displacement / stride_2: channel (i + r)(2r + 1) + j + r compares the window of kernel_size cells in bottom 0
    with that i * stride_2 rows and j * stride_2 columns further in bottom 1. Windows stand stride_1 cells apart, the
    first max_displacement from the border, after both bottoms have got pad cells of 0 on all sides.

    correlation_param: kernel_size (odd) and max_displacement, both needed, pad, stride_1, stride_2, correlation_type:
    MULTIPLY, or SUBTRACT for the mean absolute difference. do_abs has no effect there either. Backward is the
    derivative; that of SUBTRACT in the fork compares other places.
    """
    exact_bottoms, exact_tops = 2, 1

    def create(self, bottom_shapes):
        p = self.param.correlation_param
        if not p.HasField("kernel_size") or not p.HasField("max_displacement") or p.kernel_size % 2 == 0:
            self.fail("needs an odd kernel_size and a max_displacement, found "
                      f"{p.kernel_size} and {p.max_displacement}")
        if p.stride_1 < 1 or p.stride_2 < 1:
            self.fail(f"stride_1 and stride_2 must be at least 1, found {p.stride_1} and {p.stride_2}")
        self.size, self.stride, self.reach = p.kernel_size, p.stride_1, p.max_displacement
        self.products = p.correlation_type == p.MULTIPLY
        self.pad, self.borders = (p.pad, p.pad), (p.max_displacement, p.max_displacement)
        self.steps = p.max_displacement // p.stride_2
        self.channels = (2 * self.steps + 1) ** 2

    def reshape(self, bottom_shapes):
        shape, other = map(tuple, bottom_shapes)
        if len(shape) != 4 or shape != other:
            self.fail(f"takes two bottoms (N, C, H, W) of one shape, found {shape} and {other}")
        padded = [size + 2 * pad for size, pad in zip(shape[2:], self.pad)]
        check_shape((*shape[:2], *padded))
        counts = [-(-(size - 2 * border - self.size + 1) // self.stride) for size, border in zip(padded, self.borders)]
        if min(counts) < 1 or shape[1] < 1:
            self.fail(f"kernel_size {self.size} and max_displacement {self.reach} do not fit into a bottom of shape "
                      f"{shape} with pad {self.pad[1]}")
        return [(shape[0], self.channels, *counts)]

    def forward(self, a, b):
        top = self.reshape([a.shape, b.shape])[0]
        a, b = (F.pad(x, (self.pad[1], self.pad[1], self.pad[0], self.pad[0])) for x in (a, b))
        rows, columns = (self.places(border, count) for border, count in zip(self.borders, top[2:]))
        # Windows of one cell are compared where they stand, larger ones at every cell that one of them covers.
        tops = [self._compare(a[:, :, rows][:, :, :, columns], b[:, :, moved], columns, across)
                for moved, across in self._displaced(rows)]
        y = torch.cat(tops, 1)
        return y if self.size == 1 else F.avg_pool2d(y, self.size, self.stride),

    def places(self, border, count):
        """The cells of an axis, a slice, that `count` windows compare."""
        if self.size == 1:
            return slice(border, border + (count - 1) * self.stride + 1, self.stride)
        return slice(border, border + (count - 1) * self.stride + self.size)

    def displacements(self):
        """(rows, columns) between the windows, for each channel."""
        moves = [step * self.param.correlation_param.stride_2 for step in range(-self.steps, self.steps + 1)]
        return [(down, across) for down in moves for across in moves]

    def _displaced(self, rows):
        """(rows of bottom 1, a slice; moves along them, a list of int) for each move up or down."""
        by_row = {}
        for down, across in self.displacements():
            by_row.setdefault(down, []).append(across)
        for down, moves in by_row.items():
            yield slice(rows.start + down, rows.stop + down, rows.step), moves

    def _compare(self, a, b, columns, moves):
        """(N, C, h, w) and (N, C, h, all columns of bottom 1) -> (N, len(moves), h, w)."""
        first = self.first_column(moves)
        b = F.pad(b, (max(-first, 0), 0))
        places = torch.arange(columns.start, columns.stop, columns.step or 1, device=a.device)[:, None] + \
            torch.tensor(moves, device=a.device) + max(-first, 0)
        if not self.products:
            return (a[..., None] - b[..., places]).abs().mean(1).permute(0, 3, 1, 2)
        # All pairs of columns in one product, of which a band is kept: several times faster than pair by pair.
        pairs = a.permute(0, 2, 3, 1) @ b.permute(0, 2, 1, 3)
        band = pairs.gather(3, places.expand(*pairs.shape[:2], *places.shape))
        return band.permute(0, 3, 1, 2) / a.shape[1]

    def first_column(self, moves):
        """The first column of the padded bottom 1 that is looked at; below 0 it lies before all of them."""
        return self.borders[1] + min(moves)


@layer("Correlation1D")
class Correlation1D(Correlation):
    """Correlation with windows moved along the rows alone (correlation_layer1d.cu of lmb-freiburg/flownet2, DispNet).

    Padding and max_displacement concern the columns only; top (N, 2r + 1, rows, columns), channel j + r for
    j * stride_2 columns. With single_direction 1 there are r + 1 channels, for 0 to r * stride_2 columns to the right;
    with -1 r + 1 for (r + 1) * stride_2 down to stride_2 columns to the left, so that 0 is not among them. The first of
    these may look at columns before the padding, which count as 0; the fork reads on in the row above.
    """

    def create(self, bottom_shapes):
        super().create(bottom_shapes)
        p = self.param.correlation_param
        if p.single_direction not in (-1, 0, 1):
            self.fail(f"single_direction must be -1, 0 or 1, found {p.single_direction}")
        self.pad, self.borders = (0, p.pad), (0, p.max_displacement)
        self.channels = self.steps + 1 if p.single_direction else 2 * self.steps + 1

    def displacements(self):
        """(0, columns) for each channel."""
        first = {-1: -self.channels, 0: -self.steps, 1: 0}[self.param.correlation_param.single_direction]
        return [(0, (first + i) * self.param.correlation_param.stride_2) for i in range(self.channels)]
