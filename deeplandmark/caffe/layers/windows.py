"""Windows over any number of spatial axes: what Convolution, Deconvolution and Im2col share (base_conv_layer.cpp)."""
import math

import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.limits import check_shape


class WindowLayer(Layer):
    """Reads convolution_param: axis, and kernel, stride, pad and dilation for each spatial axis (base_conv_layer.cpp).

    DeepLab's forks call dilation `hole`. Every bottom is (leading axes..., channels, spatial axes...); `axis` is where
    the channels stand. Sizes are in cells; padding is 0.
    """

    @property
    def settings(self):
        """The ConvolutionParameter that is read."""
        return self.param.convolution_param

    def read_windows(self, shape):
        """Fills channel_axis, channels, num_spatial, kernel, stride, pad, dilation from the shape of bottom 0."""
        self.channel_axis = self.axis(self.settings.axis, shape)
        self.num_spatial = len(shape) - self.channel_axis - 1
        self.channels = shape[self.channel_axis]
        self.kernel = self.sizes("kernel_size", "kernel", None)
        self.stride = self.sizes("stride", "stride", 1)
        self.pad = self.sizes("pad", "pad", 0)
        p = self.settings
        has_holes = p.hole or p.HasField("hole_h") or p.HasField("hole_w")
        if p.dilation and has_holes:
            self.fail("hole and dilation mean the same: give one of them")
        self.dilation = self.sizes("hole", "hole", 1) if has_holes else self.sizes("dilation", None, 1)
        for word, values in (("kernel_size", self.kernel), ("stride", self.stride), ("dilation", self.dilation)):
            if min(values, default=1) < 1:
                self.fail(f"{word} must be at least 1, found {values}")

    def sizes(self, repeated, prefix, default):
        """One setting, a tuple of int, for each spatial axis: given once for all, once for each, or as _h and _w."""
        p = self.settings
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

    def check_bottoms(self, bottom_shapes):
        """(leading axes, spatial sizes) of bottoms of one shape; a NetError where axes or channels are not setup's."""
        first = tuple(bottom_shapes[0])
        if any(tuple(shape) != first for shape in bottom_shapes):
            self.fail(f"all bottoms must have the same shape, found {list(bottom_shapes)}")
        if len(first) != self.channel_axis + 1 + self.num_spatial or first[self.channel_axis] != self.channels:
            self.fail(f"its weights are for {self.channels} channels and {self.num_spatial} spatial axes, "
                      f"found a bottom of shape {first}")
        lead, sizes = first[:self.channel_axis], first[self.channel_axis + 1:]
        check_shape((*lead, self.channels, *(size + 2 * pad for size, pad in zip(sizes, self.pad))))
        return lead, sizes

    def window_counts(self, sizes):
        """Windows (int) along each spatial axis: (size + 2 pad - kernel's reach) / stride + 1, rounded down."""
        return tuple((size + 2 * pad - (dilation * (kernel - 1) + 1)) // stride + 1
                     for size, pad, dilation, kernel, stride
                     in zip(sizes, self.pad, self.dilation, self.kernel, self.stride))

    def refuse_empty(self, counts, shape):
        """A NetError where an axis has no window; `shape` is the bottom's."""
        if min(counts, default=1) < 1:
            self.fail(f"kernel {self.kernel} with pad {self.pad} is larger than the bottom, shape {tuple(shape)}")

    def one_batch(self, x):
        """(leading axes..., C, spatial...) as (N, C, spatial...), N = 1 where there are no leading axes."""
        return x if self.channel_axis == 1 else x.reshape(-1, *x.shape[self.channel_axis:])

    def windows(self, x):
        """(N, C, spatial...) -> (N, C, kernel..., windows...): the cells under every window, 0 outside."""
        n = self.num_spatial
        if any(self.pad):
            x = F.pad(x, [p for pad in reversed(self.pad) for p in (pad, pad)])
        for axis, (kernel, stride, dilation) in enumerate(zip(self.kernel, self.stride, self.dilation), 2):
            x = x.unfold(axis, dilation * (kernel - 1) + 1, stride)[..., ::dilation]
        return x.permute(0, 1, *range(2 + n, 2 + 2 * n), *range(2, 2 + n))


@layer("Im2col")
class Im2col(WindowLayer):
    """(..., C, spatial...) -> (..., C * cells of the kernel, windows...): what a convolution multiplies.

    im2col_layer.cpp; convolution_param: kernel_size, stride, pad, dilation, axis. Backward adds up what windows share.
    """
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        self.read_windows(bottom_shapes[0])
        if not self.num_spatial:
            self.fail(f"needs at least 1 spatial axis behind axis {self.channel_axis}, "
                      f"found a bottom of shape {tuple(bottom_shapes[0])}")

    def reshape(self, bottom_shapes):
        lead, sizes = self.check_bottoms(bottom_shapes)
        counts = self.window_counts(sizes)
        self.refuse_empty(counts, bottom_shapes[0])
        return [(*lead, self.channels * math.prod(self.kernel), *counts)]

    def forward(self, x):
        columns = self.windows(self.one_batch(x)).flatten(1, 1 + self.num_spatial)
        return columns.reshape(*x.shape[:self.channel_axis], *columns.shape[1:]),
