"""Layers that work on each value alone (neuron_layer.hpp): ReLU and its kin, TanH, Power, Exp, Log, Dropout ..."""
import math

import torch
import torch.nn.functional as F

from deeplandmark.caffe.fillers import constant
from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.no_backward import without_backward
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.work.c_power import c_power


class NeuronLayer(Layer):
    """One bottom, one top of the same shape, any (neuron_layer.cpp); may work in place."""
    exact_bottoms = exact_tops = 1


@layer("ReLU")
class ReLU(NeuronLayer):
    """max(0, x) + negative_slope * min(0, x); the gradient exactly at 0 is negative_slope (relu_layer.cpp).

    relu_param: negative_slope.
    """

    def create(self, bottom_shapes):
        self.negative_slope = self.param.relu_param.negative_slope

    def forward(self, x):
        return F.leaky_relu(x, self.negative_slope) if self.negative_slope else torch.relu(x),


@layer("TanH")
class TanH(NeuronLayer):
    """tanh(x), value by value (tanh_layer.cpp)."""

    def forward(self, x):
        return torch.tanh(x),


@layer("Sigmoid")
class Sigmoid(NeuronLayer):
    """1 / (1 + exp(-x)), value by value (sigmoid_layer.cpp)."""

    def forward(self, x):
        return torch.sigmoid(x),


@layer("AbsVal")
class AbsVal(NeuronLayer):
    """|x|; the gradient at 0 is 0 (absval_layer.cpp)."""

    def forward(self, x):
        return torch.abs(x),


@layer("Power")
class Power(NeuronLayer):
    """(shift + scale * x) ^ power, value by value (power_layer.cpp).

    power_param: power, scale, shift. Where power or scale is 0 the top is a constant and the gradient 0, as in Caffe.
    """

    def create(self, bottom_shapes):
        p = self.param.power_param
        self.power, self.scale, self.shift = p.power, p.scale, p.shift

    def forward(self, x):
        # A constant: Caffe gives it the gradient 0, also where the derivative of a power would be infinite.
        if self.power == 0 or self.scale == 0:
            value = 1.0 if self.power == 0 else c_power(self.shift, self.power)
            return x.detach().new_full(x.shape, value) + 0 * x,
        y = x * self.scale if self.scale != 1 else x
        y = y + self.shift if self.shift != 0 else y
        return y.pow(self.power) if self.power != 1 else y + 0,


@layer("Dropout")
class Dropout(NeuronLayer):
    """In TRAIN each value is kept with probability 1 - dropout_ratio and scaled by 1 / (1 - dropout_ratio).

    In TEST the top is the bottom (dropout_layer.cpp). dropout_param: dropout_ratio, between 0 and 1. The gradient takes
    the mask of its forward. Masks come from the net's generator, the same on every device.
    """

    def create(self, bottom_shapes):
        self.ratio = self.param.dropout_param.dropout_ratio
        if not 0 < self.ratio < 1:
            self.fail(f"dropout_ratio must lie between 0 and 1, found {self.ratio}")

    def forward(self, x):
        if self.phase != 0:                                      # TEST
            return x + 0,
        keep = 1 - self.ratio
        # Drawn on the CPU so that one seed gives the same masks on every device.
        mask = torch.empty(x.shape).bernoulli_(keep, generator=self.context.own_generator).mul_(1 / keep)
        return x * mask.to(x.device),


@layer("PReLU")
class PReLU(NeuronLayer):
    """max(0, x) + slope * min(0, x); the gradient exactly at 0 is the slope (prelu_layer.cpp).

    (N, C, ...) -> the same shape. Blob: slopes (C,), or one for all channels, shape (), with channel_shared; 0.25
    unless there is a filler. prelu_param: filler, channel_shared. Backward reaches the slopes, too.
    """

    def create(self, bottom_shapes):
        p, shape = self.param.prelu_param, bottom_shapes[0]
        self._check_axes(shape)
        self.channel_shared = p.channel_shared
        self.add_blob(() if p.channel_shared else (shape[1],), p.filler if p.HasField("filler") else constant(0.25))

    def reshape(self, bottom_shapes):
        shape = tuple(bottom_shapes[0])
        self._check_axes(shape)
        if not self.channel_shared and shape[1] != self.blobs[0].numel():
            self.fail(f"its slopes are for {self.blobs[0].numel()} channels, found a bottom of shape {shape}")
        return [shape]

    def forward(self, x):
        return F.prelu(x, self.blobs[0].reshape(-1)),

    def _check_axes(self, shape):
        if len(shape) < 2:
            self.fail(f"takes a bottom of at least 2 axes, found shape {tuple(shape)}")


@layer("ELU")
class ELU(NeuronLayer):
    """x, or alpha * (exp(x) - 1) where x is not above 0; the gradient exactly at 0 is alpha (elu_layer.cpp).

    elu_param: alpha.
    """

    def forward(self, x):
        return F.elu(x, self.param.elu_param.alpha),


@layer("ReLU6")
class ReLU6(NeuronLayer):
    """min(max(0, x), 6), of Caffe's mobile forks; the gradient exactly at 0 and at 6 is 0.

    relu6_param: threshold, where it is not 6.
    """

    def forward(self, x):
        return F.hardtanh(x, 0.0, self.param.relu6_param.threshold),


@layer("HSigmoid")
class HSigmoid(NeuronLayer):
    """min(max(0, x + 3), 6) / 6, of the ports of MobileNetV3; the gradient exactly at -3 and at 3 is 0."""

    def forward(self, x):
        return F.hardsigmoid(x),


@layer("HSwish")
class HSwish(NeuronLayer):
    """x * min(max(0, x + 3), 6) / 6, of the ports of MobileNetV3."""

    def forward(self, x):
        return F.hardswish(x),


@layer("Mish")
class Mish(NeuronLayer):
    """x * tanh(log(1 + exp(x))) (mish_layer.cpp of the ports of YOLO v4)."""

    def forward(self, x):
        return F.mish(x),


@layer("Clip")
class Clip(NeuronLayer):
    """max(min(x, max), min); values exactly at a bound pass the gradient on (clip_layer.cpp).

    clip_param: min and max, both needed. With a min above max every value becomes max, as torch's clamp has it; Caffe's
    becomes min.
    """

    def create(self, bottom_shapes):
        p = self.param.clip_param
        if not (p.HasField("min") and p.HasField("max")):
            self.fail("clip_param needs min and max")

    def forward(self, x):
        return x.clamp(self.param.clip_param.min, self.param.clip_param.max),


@layer("Swish")
class Swish(NeuronLayer):
    """x * sigmoid(beta * x), value by value (swish_layer.cpp).

    swish_param: beta.
    """

    def forward(self, x):
        return x * torch.sigmoid(self.param.swish_param.beta * x),


@layer("BNLL")
class BNLL(NeuronLayer):
    """log(1 + exp(x)); its gradient takes exp(min(x, 50)), which is 1 beyond that in float32 (bnll_layer.cpp)."""

    def forward(self, x):
        return F.softplus(x, threshold=50),


class BaseLayer(NeuronLayer):
    """Exp and Log: the logarithm of `base`, where -1 stands for e (exp_layer.cpp, log_layer.cpp)."""

    def read_base(self, settings):
        """log(base), a float; a NetError for a base that is not above 0."""
        if settings.base == -1:
            return 1.0
        if not 0 < settings.base < math.inf:
            self.fail(f"base must be above 0, or -1 for e; found {settings.base:g}")
        return math.log(settings.base)


@layer("Exp")
class Exp(BaseLayer):
    """base ^ (shift + scale * x), value by value (exp_layer.cpp).

    exp_param: base (-1: e), scale, shift.
    """

    def create(self, bottom_shapes):
        p = self.param.exp_param
        log_base = self.read_base(p)
        self.inner, self.outer = log_base * p.scale, math.exp(log_base * p.shift)

    def forward(self, x):
        y = torch.exp(x * self.inner if self.inner != 1 else x)
        return (y * self.outer if self.outer != 1 else y),


@layer("Log")
class Log(BaseLayer):
    """log_base(shift + scale * x), value by value (log_layer.cpp).

    log_param: base (-1: e), scale, shift. Not a number where the argument is negative.
    """

    def create(self, bottom_shapes):
        log_base = self.read_base(self.param.log_param)
        if log_base == 0:
            self.fail("base 1 has no logarithm")
        self.factor = 1 / log_base

    def forward(self, x):
        p = self.param.log_param
        y = torch.log(x * p.scale + p.shift)
        return (y * self.factor if self.factor != 1 else y),


@layer("Threshold")
class Threshold(Layer):
    """1 where x is above the threshold, strictly, else 0. Like Caffe's, it has no backward.

    threshold_layer.cpp; threshold_param: threshold.
    """
    exact_bottoms = exact_tops = 1
    no_gradient_bottoms = (0,)

    def forward(self, x):
        return without_backward(self, (x > self.param.threshold_param.threshold).to(x.dtype), x),
