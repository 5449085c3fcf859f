"""ContrastiveLoss (contrastive_loss_layer.cpp)."""
import math

import torch

from deeplandmark.caffe.layers.base import LossLayer
from deeplandmark.caffe.layers.registry import layer


@layer("ContrastiveLoss")
class ContrastiveLoss(LossLayer):
    """Pulls pairs (N, C) together where the third bottom (N,) is not 0, and at least `margin` apart where it is.

    1/(2N) * sum(d^2) over similar pairs + 1/(2N) * sum(max(0, margin - d)^2) over the others; legacy_version has max(0,
    margin - d^2) instead (contrastive_loss_layer.cpp). Backward divides by d + 1e-4, as Caffe's does.
    contrastive_loss_param: margin, legacy_version.
    """
    exact_bottoms = 3
    no_gradient_bottoms = (2,)

    def create(self, bottom_shapes):
        p = self.param.contrastive_loss_param
        self.margin, self.legacy = p.margin, p.legacy_version

    def reshape(self, bottom_shapes):
        a, b, similar = map(tuple, bottom_shapes)
        self.check_batch((a, b))
        for shape in (a, b):
            if len(shape) < 2 or len(shape) > 4 or math.prod(shape[2:]) != 1:
                self.fail(f"pairs must be rows (N, C), found shape {shape}")
        if a[1] != b[1]:
            self.fail(f"rows differ in size: shapes {a} and {b}")
        if math.prod(similar) != a[0]:
            self.fail(f"similarity of shape {similar} for {a[0]} pairs: expected one value each")
        return [()]

    def forward(self, a, b, similar):
        n = a.shape[0]
        diff = (a.reshape(n, -1) - b.reshape(n, -1))
        similar = similar.reshape(n).trunc() != 0
        return _Contrastive.apply(diff, similar, self.margin, self.legacy),


class _Contrastive(torch.autograd.Function):
    """Differences (N, C) and similarity (N,) to the loss; the gradient divides by d + 1e-4, as Caffe's does."""

    @staticmethod
    def forward(ctx, diff, similar, margin, legacy):
        squares = diff.square().sum(1)
        distance = squares.sqrt()
        gap = margin - (squares if legacy else distance)
        apart = gap.clamp(min=0) if legacy else gap.clamp(min=0).square()
        factor = torch.ones_like(gap) if legacy else gap / (distance + 1e-4)
        factor = torch.where(similar, 1.0, torch.where(gap > 0, -factor, 0.0))
        ctx.save_for_backward(diff, factor)
        return torch.where(similar, squares, apart).sum() / len(diff) / 2

    @staticmethod
    def backward(ctx, loss_diff):
        diff, factor = ctx.saved_tensors
        return diff * (factor * (loss_diff / len(diff)))[:, None], None, None, None
