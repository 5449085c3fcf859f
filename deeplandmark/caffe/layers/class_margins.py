"""Layers that take a margin from the cosine of a row's own class: AMSoftmax, ArcFace, combined margins."""
import math

import torch

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.face_losses import ClassLabels
from deeplandmark.caffe.layers.registry import layer

_TEST = 1
_EDGE = 1e-4                                                     # cosines and angles keep it from their ends


class OwnClassLayer(ClassLabels, Layer):
    """Bottoms: values (M, ...), K a row, cosines of K classes, and labels (M,). Top like the values, of which those of
    the rows' own classes have changed."""
    exact_bottoms, exact_tops = 2, 1
    no_gradient_bottoms = (1,)

    def reshape(self, bottom_shapes):
        """The top's shape; a NetError for another number of labels."""
        shape, labels = map(tuple, bottom_shapes)
        if not shape or math.prod(labels) != shape[0]:
            self.fail(f"takes a label for each row, found shapes {shape} and {labels}")
        return [shape]

    def with_own(self, x, label, function):
        """x (M, ...) with function(own) in place of its own classes' values (M, 1); a label below 0 changes nothing."""
        rows = x.reshape(len(x), -1)
        labels = self.labels(label.detach().clamp(min=0), len(rows), rows.shape[1])[:, None]
        own = rows.gather(1, labels)
        changed = torch.where(label.detach().reshape(-1, 1) > -1, function(own), own)
        return rows.scatter(1, labels, changed).reshape(x.shape)


@layer("LabelSpecificAdd")
class LabelSpecificAdd(OwnClassLayer):
    """x + bias for the row's own class where x is above -bias; in TEST x (label_specific_add_layer.cu, AMSoftmax).

    happynear/caffe-windows. Bottoms x (M, ...) and labels (M,), tops like x and, if asked for, bias (1,), 0 in TEST.
    The gradient passes unchanged. label_specific_add_param: bias, in AMSoftmax below 0; with bias_base it is bias_base
    + (1 + bias_gamma * n)^bias_power - 1, n counting forwards from `iteration` on, at least bias_min, at most bias_max.
    transform_test has no effect.
    """
    exact_tops, min_tops, max_tops = None, 1, 2

    def create(self, bottom_shapes):
        p = self.param.label_specific_add_param
        self.forwards, self.bias = p.iteration, p.bias
        if p.HasField("bias_base") and not (p.HasField("bias_gamma") and p.HasField("bias_power") and
                                            p.bias_gamma >= 0 and p.iteration >= 0):
            self.fail("bias_base needs bias_gamma and bias_power, bias_gamma and iteration must not be negative")

    def reshape(self, bottom_shapes):
        return [*super().reshape(bottom_shapes), (1,)][:self.num_tops]

    def forward(self, x, label):
        if self.phase == _TEST:
            return (x.clone(), x.new_zeros(1))[:self.num_tops]
        if self.param.label_specific_add_param.HasField("bias_base"):
            self.bias = self._next()
        top = self.with_own(x, label, lambda own: torch.where(own > -self.bias, own + self.bias, own))
        return (top, x.new_full((1,), self.bias))[:self.num_tops]

    def _next(self):
        p = self.param.label_specific_add_param
        try:
            grown = (1 + p.bias_gamma * self.forwards) ** p.bias_power
        except OverflowError:
            grown = math.inf
        self.forwards += 1
        bias = p.bias_base + grown - 1
        bias = max(bias, p.bias_min) if p.HasField("bias_min") else bias
        return min(bias, p.bias_max) if p.HasField("bias_max") else bias


@layer("CosinAddm")
class CosinAddm(OwnClassLayer):
    """cos(angle + m) for the row's own class, x being cos(angle); in TEST x (cosin_add_m_layer.cu, ArcFace).

    xialuxi/arcface-caffe. Bottoms x (M, ...) and labels (M,), top like x. Where the angle is above pi - m it is
    x - m sin(m), and x of 1 and more stays. Backward is the derivative; the fork's on a GPU forgets what comes from
    above. cosin_add_m_param: m; transform_test has no effect.
    """

    def create(self, bottom_shapes):
        self.m = self.param.cosin_add_m_param.m
        if not 0 <= self.m < math.pi:
            self.fail(f"m must be 0 to pi, found {self.m:g}")

    def forward(self, x, label):
        return x.clone() if self.phase == _TEST else self.with_own(x, label, self._moved),

    def _moved(self, own):
        near = (own > max(math.cos(math.pi - self.m), -1)) & (own < 1)
        cosine = torch.where(near, own, 0.0)
        moved = cosine * math.cos(self.m) - (1 - cosine.square()).sqrt() * math.sin(self.m)
        return torch.where(near, moved, torch.where(own < 1, own - self.m * math.sin(self.m), own))


@layer("CombinedMargin")
class CombinedMargin(OwnClassLayer):
    """cos(m1 * angle + m2) - m3 for the row's own class, x being cos(angle) (combined_margin_layer.cu, InsightFace).

    gehaocool/CombinedMargin-caffe. Bottoms x (M, ...) and labels (M,), one below 0 for a row that stays; top like x.
    Cosines keep 1e-4 from -1 and 1, m1 * angle + m2 is cut to 0 .. pi - 1e-4. Backward is the derivative for what was
    so cut, taken as 0 to 2. combined_margin_param: m1, m2, m3; transform_test has no effect.
    """

    def create(self, bottom_shapes):
        p = self.param.combined_margin_param
        if not all(map(math.isfinite, (p.m1, p.m2, p.m3))):
            self.fail(f"m1, m2 and m3 must be finite, found {p.m1:g}, {p.m2:g} and {p.m3:g}")

    def forward(self, x, label):
        return self.with_own(x, label, self._moved),

    def _moved(self, own):
        p, cosine = self.param.combined_margin_param, own.detach().clamp(_EDGE - 1, 1 - _EDGE)
        angle = (p.m1 * cosine.acos() + p.m2).clamp(0, math.pi - _EDGE)
        slope = (p.m1 * angle.sin() / (1 - cosine.square()).sqrt()).clamp(0, 2)
        return angle.cos() - p.m3 + slope * (own - own.detach())
