"""Layers that work on each value alone: ReLU, TanH, Sigmoid, AbsVal, Power, Dropout."""
import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


class NeuronLayer(Layer):
    """One bottom, one top of the same shape; may work in place."""
    exact_bottoms = exact_tops = 1


@layer("ReLU")
class ReLU(NeuronLayer):
    """max(0, x) + negative_slope * min(0, x); the gradient exactly at 0 is negative_slope, as torch has it too."""

    def create(self, bottom_shapes):
        self.negative_slope = self.param.relu_param.negative_slope

    def forward(self, x):
        return F.leaky_relu(x, self.negative_slope) if self.negative_slope else torch.relu(x),


@layer("TanH")
class TanH(NeuronLayer):
    """tanh(x)"""

    def forward(self, x):
        return torch.tanh(x),


@layer("Sigmoid")
class Sigmoid(NeuronLayer):
    """1 / (1 + exp(-x))"""

    def forward(self, x):
        return torch.sigmoid(x),


@layer("AbsVal")
class AbsVal(NeuronLayer):
    """|x|; the gradient at 0 is 0."""

    def forward(self, x):
        return torch.abs(x),


@layer("Power")
class Power(NeuronLayer):
    """(shift + scale * x) ^ power"""

    def create(self, bottom_shapes):
        p = self.param.power_param
        self.power, self.scale, self.shift = p.power, p.scale, p.shift

    def forward(self, x):
        # A constant: Caffe gives it the gradient 0, also where the derivative of a power would be infinite.
        if self.power == 0 or self.scale == 0:
            value = 1.0 if self.power == 0 else self.shift ** self.power
            return x.detach().new_full(x.shape, value) + 0 * x,
        y = x * self.scale if self.scale != 1 else x
        y = y + self.shift if self.shift != 0 else y
        return y.pow(self.power) if self.power != 1 else y + 0,


@layer("Dropout")
class Dropout(NeuronLayer):
    """In TRAIN each value is kept with probability 1 - dropout_ratio and scaled by 1 / (1 - dropout_ratio)."""

    def create(self, bottom_shapes):
        self.ratio = self.param.dropout_param.dropout_ratio
        if not 0 < self.ratio < 1:
            self.fail(f"dropout_ratio must lie between 0 and 1, found {self.ratio}")

    def forward(self, x):
        if self.phase != 0:                                      # TEST
            return x + 0,
        keep = 1 - self.ratio
        # Drawn on the CPU so that one seed gives the same masks on every device.
        mask = torch.empty(x.shape).bernoulli_(keep, generator=self.context.generator).mul_(1 / keep)
        return x * mask.to(x.device),
