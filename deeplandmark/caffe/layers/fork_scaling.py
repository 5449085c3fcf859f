"""Layers of Caffe's forks that scale maps: Axpy (SENet), Normalize (SSD, NormFace), L2Normalization."""
import torch

from deeplandmark.caffe.fillers import constant
from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer

_OF_NORM_FACE = ("normalize_type", "fix_gradient", "bp_norm")
_TINY = torch.finfo(torch.float32).tiny

@layer("Axpy")
class Axpy(Layer):
    """a * x + y with one number a for each map (axpy_layer.cpp of hujie-frank/SENet).

    Bottoms a (N, C) or (N, C, 1, 1), x and y (N, C, ...), top like x.
    """
    exact_bottoms, exact_tops = 3, 1

    def reshape(self, bottom_shapes):
        a, x, y = map(tuple, bottom_shapes)
        if x != y or len(x) < 2 or a[:2] != x[:2] or any(n != 1 for n in a[2:]):
            self.fail(f"takes (N, C), (N, C, ...) and again (N, C, ...), found shapes {a}, {x} and {y}")
        return [x]

    def forward(self, a, x, y):
        return torch.addcmul(y, a.reshape(*x.shape[:2], *(1,) * (x.dim() - 2)), x),


@layer("Normalize")
class Normalize(Layer):
    """scale * x / |x|, |x| over the channels of each place, or over a whole picture with across_spatial.

    normalize_layer.cpp of SSD (weiliu89/caffe): |x| is the root of the sum of squares plus eps. (N, C, ...) -> the same
    shape. Blob: scale (C,), or one for all, shape (), with channel_shared; 1 without a scale_filler. norm_param:
    across_spatial, channel_shared, scale_filler, eps. Backward is the fork's, which multiplies by the scale last: with
    scales that differ it is not exactly the derivative.

    Without norm_param, or with normalize_type (L2, L1) in it or in normalize_param, it is that of happynear's
    caffe-windows (NormFace): over the channels of each place, without a scale; a second top is |x|, (N, 1, ...).
    bp_norm lets the gradient of |x| through.
    """
    exact_bottoms, min_tops, max_tops = 1, 1, 2

    def create(self, bottom_shapes):
        p, shape = self.param.norm_param, bottom_shapes[0]
        self.face = self.param.normalize_param if self.param.HasField("normalize_param") else p
        self._check_axes(shape)
        self.has_scale = self.param.HasField("norm_param") and not any(map(p.HasField, _OF_NORM_FACE))
        if self.has_scale and self.num_tops > 1:
            self.fail("a second top is of the Normalize without scale, which has no norm_param")
        if self.face.normalize_type not in ("L2", "L1") or self.face.fix_gradient:
            self.fail(f"normalize_type must be L2 or L1 and fix_gradient false, found {self.face.normalize_type} and "
                      f"{self.face.fix_gradient}")
        if not self.has_scale:
            return
        self.channels, self.eps, self.across_spatial = shape[1], p.eps, p.across_spatial
        self.add_blob(() if p.channel_shared else (shape[1],),
                      p.scale_filler if p.HasField("scale_filler") else constant(1.0))

    def reshape(self, bottom_shapes):
        shape = tuple(bottom_shapes[0])
        self._check_axes(shape)
        if self.has_scale and self.blobs[0].dim() and shape[1] != self.channels:
            self.fail(f"its scale is for {self.channels} channels, found a bottom of shape {shape}")
        return [shape, (shape[0], 1, *shape[2:])][:self.num_tops]

    def _check_axes(self, shape):
        if len(shape) < 2:
            self.fail(f"takes a bottom of at least 2 axes, found shape {tuple(shape)}")

    def forward(self, x):
        if not self.has_scale:
            norm = torch.linalg.vector_norm(x, 2 if self.face.normalize_type == "L2" else 1, 1, True)
            y = x / norm.clamp(min=_TINY)
            return (y, norm if self.face.bp_norm else norm.detach())[:self.num_tops]
        scale = self.blobs[0].reshape(-1, *(1,) * (x.dim() - 2))
        axes = tuple(range(1, x.dim())) if self.across_spatial else (1,)
        return _Normalised.apply(x, scale, axes, self.eps),


@layer("L2Normalization", "L2Normalize", "Normalization")
class L2Normalization(Layer):
    """x / |x|, |x| over all values of a row (N, ...): layers of this name of compact bilinear pooling and face nets.

    A row of zeros stays one.
    """
    exact_bottoms = exact_tops = 1

    def reshape(self, bottom_shapes):
        if not bottom_shapes[0]:
            self.fail("takes a bottom of at least 1 axis")
        return [tuple(bottom_shapes[0])]

    def forward(self, x):
        norm = torch.linalg.vector_norm(x.reshape(x.shape[0], -1), dim=1).clamp(min=_TINY)
        return x / norm.reshape(-1, *(1,) * (x.dim() - 1)),


class _Normalised(torch.autograd.Function):
    """scale * x / |x|; the gradient is multiplied by the scale behind the Jacobian, as in the fork."""

    @staticmethod
    def forward(ctx, x, scale, axes, eps):
        norm = (x.square().sum(axes, keepdim=True) + eps).sqrt()
        unit = x / norm
        ctx.save_for_backward(unit, norm, scale)
        ctx.axes = axes
        return unit * scale

    @staticmethod
    def backward(ctx, top_diff):
        unit, norm, scale = ctx.saved_tensors
        bottom_diff = scale * (top_diff - unit * (unit * top_diff).sum(ctx.axes, keepdim=True)) / norm
        return bottom_diff, (unit * top_diff).sum_to_size(1, *scale.shape).reshape(scale.shape), None, None
