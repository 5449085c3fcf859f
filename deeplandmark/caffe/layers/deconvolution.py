"""Deconvolution: a convolution run from its tops to its bottoms (deconv_layer.cpp)."""
import itertools
import math

import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.convolution import ConvolutionBase
from deeplandmark.caffe.layers.registry import layer

_DECONVOLUTIONS = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


@layer("Deconvolution")
class Deconvolution(ConvolutionBase):
    """Each cell adds its kernel to the top: size stride * (size - 1) + reach of the kernel - 2 * pad.

    Bottoms (leading axes..., channels, spatial...), tops (leading axes..., num_output, spatial...) (deconv_layer.cpp).
    Weights (channels, num_output / group, kernel...), so that the fan_in of fillers counts outputs; bias (num_output,).
    Fields as of Convolution. Backward is a convolution.
    """

    def weight_shape(self):
        """(channels, num_output / group, kernel...)"""
        return (self.channels, self.num_output // self.group, *self.kernel)

    def output_sizes(self, sizes):
        """Sizes of the top (tuple) for the spatial sizes of a bottom."""
        return tuple(stride * (size - 1) + dilation * (kernel - 1) + 1 - 2 * pad for size, stride, dilation, kernel, pad
                     in zip(sizes, self.stride, self.dilation, self.kernel, self.pad))

    def refuse_empty(self, counts, shape):
        """A NetError where pad leaves nothing of the top; `shape` is the bottom's."""
        if min(counts, default=1) < 1:
            self.fail(f"pad {self.pad} takes all of the top away: kernel {self.kernel}, bottom of shape {tuple(shape)}")

    def run(self, x, weight, bias):
        """(N, channels, spatial...) -> (N, num_output, spatial...)"""
        deconvolve = _DECONVOLUTIONS.get(self.num_spatial)
        if deconvolve is None:
            return self.add_bias(self._spread(x, weight), bias)
        return deconvolve(x.contiguous(), weight, bias, self.stride, self.pad, 0, self.group, self.dilation)

    def _spread(self, x, weight):
        """No spatial axis or more than 3: products added cell of the kernel by cell of the kernel."""
        n, sizes, group = x.shape[0], x.shape[2:], self.group
        columns = weight.reshape(group, self.channels // group, -1).transpose(1, 2)
        cells = torch.matmul(columns, x.reshape(n, group, self.channels // group, math.prod(sizes)))
        cells = cells.reshape(n, self.num_output, *self.kernel, *sizes)
        tops = self.output_sizes(sizes)
        whole = x.new_zeros(n, self.num_output, *(size + 2 * pad for size, pad in zip(tops, self.pad)))
        for place in itertools.product(*map(range, self.kernel)):
            steps = (slice(k * d, k * d + s * (size - 1) + 1, s)
                     for k, d, s, size in zip(place, self.dilation, self.stride, sizes))
            whole[(..., *steps)] += cells[(slice(None), slice(None), *place)]
        return whole[(..., *(slice(pad, pad + size) for size, pad in zip(tops, self.pad)))]
