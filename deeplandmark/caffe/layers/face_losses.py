"""Layers that face nets of forks train with: CenterLoss (caffe-face), MarginInnerProduct (SphereFace)."""
import math

import numpy as np
import torch

from deeplandmark.caffe.layers.base import Layer, LossLayer
from deeplandmark.caffe.layers.labels import checked_labels
from deeplandmark.caffe.layers.registry import layer


class ClassLabels:
    """What layers with a label (M,) for each row share."""

    def labels(self, bottom, rows, classes):
        """Labels as int64 (rows,); a NetError for another number of them or one outside 0..classes - 1."""
        if bottom.numel() != rows:
            self.fail(f"takes {rows} labels, found {bottom.numel()}")
        return checked_labels(self, bottom.reshape(-1), classes)


@layer("CenterLoss")
class CenterLoss(ClassLabels, LossLayer):
    """1/(2M) * sum ||x - centre of its class||^2 over M rows (center_loss_layer.cpp of ydwen/caffe-face).

    Bottoms x (M, ...), flattened to K from `axis` on, and labels (M,). Blob: centres (num_output, K). Their gradient is
    the fork's: for each class the sum of centre - x over its rows, divided by their number plus 1, whatever the loss
    weight. center_loss_param: num_output, center_filler, axis.
    """

    def create(self, bottom_shapes):
        p, shape = self.param.center_loss_param, bottom_shapes[0]
        self.first, self.classes = self.axis(p.axis, shape), p.num_output
        self.length = math.prod(shape[self.first:])
        if self.classes < 1:
            self.fail("needs num_output, the number of classes")
        self.add_blob((self.classes, self.length), p.center_filler)

    def reshape(self, bottom_shapes):
        self.check_batch(bottom_shapes)
        if math.prod(bottom_shapes[0][self.first:]) != self.length:
            self.fail(f"its centres have {self.length} values, found a bottom of shape {tuple(bottom_shapes[0])}")
        return [()]

    def forward(self, x, label):
        rows = x.reshape(-1, self.length)
        return _CenterDistance.apply(rows, self.blobs[0], self.labels(label, len(rows), self.classes)),


class _CenterDistance(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x, centres, labels):
        distance = x - centres[labels]
        ctx.save_for_backward(distance, labels)
        ctx.classes = len(centres)
        return distance.square().sum() / (2 * max(len(x), 1))

    @staticmethod
    def backward(ctx, top_diff):
        distance, labels = ctx.saved_tensors
        sums = distance.new_zeros(ctx.classes, distance.shape[1]).index_add_(0, labels, -distance)
        counts = torch.bincount(labels, minlength=ctx.classes)[:, None]
        return top_diff * distance / max(len(distance), 1), sums / (counts + 1), None


@layer("MarginInnerProduct")
class MarginInnerProduct(ClassLabels, Layer):
    """x W^T with rows of W of length 1, and for the row's own class |x| psi(angle) (margin_inner_product_layer.cpp).

    SphereFace (wy1iu/sphereface). Bottoms x (M, ...), flattened to K from `axis` on, and labels (M,); tops (M,
    num_output) and, if asked for, lambda (1,). psi(a) = (-1)^k cos(m a) - 2k for a in [k pi / m, (k + 1) pi / m], m = 1
    SINGLE, 2 DOUBLE, 3 TRIPLE, 4 QUADRUPLE; the own class gets (|x| psi + lambda x w) / (1 + lambda), lambda =
    max(base * (1 + gamma * forwards)^-power, lambda_min). Every forward scales the blob W (num_output, K) to length 1.

    Backward is the fork's: W gets the gradient of x W^T, and for the own class the two parts of x's, along w and along
    x, are scaled together to length 1. margin_inner_product_param: num_output, type, weight_filler, axis, base, gamma,
    power, iteration, lambda_min.
    """
    forward_changes_blobs = True
    exact_bottoms = 2
    min_tops, max_tops = 1, 2
    no_gradient_bottoms = (1,)

    def create(self, bottom_shapes):
        self.settings = p = self.param.margin_inner_product_param
        self.first = self.axis(p.axis, bottom_shapes[0])
        self.length, self.iteration, self.factor = math.prod(bottom_shapes[0][self.first:]), p.iteration, p.type + 1
        if p.num_output < 1 or not p.gamma >= 0 or not p.iteration >= 0:
            self.fail(f"needs num_output, gamma and iteration must not be negative, found {p.num_output}, {p.gamma:g} "
                      f"and {p.iteration}")
        self.add_blob((p.num_output, self.length), p.weight_filler)

    def reshape(self, bottom_shapes):
        shape = tuple(bottom_shapes[0])
        if math.prod(shape[self.first:]) != self.length:
            self.fail(f"its weights are for {self.length} values, found a bottom of shape {shape}")
        return [(*shape[:self.first], self.settings.num_output), (1,)][:self.num_tops]

    def forward(self, x, label):
        p, weight = self.settings, self.blobs[0]
        self.iteration += 1
        with np.errstate(all="ignore"):                          # C's power: infinite where it is too large
            share = max(p.base * float(np.power(np.float64(1 + p.gamma * self.iteration), -p.power)), p.lambda_min)
        with torch.no_grad():
            weight.div_(weight.norm(dim=1, keepdim=True))
        rows = x.reshape(-1, self.length)
        labels = self.labels(label, len(rows), p.num_output)
        top = rows @ weight.T if self.factor == 1 else _Margin.apply(rows, weight, labels, self.factor, share)
        return (top.reshape(*x.shape[:self.first], p.num_output), x.new_full((1,), share))[:self.num_tops]


class _Margin(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x, weight, labels, factor, share):
        product, norm = x @ weight.T, x.norm(dim=1)
        own = product.gather(1, labels[:, None]).squeeze(1)
        psi, slope = _psi(own / norm, factor)
        ctx.save_for_backward(x, weight, labels, slope, (psi - own / norm * slope) / norm)
        ctx.share = share
        return product.scatter(1, labels[:, None], ((norm * psi + share * own) / (1 + share))[:, None])

    @staticmethod
    def backward(ctx, top_diff):
        x, weight, labels, along_w, along_x = ctx.saved_tensors
        length = torch.hypot(along_w, along_x)
        own = top_diff.gather(1, labels[:, None]) / (1 + ctx.share)
        moved = (along_w / length)[:, None] * weight[labels] + (along_x / length)[:, None] * x
        return top_diff @ weight - own * weight[labels] + own * moved, top_diff.T @ x, None, None, None


def _psi(cosine, factor):
    """psi of an angle and its derivative by the cosine; signs as in the fork, where sign(0) is 0."""
    c, sign = cosine, torch.sign(cosine)
    if factor == 2:
        return 2 * sign * c ** 2 - 1, 4 * sign * c
    if factor == 3:
        inner = torch.sign(c.abs() - 0.5)
        return inner * (4 * c ** 3 - 3 * c) + sign * (1 + inner) - 2, inner * (12 * c ** 2 - 3)
    inner = sign * torch.sign(2 * c ** 2 - 1)
    return inner * (8 * c ** 4 - 8 * c ** 2 + 1) + 2 * sign + inner - 3, inner * (32 * c ** 3 - 16 * c)


@layer("ContinuationIndicator")
class ContinuationIndicator(Layer):
    """0 in the first step of each stream and 1 in the others, what an LSTM takes as its second bottom.

    continuation_indicator_layer.cpp of intel/caffe; no bottoms, top (time_step, batch_size).
    continuation_indicator_param: time_step, batch_size.
    """
    exact_bottoms, exact_tops = 0, 1

    def create(self, bottom_shapes):
        p = self.param.continuation_indicator_param
        self.shape = p.time_step, p.batch_size
        if min(self.shape) < 1:
            self.fail(f"time_step and batch_size must be at least 1, found {p.time_step} and {p.batch_size}")
        self.register_buffer("place", torch.empty(0), persistent=False)

    def reshape(self, bottom_shapes):
        return [self.shape]

    def forward(self):
        top = torch.ones(self.shape, device=self.place.device)
        top[0] = 0
        return top,
