"""Convolution over any number of spatial axes (base_conv_layer.cpp, conv_layer.cpp), depthwise ones included."""
import math

import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers import winograd
from deeplandmark.caffe.layers.memory_format import channels_innermost
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.layers.windows import WindowLayer

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class ConvolutionBase(WindowLayer):
    """Reads convolution_param: windows as in WindowLayer, num_output, group, bias_term, fillers (base_conv_layer.cpp).

    A subclass has `weight_shape`, `output_sizes` and `run`; every bottom gives a top, by the same weights.
    """
    min_bottoms = min_tops = 1
    equal_bottoms_and_tops = True
    weights_are_stored = True    # whether `weights` are the blobs themselves

    def create(self, bottom_shapes):
        p = self.settings
        self.read_windows(bottom_shapes[0])
        self.read_outputs(p)
        # With the channels innermost, torch 2.13 corrupts memory where a kernel of one cell takes longer steps.
        self.innermost = all(k > 1 or s == 1 for k, s in zip(self.kernel, self.stride))
        self.add_blob(self.weight_shape(), p.weight_filler)
        if p.bias_term:
            self.add_blob(self.bias_shape(), p.bias_filler)

    def bias_shape(self):
        """(num_output,)"""
        return (self.num_output,)

    def read_outputs(self, p):
        """Reads num_output and group; a NetError unless both channels and num_output are multiples of group."""
        self.num_output, self.group = p.num_output, p.group
        if self.num_output < 1 or self.group < 1:
            self.fail(f"num_output and group must be at least 1, found {self.num_output} and {self.group}")
        if self.channels % self.group or self.num_output % self.group:
            self.fail(f"{self.channels} channels and num_output {self.num_output} must be multiples of "
                      f"group {self.group}")

    def reshape(self, bottom_shapes):
        lead, sizes = self.check_bottoms(bottom_shapes)
        spatial = self.output_sizes(sizes)
        self.refuse_empty(spatial, bottom_shapes[0])
        return [(*lead, self.num_output, *spatial)] * len(bottom_shapes)

    def weights(self):
        """(weights, bias or None), as `run` takes them."""
        return (*self.blobs, None)[:2]

    def forward(self, *bottoms):
        weight, bias = self.weights()
        tops = []
        for x in bottoms:
            y = self.run(self.one_batch(x), weight, bias)
            tops.append(y if self.channel_axis == 1 else y.reshape(*x.shape[:self.channel_axis], *y.shape[1:]))
        return tuple(tops)

    def add_bias(self, y, bias):
        """y (N, num_output, spatial...) plus the bias (num_output,), or y itself for None."""
        return y if bias is None else y + bias.view(-1, *(1,) * self.num_spatial)


@layer("Convolution")
class Convolution(ConvolutionBase):
    """Products of num_output kernels with every window of the bottom, plus a bias (conv_layer.cpp).

    Bottoms (leading axes..., channels, spatial...), any number of one shape; tops (leading axes..., num_output,
    windows...), the number of windows rounded down. Blobs: weights (num_output, channels / group, kernel...), bias
    (num_output,).

    convolution_param: num_output, kernel_size (or kernel_h, kernel_w), stride, pad, dilation, group, axis, bias_term,
    weight_filler, bias_filler; engine and force_nd_im2col change nothing here. Backward reaches bottoms and blobs.
    """

    transformed = None          # the weights as `winograd.convolve` takes them, while an engine that keeps them runs

    def weight_shape(self):
        """(num_output, channels / group, kernel...)"""
        return (self.num_output, self.channels // self.group, *self.kernel)

    def output_sizes(self, sizes):
        """Sizes of the top (tuple) for the spatial sizes of a bottom."""
        return self.window_counts(sizes)

    def run(self, x, weight, bias):
        """(N, channels, spatial...) -> (N, num_output, windows...)"""
        convolve = _CONVOLUTIONS.get(self.num_spatial)
        if convolve is None:
            return self.add_bias(self._product(x, weight), bias)
        if self.of_single_cells and torch.is_grad_enabled() and x.device.type == "cpu" and x.numel():
            return self._products_of_cells(channels_innermost(x), weight, bias)
        x = channels_innermost(x) if self.innermost else x.contiguous()
        y = None if self.transformed is None else winograd.convolve(x, self.transformed, bias, self.pad)
        return y if y is not None else convolve(x, weight, bias, self.stride, self.pad, self.dilation, self.group)

    @property
    def of_single_cells(self):
        """Whether (bool) every answer follows from the channels of one cell."""
        return self.kernel == (1, 1) and self.pad == (0, 0) and self.group == 1

    def _products_of_cells(self, x, weight, bias):
        """One product of matrices, (cells, channels) by (channels, num_output), for x with its channels innermost, as
        is what it returns. torch's convolution of small batches turns the maps about, and in backward those around
        it, too; forward alone is quicker by it."""
        down, across = self.stride
        return F.linear(x.permute(0, 2, 3, 1)[:, ::down, ::across], weight.flatten(1), bias).permute(0, 3, 1, 2)

    def _product(self, x, weight):
        """No spatial axis or more than 3: one matrix product over the windows, as Caffe does it for all."""
        windows = self.windows(x)
        n, counts = x.shape[0], windows.shape[2 + self.num_spatial:]
        cells = self.channels // self.group * math.prod(self.kernel)
        windows = windows.reshape(n, self.group, cells, math.prod(counts))
        return torch.matmul(weight.reshape(self.group, -1, cells), windows).reshape(n, self.num_output, *counts)


@layer("DepthwiseConvolution", "DepthWiseConvolution")
class DepthwiseConvolution(Convolution):
    """A Convolution of mobile forks of Caffe whose `group` is the number of channels; another group is a NetError."""

    def read_outputs(self, p):
        """Reads num_output and group; a NetError unless group is the number of channels."""
        super().read_outputs(p)
        if self.group != self.channels:
            self.fail(f"group must be the number of channels, {self.channels}; found {self.group}")


@layer("ConvolutionDepthwise")
class ConvolutionDepthwise(Convolution):
    """Each channel with a kernel of its own; another fork's: 2 spatial axes, num_output and group have no meaning.

    (N, channels, H, W) -> (N, channels, windows, windows). Weights (channels, 1, height, width), bias (channels,).
    """
    exact_bottoms = exact_tops = 1

    def read_outputs(self, p):
        """Takes the number of channels for num_output and group; a NetError for a bottom that is not (N, C, H, W)."""
        if self.num_spatial != 2 or self.channel_axis != 1:
            self.fail("takes a bottom of 4 axes with the channels at axis 1, "
                      f"found {self.num_spatial} spatial axes behind axis {self.channel_axis}")
        self.num_output = self.group = self.channels
