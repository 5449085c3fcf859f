"""Layers that leave less of an axis: Reduction and ArgMax."""
import math

import torch

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.no_backward import without_backward
from deeplandmark.caffe.layers.registry import layer


@layer("Reduction")
class Reduction(Layer):
    """coeff * SUM, ASUM (of |x|), SUMSQ (of x^2) or MEAN over all axes from `axis` on (reduction_layer.cpp).

    (leading axes..., rest...) -> (leading axes...); the gradient of |x| at 0 is 0. reduction_param: operation, axis,
    coeff.
    """
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        self.start = self.axis(self.param.reduction_param.axis, bottom_shapes[0])

    def reshape(self, bottom_shapes):
        return [tuple(bottom_shapes[0][:self.start])]

    def forward(self, x):
        p = self.param.reduction_param
        rows = x.flatten(self.start)
        if p.operation == p.MEAN:
            y = rows.mean(-1)
        else:
            rows = {p.SUM: rows, p.ASUM: rows.abs(), p.SUMSQ: rows.square()}[p.operation]
            y = rows.sum(-1)
        return (y * p.coeff if p.coeff != 1 else y),


@layer("ArgMax")
class ArgMax(Layer):
    """Positions of the top_k largest values, largest first, as floats; of equal values the last one comes first.

    Along `axis`, whose size becomes top_k: positions, or with out_max_val the values instead. Without `axis`, over all
    of an item: (N, 1, top_k, 1...) and with out_max_val (N, 2, top_k, 1...), positions and then values; the top has at
    least 3 axes and as many as the bottom (argmax_layer.cpp). argmax_param: top_k, axis, out_max_val. It has no
    backward.
    """
    exact_bottoms = exact_tops = 1
    no_gradient_bottoms = (0,)

    def create(self, bottom_shapes):
        p = self.param.argmax_param
        self.dim = self.axis(p.axis, bottom_shapes[0]) if p.HasField("axis") else None
        self.top_k, self.out_max_val = p.top_k, p.out_max_val

    def reshape(self, bottom_shapes):
        shape = tuple(bottom_shapes[0])
        if self.dim is None and not shape:
            self.fail("needs a bottom of at least 1 axis")
        size = math.prod(shape[1:]) if self.dim is None else shape[self.dim]
        if not 1 <= self.top_k <= size:
            self.fail(f"top_k {self.top_k} must lie between 1 and {size}, the values to choose from "
                      f"in a bottom of shape {shape}")
        return [self._top_shape(shape)]

    def forward(self, x):
        if self.dim is None:
            values, places = self._largest(x.flatten(1) if x.dim() > 1 else x[:, None], 1)
            top = torch.stack([places, values], 1) if self.out_max_val else places
        else:
            values, places = self._largest(x, self.dim)
            top = values if self.out_max_val else places
        return without_backward(self, top.detach().reshape(self._top_shape(tuple(x.shape))), x),

    def _top_shape(self, shape):
        if self.dim is not None:
            return (*shape[:self.dim], self.top_k, *shape[self.dim + 1:])
        return (shape[0], 2 if self.out_max_val else 1, self.top_k, *(1,) * (len(shape) - 3))

    @torch.no_grad()
    def _largest(self, x, dim):
        """(values, places) of the top_k along an axis; looked at from the end, so that the last of equals wins."""
        backwards = x.flip(dim)
        if self.top_k == 1:
            values, places = backwards.max(dim, keepdim=True)
        else:
            values, places = (part.narrow(dim, 0, self.top_k)
                              for part in backwards.sort(dim=dim, descending=True, stable=True))
        return values, (x.shape[dim] - 1 - places).to(x.dtype)
