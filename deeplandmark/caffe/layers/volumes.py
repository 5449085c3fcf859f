"""Convolution3D and Pooling3D of C3D (facebookarchive/C3D): windows over length, height and width of clips."""
import itertools
import math

import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.convolution import Convolution
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.limits import check_shape

_LOWEST = torch.finfo(torch.float32).min


class VolumeSettings:
    """The settings of v1.1, a message of their own, or where it is missing those of v1.0, in that for pictures."""

    def triple(self, word, depth_word):
        """(length, height, width) of one setting: `depth_word` for the first, `word` for the others."""
        across, depth = (getattr(self.settings, name) for name in (word, depth_word))
        if not isinstance(across, int):                          # a list, in that for pictures
            if len(across) > 1:
                self.fail(f"{word} is one number for height and width, found {list(across)}")
            across = across[0] if across else {"stride": 1}.get(word, 0)
        return (depth, across, across)

    def check_windows(self, shape):
        """The shape as a tuple; a NetError unless it is (N, C, length, height, width) and windows have a size."""
        if len(shape) != 5:
            self.fail(f"takes a bottom of 5 axes, found shape {tuple(shape)}")
        if min(*self.kernel, *self.stride) < 1:
            self.fail(f"kernel and stride must be at least 1, found {self.kernel} and {self.stride}")
        return tuple(shape)


@layer("Convolution3D")
class Convolution3D(VolumeSettings, Convolution):
    """Products of num_output kernels with windows of clips, plus a bias (convolution3d_layer.cpp, facebookarchive/C3D).

    (N, C, length, height, width) -> (N, num_output, windows...), their number rounded down. Blobs: weights (num_output,
    C, kernel_depth, kernel_size, kernel_size), bias (1, 1, 1, 1, num_output).

    convolution3d_param (v1.1) or convolution_param (v1.0): num_output, kernel_depth, kernel_size, temporal_stride,
    stride, temporal_pad, pad, bias_term, weight_filler, bias_filler. filter_group, a divisor of num_output, saves the
    fork memory and changes nothing; nor does group, there or here.
    """
    exact_bottoms = exact_tops = 1

    @property
    def settings(self):
        """A Convolution3DParameter or a ConvolutionParameter."""
        p = self.param
        return p.convolution3d_param if p.HasField("convolution3d_param") else p.convolution_param

    def read_windows(self, shape):
        """Fills what WindowLayer's does, from settings of other names."""
        self.kernel = self.triple("kernel_size", "kernel_depth")
        self.stride, self.pad = self.triple("stride", "temporal_stride"), self.triple("pad", "temporal_pad")
        self.channels = self.check_windows(shape)[1]
        self.channel_axis, self.num_spatial, self.dilation = 1, 3, (1, 1, 1)

    def read_outputs(self, p):
        """Reads num_output; a NetError where it is 0 or no multiple of filter_group."""
        self.num_output, self.group = p.num_output, 1
        if p.num_output < 1 or p.filter_group < 1 or p.num_output % p.filter_group:
            self.fail(f"num_output must be a multiple of filter_group, found {p.num_output} and {p.filter_group}")

    def bias_shape(self):
        """(1, 1, 1, 1, num_output)"""
        return (1, 1, 1, 1, self.num_output)

    def run(self, x, weight, bias):
        """(N, C, length, height, width) -> (N, num_output, windows...)"""
        return super().run(x, weight, None if bias is None else bias.reshape(-1))


@layer("Pooling3D")
class Pooling3D(VolumeSettings, Layer):
    """MAX or AVE over windows of clips (N, C, length, height, width) (pool3d_layer.cpp of facebookarchive/C3D).

    Top (N, C, windows...), their number rounded up; none is dropped, and one that sees no cell is the lowest float32.
    MAX: every cell equal to the maximum gets the whole gradient. AVE: padding counts as zeros, what overhangs it or the
    length does not count.

    pooling3d_param (v1.1) or pooling_param (v1.0): pool, kernel_depth, kernel_size, temporal_stride, stride, pad of
    height and width, for AVE alone. STOCHASTIC is refused, as in the fork.
    """
    exact_bottoms = exact_tops = 1
    is_stochastic = False

    @property
    def settings(self):
        """A Pooling3DParameter or a PoolingParameter."""
        p = self.param
        return p.pooling3d_param if p.HasField("pooling3d_param") else p.pooling_param

    def create(self, bottom_shapes):
        p = self.settings
        if p.pool == p.STOCHASTIC:
            self.fail("pool STOCHASTIC is not covered: MAX and AVE are")
        self.is_max, self.pad = p.pool == p.MAX, (0, p.pad, p.pad)
        self.kernel, self.stride = self.triple("kernel_size", "kernel_depth"), self.triple("stride", "temporal_stride")
        if self.is_max and p.pad:
            self.fail(f"pad is for AVE alone, found {p.pad}")

    def reshape(self, bottom_shapes):
        shape = self.check_windows(bottom_shapes[0])
        counts = self.counts(shape[2:])
        if min(counts) < 1:
            self.fail(f"kernel {self.kernel} is larger than the bottom, shape {shape}, with pad {self.pad}")
        check_shape((*shape[:2], *self._covered(counts)))
        return [(*shape[:2], *counts)]

    def counts(self, sizes):
        """Windows (int) along length, height and width."""
        return tuple(-(-(size + 2 * pad - kernel) // stride) + 1
                     for size, kernel, stride, pad in zip(sizes, self.kernel, self.stride, self.pad))

    def _covered(self, counts):
        """Cells from the first of all windows to the last, along each axis."""
        return [(n - 1) * stride + kernel for n, stride, kernel in zip(counts, self.stride, self.kernel)]

    def forward(self, x):
        sizes, counts = tuple(x.shape[2:]), self.counts(x.shape[2:])
        if not x.numel():
            return x.new_zeros(*x.shape[:2], *counts),
        # As many cells as the windows cover: filled where they overhang, cut where they end earlier.
        around = [(pad, cells - pad - size) for pad, cells, size in zip(self.pad, self._covered(counts), sizes)]
        x = F.pad(x, list(itertools.chain(*reversed(around))), value=_LOWEST if self.is_max else 0.0)
        stride = tuple(s if n > 1 else 1 for s, n in zip(self.stride, counts))       # torch takes none above 2^31
        if self.is_max:
            return _Maximum.apply(x, self.kernel, stride),
        return F.avg_pool3d(x, self.kernel, stride, divisor_override=1) / self._cells(counts, sizes, x),

    def _cells(self, counts, sizes, like):
        """Cells that each window's sum is divided by: those within [-pad, size + pad) of each axis."""
        cells = []
        for n, kernel, stride, pad, size in zip(counts, self.kernel, self.stride, self.pad, sizes):
            start = torch.arange(n, device=like.device) * stride - pad
            cells.append((start + kernel).clamp(max=size + pad) - start)
        return math.prod(axis.reshape(-1, *(1,) * (2 - i)) for i, axis in enumerate(cells)).to(like)


class _Maximum(torch.autograd.Function):
    """Maxima of windows; in backward each cell adds up the diffs of the maxima that it equals."""

    @staticmethod
    def forward(ctx, x, kernel, stride):
        top = F.max_pool3d(x, kernel, stride)
        ctx.save_for_backward(x, top)
        ctx.windows = kernel, stride
        return top

    @staticmethod
    def backward(ctx, diff):
        (x, top), (kernel, stride) = ctx.saved_tensors, ctx.windows
        result = torch.zeros_like(x)
        for cell in itertools.product(*map(range, kernel)):      # at this place of every window
            here = (..., *(slice(at, at + (n - 1) * s + 1, s) for at, n, s in zip(cell, top.shape[2:], stride)))
            result[here] += diff * (x[here] == top)
        return result, None, None
