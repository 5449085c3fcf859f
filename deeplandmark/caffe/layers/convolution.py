"""Convolution in one to three spatial dimensions (base_conv_layer.cpp, conv_layer.cpp)."""
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.memory import channels_innermost
from deeplandmark.caffe.layers.registry import layer

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class ConvolutionBase(Layer):
    """Reads convolution_param: kernel, stride, pad and dilation per spatial axis, group, axis, fillers.

    Every bottom is (leading axes..., channels, spatial axes...); `axis` is where the channels stand.
    """
    min_bottoms = min_tops = 1
    equal_bottoms_and_tops = True

    def create(self, bottom_shapes):
        shape = bottom_shapes[0]
        p = self.param.convolution_param
        self.channel_axis = self.axis(p.axis, shape)
        self.num_spatial = len(shape) - self.channel_axis - 1
        if self.num_spatial not in _CONVOLUTIONS:
            self.fail(f"{self.num_spatial} spatial axes in a bottom of shape {shape}; 1, 2 and 3 are covered")
        self.channels = shape[self.channel_axis]
        self.num_output, self.group = p.num_output, p.group
        self.kernel = self.sizes("kernel_size", "kernel", None)
        self.stride = self.sizes("stride", "stride", 1)
        self.pad = self.sizes("pad", "pad", 0)
        self.dilation = self.sizes("dilation", None, 1)
        self.check_sizes()
        # With the channels innermost, torch 2.13 corrupts memory where a kernel of one cell takes longer steps.
        self.innermost = all(k > 1 or s == 1 for k, s in zip(self.kernel, self.stride))
        self.add_blob(self.weight_shape(), p.weight_filler)
        if p.bias_term:
            self.add_blob((self.num_output,), p.bias_filler)

    def sizes(self, repeated, prefix, default):
        """One setting for each spatial axis: given once for all, once for each, or as _h and _w."""
        p = self.param.convolution_param
        values = list(getattr(p, repeated))
        by_name = [f"{prefix}_h", f"{prefix}_w"] if prefix else []
        if any(p.HasField(name) for name in by_name):
            if values or self.num_spatial != 2:
                self.fail(f"{' and '.join(by_name)} are for 2 spatial axes and replace {repeated}; "
                          f"found {len(values)} {repeated}, {self.num_spatial} spatial axes")
            return tuple(getattr(p, name) if p.HasField(name) else (default or 0) for name in by_name)
        if not values and default is not None:
            values = [default]
        if len(values) not in (1, self.num_spatial):
            self.fail(f"{len(values)} {repeated} for {self.num_spatial} spatial axes")
        return tuple(values if len(values) == self.num_spatial else values * self.num_spatial)

    def check_sizes(self):
        for word, values in (("kernel_size", self.kernel), ("stride", self.stride), ("dilation", self.dilation)):
            if min(values) < 1:
                self.fail(f"{word} must be at least 1, found {values}")
        if self.num_output < 1 or self.group < 1:
            self.fail(f"num_output and group must be at least 1, found {self.num_output} and {self.group}")
        if self.channels % self.group or self.num_output % self.group:
            self.fail(f"{self.channels} channels and num_output {self.num_output} must be multiples of "
                      f"group {self.group}")

    def reshape(self, bottom_shapes):
        first = bottom_shapes[0]
        if any(shape != first for shape in bottom_shapes):
            self.fail(f"all bottoms must have the same shape, found {list(bottom_shapes)}")
        if len(first) != self.channel_axis + 1 + self.num_spatial or first[self.channel_axis] != self.channels:
            self.fail(f"its weights are for {self.channels} channels and {self.num_spatial} spatial axes, "
                      f"found a bottom of shape {first}")
        spatial = self.output_sizes(first[self.channel_axis + 1:])
        if min(spatial) < 1:
            self.fail(f"kernel {self.kernel} with pad {self.pad} is larger than the bottom, shape {first}")
        return [(*first[:self.channel_axis], self.num_output, *spatial)] * len(bottom_shapes)


@layer("Convolution")
class Convolution(ConvolutionBase):
    """Weights (num_output, channels / group, kernel...), bias (num_output,)."""

    def weight_shape(self):
        return (self.num_output, self.channels // self.group, *self.kernel)

    def output_sizes(self, sizes):
        return tuple((size + 2 * pad - (dilation * (kernel - 1) + 1)) // stride + 1
                     for size, pad, dilation, kernel, stride
                     in zip(sizes, self.pad, self.dilation, self.kernel, self.stride))

    def forward(self, *bottoms):
        weight, bias = (*self.blobs, None)[:2]
        convolve = _CONVOLUTIONS[self.num_spatial]
        tops = []
        for x in bottoms:
            lead = x.shape[:self.channel_axis]
            if len(lead) != 1:
                x = x.reshape(-1, *x.shape[self.channel_axis:])
            x = channels_innermost(x) if self.innermost else x.contiguous()
            y = convolve(x, weight, bias, self.stride, self.pad, self.dilation, self.group)
            tops.append(y if len(lead) == 1 else y.reshape(*lead, *y.shape[1:]))
        return tuple(tops)
