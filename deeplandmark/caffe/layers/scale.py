"""Scale and Bias: a factor or a summand from the layer's own blob or from a second bottom, spread over the first."""
import torch

from deeplandmark.caffe.fillers import constant
from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


class SpreadLayer(Layer):
    """The second operand covers `num_axes` axes of bottom 0 from `axis` on (scale_layer.cpp, bias_layer.cpp).

    It is bottom 1, whose shape says the axes then, or a blob. The top has the shape of bottom 0.
    """
    min_bottoms, max_bottoms = 1, 2
    exact_tops = 1

    def read_axes(self, settings, bottom_shapes):
        """Reads axis and num_axes; returns the shape (tuple) of the second operand."""
        shape = tuple(bottom_shapes[0])
        if len(bottom_shapes) == 2:
            other = tuple(bottom_shapes[1])
            # A scalar may stand at axis 0 of anything, even where `axis` has no meaning.
            self.start = self.axis(settings.axis, shape) if other else 0
            return other
        self.start = self.axis(settings.axis, shape) if settings.num_axes else 0
        if settings.num_axes < -1 or self.start + settings.num_axes > len(shape):
            self.fail(f"axis {settings.axis}, num_axes {settings.num_axes} do not fit a bottom of shape {shape}")
        return shape[self.start:] if settings.num_axes == -1 else shape[self.start:self.start + settings.num_axes]

    def reshape(self, bottom_shapes):
        shape = tuple(bottom_shapes[0])
        other = tuple(bottom_shapes[1]) if len(bottom_shapes) == 2 else tuple(self.blobs[0].shape)
        if shape[self.start:self.start + len(other)] != other:
            self.fail(f"shape {other} does not match a bottom of shape {shape} from axis {self.start} on")
        return [shape]

    def spread(self, other, x):
        """`other` with axes of size 1 behind it, so that torch spreads it over the shape of x."""
        return other.reshape(*other.shape, *(1,) * (x.dim() - self.start - other.dim()))


@layer("Scale")
class Scale(SpreadLayer):
    """x * scale (+ bias with bias_term). Blobs: scale unless it is bottom 1, then bias.

    Top like bottom 0; scale and bias have the shape of its axes from `axis` on, `num_axes` of them (scale_layer.cpp).
    scale_param: axis, num_axes, filler (1 without it), bias_term, bias_filler. Backward reaches both operands.
    """

    def create(self, bottom_shapes):
        p = self.param.scale_param
        shape = self.read_axes(p, bottom_shapes)
        if len(bottom_shapes) == 1:
            self.add_blob(shape, p.filler if p.HasField("filler") else constant(1.0))
        self.bias_term = p.bias_term
        if p.bias_term:
            self.add_blob(shape, p.bias_filler)

    def forward(self, x, scale=None):
        blobs = self.blobs
        scale = self.spread(blobs[0] if scale is None else scale, x)
        if self.bias_term:
            return torch.addcmul(self.spread(blobs[-1], x), x, scale),
        return x * scale,


@layer("Bias")
class Bias(SpreadLayer):
    """x + bias. Blob: bias unless it is bottom 1.

    Top like bottom 0; the bias has the shape of its axes from `axis` on, `num_axes` of them (bias_layer.cpp).
    bias_param: axis, num_axes, filler. Backward reaches both operands.
    """

    def create(self, bottom_shapes):
        p = self.param.bias_param
        shape = self.read_axes(p, bottom_shapes)
        if len(bottom_shapes) == 1:
            self.add_blob(shape, p.filler)

    def forward(self, x, bias=None):
        return x + self.spread(self.blobs[0] if bias is None else bias, x),
