"""Eltwise: product, weighted sum or maximum of bottoms of one shape (eltwise_layer.cpp)."""
import functools
import operator

import torch

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


@layer("Eltwise")
class Eltwise(Layer):
    """PROD, SUM (each bottom times its coeff) or MAX of two or more bottoms of one shape (eltwise_layer.cpp).

    Ties of MAX: between the first two bottoms the second wins, a later one must be strictly greater; only the winner
    gets a gradient. PROD with stable_prod_grad: false has Caffe's gradient top / bottom, not a number where a bottom is
    0. eltwise_param: operation, coeff (none, or one a bottom), stable_prod_grad.
    """
    min_bottoms = 2
    exact_tops = 1

    def create(self, bottom_shapes):
        p = self.param.eltwise_param
        self.operation, self.stable = p.operation, p.stable_prod_grad
        self.coeffs = list(p.coeff)
        if self.coeffs and len(self.coeffs) != len(bottom_shapes):
            self.fail(f"{len(self.coeffs)} coeff for {len(bottom_shapes)} bottoms")
        if self.coeffs and self.operation != p.SUM:
            self.fail("coeff is for the operation SUM")

    def reshape(self, bottom_shapes):
        if any(tuple(shape) != tuple(bottom_shapes[0]) for shape in bottom_shapes):
            self.fail(f"bottoms must have the same shape, found {list(bottom_shapes)}")
        return [tuple(bottom_shapes[0])]

    def forward(self, *bottoms):
        p = self.param.eltwise_param
        if self.operation == p.MAX:
            return self._maximum(bottoms),
        if self.operation == p.PROD:
            if self.stable or not any(bottom.requires_grad for bottom in bottoms):
                return functools.reduce(operator.mul, bottoms),
            return _QuotientGradient.apply(*bottoms),
        if self.coeffs:
            bottoms = [bottom if c == 1 else bottom * c for c, bottom in zip(self.coeffs, bottoms)]
        return functools.reduce(operator.add, bottoms),

    @staticmethod
    def _maximum(bottoms):
        """torch.maximum would halve the gradient of a tie, so the winner is chosen."""
        first, second, *rest = bottoms
        top = torch.where(first > second, first, second)
        for bottom in rest:
            top = torch.where(bottom > top, bottom, top)
        return top


class _QuotientGradient(torch.autograd.Function):
    """A product whose gradient is top / bottom (stable_prod_grad: false): not a number where a bottom is 0."""

    @staticmethod
    def forward(ctx, *bottoms):
        top = functools.reduce(operator.mul, bottoms)
        ctx.save_for_backward(top, *bottoms)
        return top

    @staticmethod
    def backward(ctx, top_diff):
        top, *bottoms = ctx.saved_tensors
        return tuple(top / bottom * top_diff for bottom in bottoms)
