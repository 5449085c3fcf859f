"""LRN: each value divided by a power of the squares around it (lrn_layer.cpp)."""
import math

import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


@layer("LRN")
class LRN(Layer):
    """x * (k + alpha * mean of x^2)^-beta over local_size channels, or over local_size x local_size cells of a map.

    (N, C, H, W) -> the same shape (lrn_layer.cpp). lrn_param: local_size, which must be odd, alpha, beta, k,
    norm_region. ACROSS_CHANNELS divides the sum of squares by local_size, also at the edges. WITHIN_CHANNEL divides it
    by the whole square, cells outside being 0, and takes 1 for k whatever the definition says.
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
        if not x.numel():
            return x + 0,
        sizes = x.shape[1:2] if self.across else x.shape[2:]
        windows = [min(self.size, 2 * size - 1) for size in sizes]            # a wider one would only see more zeros
        alpha = self.alpha * math.prod(windows) / self.size ** len(windows)
        # Padded before pooling, which refuses maps smaller than its window.
        pad = [window // 2 for window in reversed(windows) for _ in range(2)]
        if self.across:                                          # (N, 1, C, H, W): channels become a spatial axis
            squares = F.pad(x.square(), (0, 0, 0, 0, *pad)).unsqueeze(1)
            mean = F.avg_pool3d(squares, (*windows, 1, 1), 1).squeeze(1)
        else:
            mean = F.avg_pool2d(F.pad(x.square(), pad), windows, 1)
        return x * (self.k + alpha * mean).pow(-self.beta),
