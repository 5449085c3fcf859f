"""L1Loss of FlowNet and DispNet (lmb-freiburg/flownet2)."""
import math

import torch

from deeplandmark.caffe.layers.base import LossLayer
from deeplandmark.caffe.layers.registry import layer


@layer("L1Loss")
class L1Loss(LossLayer):
    """1/N * sum |a - b|, or |a| of one bottom; NaN count nowhere (l1loss_layer.cu of lmb-freiburg/flownet2).

    Bottoms (N, C, ...) of one shape, top (). l1_loss_param: l2_per_location: instead the sum over the places of the
    root of the sum of squares over the channels plus epsilon, with l2_prescale_by_channels the sum divided by C;
    normalize_by_num_entries: instead of N the number of entries that are no NaN, divided by C; plateau: differences
    below it, with l2_per_location places whose sum is below its square, count as 0 and get no gradient. Both bottoms
    may get one; exactly at 0 it is that of a negative difference.
    """
    exact_bottoms = None
    min_bottoms, max_bottoms = 1, 2
    no_gradient_bottoms = ()

    def create(self, bottom_shapes):
        p = self.param.l1_loss_param
        if not 0 <= p.epsilon < math.inf or not 0 <= p.plateau < math.inf:
            self.fail(f"epsilon and plateau must not be negative, found {p.epsilon:g} and {p.plateau:g}")

    def reshape(self, bottom_shapes):
        shapes = set(map(tuple, bottom_shapes))
        if len(shapes) > 1 or len(min(shapes)) < 2:
            self.fail(f"takes bottoms (N, C, ...) of one shape, found {list(map(tuple, bottom_shapes))}")
        return [()]

    def forward(self, a, b=None):
        p, difference = self.param.l1_loss_param, a if b is None else a - b
        known = ~difference.isnan()
        difference = torch.where(known, difference, 0.0)
        count = known.sum() / a.shape[1] if p.normalize_by_num_entries else len(a)
        return (self._roots(difference) if p.l2_per_location else self._sizes(difference)).sum() / count,

    def _sizes(self, difference):
        p, signs = self.param.l1_loss_param, torch.where(difference.detach() > 0, 1.0, -1.0)
        sizes = difference * signs
        return torch.where(sizes.detach() < p.plateau, 0.0, sizes) if p.plateau else sizes

    def _roots(self, difference):
        p = self.param.l1_loss_param
        squares = difference.square().sum(1) / (difference.shape[1] if p.l2_prescale_by_channels else 1)
        if p.plateau:
            squares = torch.where(squares.detach() < p.plateau ** 2, 0.0, squares)
        return (squares + p.epsilon).sqrt()
