"""LRN: each value divided by a power of the squares around it (lrn_layer.cpp)."""
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


@layer("LRN")
class LRN(Layer):
    """x * (k + alpha * mean of x^2)^-beta over local_size channels, or over local_size x local_size cells of a map.

    ACROSS_CHANNELS divides the sum of squares by local_size, also at the edges. WITHIN_CHANNEL divides it by the whole
    square, cells outside being 0, and takes 1 for k whatever the definition says.
    """
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        p = self.param.lrn_param
        self.size, self.alpha, self.beta = p.local_size, p.alpha, p.beta
        self.across = p.norm_region == p.ACROSS_CHANNELS
        self.k = p.k if self.across else 1.0
        if self.size % 2 == 0:
            self.fail(f"local_size must be odd, found {self.size}")

    def reshape(self, bottom_shapes):
        shape = tuple(bottom_shapes[0])
        if len(shape) != 4:
            self.fail(f"takes a bottom of 4 axes, found shape {shape}")
        return [shape]

    def forward(self, x):
        half = self.size // 2
        if self.across:
            squares = x.square().unsqueeze(1)                    # (N, 1, C, H, W): channels become a spatial axis
            mean = F.avg_pool3d(squares, (self.size, 1, 1), 1, (half, 0, 0)).squeeze(1)
        else:
            mean = F.avg_pool2d(x.square(), self.size, 1, half)
        return x * (self.k + self.alpha * mean).pow(-self.beta),
