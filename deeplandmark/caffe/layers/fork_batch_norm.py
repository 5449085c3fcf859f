"""BN: the batch normalisation of three forks of Caffe, told apart by the fields of bn_param."""
import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.normalise import normalised_by_batch
from deeplandmark.caffe.layers.registry import layer

_SEGNET_EPS = 1e-9
_MOVING = ("moving_average", "decay", "var_eps", "axis", "slope_filler", "bias_filler", "momentum", "eps", "frozen")


@layer("BN")
class BN(Layer):
    """scale * (x - mean) / sqrt(variance + eps) + shift for each channel of (N, C, ...) (bn_layer.cpp of three forks).

    SegNet and ENet (alexgkendall/caffe-segnet; bn_param: scale_filler, shift_filler, bn_mode): blobs scale and shift
    (1, C, 1, 1). LEARN takes the batch's own statistics in TEST, too, and gives mean and variance as a second and third
    top; INFERENCE is scale * x + shift, the statistics being folded into both.

    PSPNet (hszhao/PSPNet; moving_average, decay, var_eps, axis 1) and yjxiong/caffe (slope_filler, bias_filler,
    momentum, eps, frozen) have two more blobs, mean and biased variance, neither of them learned: in TRAIN the batch's
    statistics are used and mixed into them; in TEST (PSPNet: with moving_average) or with frozen they are used.
    """
    forward_changes_blobs = True
    exact_bottoms = 1
    min_tops, max_tops = 1, 3

    def create(self, bottom_shapes):
        p, shape = self.param.bn_param, bottom_shapes[0]
        if len(shape) < 2:
            self.fail(f"takes a bottom of at least 2 axes, found shape {tuple(shape)}")
        if p.axis != 1:
            self.fail(f"bn_param axis {p.axis} is not covered: the channels are axis 1")
        self.channels = shape[1]
        has = p.HasField
        self.keeps_statistics = not has("bn_mode") and (any(map(has, _MOVING)) or not has("scale_filler"))
        is_pspnet = has("moving_average") or has("decay") or has("var_eps")
        self.affine_only = not self.keeps_statistics and p.bn_mode == p.INFERENCE
        self.max_tops = 3 if not self.keeps_statistics and not self.affine_only else 1
        self._check_counts(len(bottom_shapes))
        self.share = p.decay if is_pspnet else 1 - p.momentum    # of the batch in the moving statistics
        self.eps = _SEGNET_EPS if not self.keeps_statistics else p.var_eps if is_pspnet else p.eps
        if not self.eps >= 0:
            self.fail(f"eps must not be negative, found {self.eps:g}")
        self.uses_stored = self.keeps_statistics and (
            p.frozen or self.phase != 0 and (p.moving_average or not is_pspnet))
        self.frozen = p.frozen
        for names in (("scale_filler", "slope_filler"), ("shift_filler", "bias_filler")):
            self.add_blob((1, self.channels, 1, 1), getattr(p, names[0] if has(names[0]) else names[1]))
        if self.keeps_statistics:
            self._add_statistics()

    def _add_statistics(self):
        """Blobs 2 and 3, mean and variance, as zeros that are not learned; with frozen nothing is."""
        for index in range(4):
            if index >= 2:
                self.add_blob((1, self.channels, 1, 1), type(self.param.bn_param.scale_filler)(value=0.0))
            while len(self.param.param) <= index:
                self.param.param.add()
            if index >= 2 or self.frozen:
                self.param.param[index].lr_mult = self.param.param[index].decay_mult = 0.0
                self._parameters[str(index)].requires_grad_(False)

    def reshape(self, bottom_shapes):
        shape = tuple(bottom_shapes[0])
        if len(shape) < 2 or shape[1] != self.channels:
            self.fail(f"its blobs are for {self.channels} channels, found a bottom of shape {shape}")
        return [shape, *[(1, self.channels, 1, 1)] * (self.num_tops - 1)]

    def forward(self, x):
        scale, shift = (blob.reshape(-1) for blob in self.blobs[:2])
        if self.affine_only:
            return torch.addcmul(_spread(shift, x), x, _spread(scale, x)),
        if self.uses_stored:
            mean, variance = (blob.detach().reshape(-1) for blob in self.blobs[2:])
            y = F.batch_norm(x, mean, variance, scale, shift, eps=self.eps)
        else:
            y, mean, variance = normalised_by_batch(x, scale, shift, self.eps)
            if self.num_tops > 1:                                # which may get gradients of their own
                variance, mean = torch.var_mean(x.reshape(len(x), self.channels, -1), (0, 2), correction=0)
            if self.keeps_statistics and self.phase == 0:
                self._mix_in(mean.detach(), variance.detach())
        return (y, *(v.reshape(1, -1, 1, 1) for v in (mean, variance)[:self.num_tops - 1]))

    @torch.no_grad()
    def _mix_in(self, mean, variance):
        for blob, value in zip(self.blobs[2:], (mean, variance)):
            blob.mul_(1 - self.share).add_(value.reshape(blob.shape), alpha=self.share)


def _spread(values, x):
    """Values (C,) as (C, 1, ...), which torch spreads over x (N, C, ...)."""
    return values.reshape(-1, *(1,) * (x.dim() - 2))
