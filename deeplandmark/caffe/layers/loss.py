"""EuclideanLoss (euclidean_loss_layer.cpp)."""
import math

import torch.nn.functional as F

from deeplandmark.caffe.layers.base import LossLayer
from deeplandmark.caffe.layers.registry import layer


@layer("EuclideanLoss")
class EuclideanLoss(LossLayer):
    """1/(2N) * sum ||a - b||^2 over the N rows; both bottoms may get a gradient."""
    no_gradient_bottoms = ()

    def reshape(self, bottom_shapes):
        self.check_batch(bottom_shapes)
        a, b = bottom_shapes
        if math.prod(a[1:]) != math.prod(b[1:]):
            self.fail(f"rows differ in size: shapes {tuple(a)} and {tuple(b)}")
        return [()]

    def forward(self, a, b):
        if a.shape != b.shape:
            b = b.reshape(a.shape)
        return F.mse_loss(a, b, reduction="sum") * (0.5 / a.shape[0]),
