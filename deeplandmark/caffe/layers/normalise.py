"""MVN and BatchNorm: mean and variance taken out, of one picture or of the batch."""
import torch
import torch.nn.functional as F

from deeplandmark.caffe.fillers import constant
from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


@layer("MVN")
class MVN(Layer):
    """(x - mean) / (std + eps) over each map, or over each picture with across_channels (mvn_layer.cpp).

    (N, C, ...) -> the same shape. mvn_param: across_channels, normalize_variance (without it only the mean is taken
    out), eps. Backward is Caffe's: it treats eps as if it stood under the root, so it is not exactly the derivative.
    """
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        p = self.param.mvn_param
        self.axes_kept = 1 if p.across_channels else 2
        self.normalize_variance, self.eps = p.normalize_variance, p.eps

    def reshape(self, bottom_shapes):
        if len(bottom_shapes[0]) < self.axes_kept:
            self.fail(f"needs a bottom of at least {self.axes_kept} axes, found shape {tuple(bottom_shapes[0])}")
        return [tuple(bottom_shapes[0])]

    def forward(self, x):
        rows = x.reshape(*x.shape[:self.axes_kept], -1)
        if self.normalize_variance:
            y = _Normalise.apply(rows, self.eps)
        else:
            y = rows - rows.mean(-1, keepdim=True)
        return y.reshape(x.shape),


class _Normalise(torch.autograd.Function):
    """Rows (..., K) to mean 0 and deviation 1.

    Caffe's gradient treats eps as if it stood under the root, so it is not the derivative of the forward formula.
    """

    @staticmethod
    def forward(ctx, x, eps):
        x = x - x.mean(-1, keepdim=True)
        deviation = x.square().mean(-1, keepdim=True).sqrt_().add_(eps)
        y = x / deviation
        ctx.save_for_backward(y, deviation)
        return y

    @staticmethod
    def backward(ctx, top_diff):
        y, deviation = ctx.saved_tensors
        mean = top_diff.mean(-1, keepdim=True)
        projection = (y * top_diff).mean(-1, keepdim=True)
        return (top_diff - mean - y * projection) / deviation, None


@layer("BatchNorm")
class BatchNorm(Layer):
    """(x - mean) / sqrt(variance + eps) for each channel (batch_norm_layer.cpp).

    (N, C, ...) -> the same shape; the variance is the biased one. Blobs, none of them learned: sum of means (C,), sum
    of variances (C,), the factor both are divided by (1,). They grow at every forward that uses the batch's own
    statistics. batch_norm_param: use_global_stats (by default only in TEST), moving_average_fraction, eps. A gain and
    bias are a Scale layer behind it.
    """
    forward_changes_blobs = True
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        p, shape = self.param.batch_norm_param, bottom_shapes[0]
        self.global_stats = p.use_global_stats if p.HasField("use_global_stats") else self.phase == 1
        self.fraction, self.eps = p.moving_average_fraction, p.eps
        if not self.eps >= 0:
            self.fail(f"eps must not be negative, found {self.eps:g}")
        self.channels = shape[1] if len(shape) > 1 else 1
        for blob_shape in ((self.channels,), (self.channels,), (1,)):
            self.add_blob(blob_shape, constant(0.0))
        for parameter in self._parameters.values():
            parameter.requires_grad_(False)
        for index in range(3):
            if len(self.param.param) == index:
                self.param.param.add(lr_mult=0.0)
            elif self.param.param[index].lr_mult != 0:
                self.fail("its statistics are not learned: every param needs lr_mult 0")

    def reshape(self, bottom_shapes):
        shape = tuple(bottom_shapes[0])
        if (shape[1] if len(shape) > 1 else 1) != self.channels:
            self.fail(f"its statistics are for {self.channels} channels, found a bottom of shape {shape}")
        return [shape]

    def forward(self, x):
        return self.normalised(x),

    def normalised(self, x, scale=None, shift=None):
        """The top for a bottom (N, C, ...), times scale plus shift of each channel, (C,), where they are given."""
        if self.global_stats:
            return F.batch_norm(x, *self._stored(), scale, shift, eps=self.eps)
        y, mean, variance = normalised_by_batch(x, scale, shift, self.eps)
        self._update(mean, variance, x.numel() // self.channels)
        return y

    @torch.no_grad()
    def _stored(self):
        """Mean and variance of the blobs; 0 while the factor is 0."""
        means, variances, factor = self.blobs
        scale = torch.where(factor == 0, factor, 1 / factor)
        return means * scale, variances * scale

    @torch.no_grad()
    def _update(self, mean, variance, count):
        """Adds one batch to the running sums, the variance unbiased."""
        means, variances, factor = self.blobs
        correction = count / (count - 1) if count > 1 else 1.0
        factor.mul_(self.fraction).add_(1)
        means.mul_(self.fraction).add_(mean)
        variances.mul_(self.fraction).add_(variance, alpha=correction)


def normalised_by_batch(x, scale, shift, eps):
    """(x - mean) / sqrt(variance + eps) * scale + shift of each channel of x (N, C, ...), by the batch's statistics.

    `scale` and `shift` are (C,) or None. Returns y like x, mean (C,) and biased variance (C,), both without gradient.
    """
    y, mean, inverse = torch.native_batch_norm(x, scale, shift, None, None, True, 0.0, eps)
    with torch.no_grad():
        return y, mean, (inverse.square().reciprocal() - eps).clamp_(min=0)
