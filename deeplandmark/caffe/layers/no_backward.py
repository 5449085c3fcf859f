"""Layers without a backward: Caffe stops when one would need a gradient, instead of learning nothing quietly."""
import torch


def without_backward(layer, top, bottom):
    """`top` again; a gradient that reaches it where `bottom` wants one is a NetError that names the layer.

    Caffe's NOT_IMPLEMENTED stops there as well.
    """
    if torch.is_grad_enabled() and bottom.requires_grad:
        return _Refusal.apply(bottom, top, layer)
    return top


class _Refusal(torch.autograd.Function):

    @staticmethod
    def forward(ctx, bottom, top, layer):
        ctx.layer = layer
        return top.view_as(top)

    @staticmethod
    def backward(ctx, top_diff):
        ctx.layer.fail(f"{ctx.layer.param.type} has no backward: keep it out of what a loss depends on, "
                       "or set propagate_down to false")
