"""EuclideanLoss (euclidean_loss_layer.cpp), SmoothL1Loss of the fork that came with Fast R-CNN, PointDistanceLoss and
VisibleTarget."""
import math

import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer, LossLayer
from deeplandmark.caffe.layers.registry import layer


@layer("EuclideanLoss")
class EuclideanLoss(LossLayer):
    """1/(2N) * sum ||a - b||^2 over the N rows; both bottoms may get a gradient (euclidean_loss_layer.cpp).

    Bottoms (N, ...) with rows of one size, top ().
    """
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


@layer("SmoothL1Loss")
class SmoothL1Loss(EuclideanLoss):
    """1/N * sum f(w_in * (a - b)) * w_out over the N rows (smooth_L1_loss_layer.cpp of Fast R-CNN's fork).

    f(x) is (sigma x)^2 / 2 where |x| < 1 / sigma^2, and |x| - 1 / (2 sigma^2) beyond. w_in and w_out are an optional
    third and fourth bottom of a's size; 1 without them. Both a and b may get a gradient. smooth_l1_loss_param: sigma.
    """
    exact_bottoms = None
    min_bottoms, max_bottoms = 2, 4
    no_gradient_bottoms = (2, 3)

    def create(self, bottom_shapes):
        self.sigma = self.param.smooth_l1_loss_param.sigma
        if not self.sigma > 0:
            self.fail(f"sigma must be above 0, found {self.sigma}")
        if len(bottom_shapes) == 3:
            self.fail("SmoothL1Loss takes 2 bottoms, or 4 with both weights; found 3")

    def reshape(self, bottom_shapes):
        shapes = super().reshape(bottom_shapes[:2])
        for shape in bottom_shapes[2:]:
            super().reshape([bottom_shapes[0], shape])
        return shapes

    def forward(self, a, b, inside=None, outside=None):
        difference = a - b.reshape(a.shape)
        if inside is None:
            return smooth_l1(difference, self.sigma).sum() / a.shape[0],
        values = smooth_l1(difference * inside.detach().reshape(a.shape), self.sigma)
        return (values * outside.detach().reshape(a.shape)).sum() / a.shape[0],


@layer("PointDistanceLoss")
class PointDistanceLoss(LossLayer):
    """Mean distance between points a and b, over their size: as landmark papers print it. deeplandmark's own layer.

    Bottoms a and b, the truth, (N, 2k) points x1 y1 x2 y2 ... or as many values a row; top (), the mean over all N k
    points of |a - b| / d. d is the distance between the means of two groups of points of b, or without groups the
    diagonal of the box of b's points, and at least 1e-6. No gradient reaches b; that of a point in its place is 0.
    point_distance_loss_param: first, second, positions of points.
    """

    def reshape(self, bottom_shapes):
        self.check_batch(bottom_shapes)
        p, (a, b) = self.param.point_distance_loss_param, map(tuple, bottom_shapes)
        values = math.prod(a[1:])
        if values != math.prod(b[1:]) or values % 2 or not values:
            self.fail(f"takes rows of as many points (x and y), found shapes {a} and {b}")
        if bool(p.first) != bool(p.second) or any(2 * point >= values for point in (*p.first, *p.second)):
            self.fail(f"needs two groups of its {values // 2} points or none, found {list(p.first)} and "
                      f"{list(p.second)}")
        return [()]

    def forward(self, a, b):
        a, b = (points.reshape(len(points), -1, 2) for points in (a, b.detach()))
        distances = torch.linalg.vector_norm(a - b, dim=2)
        return (distances / self._sizes(b).clamp(min=1e-6)).mean(),

    def _sizes(self, points):
        """(N, 1)"""
        p = self.param.point_distance_loss_param
        if p.first:
            across = points[:, list(p.first)].mean(1) - points[:, list(p.second)].mean(1)
        else:
            across = points.amax(1) - points.amin(1)
        return torch.linalg.vector_norm(across, dim=1, keepdim=True)


@layer("VisibleTarget")
class VisibleTarget(Layer):
    """Target b, with the prediction a where b is NaN, so that no loss between the two sees those values.

    Bottoms a (N, ...) and b of as many values a row; top of a's shape, into which no gradient flows. deeplandmark's own
    layer, for points that are not visible.
    """
    exact_bottoms, exact_tops = 2, 1
    no_gradient_bottoms = (0, 1)

    def reshape(self, bottom_shapes):
        a, b = bottom_shapes
        if math.prod(a) != math.prod(b) or a[:1] != b[:1]:
            self.fail(f"prediction and target differ in size: shapes {tuple(a)} and {tuple(b)}")
        return [tuple(a)]

    def forward(self, a, b):
        return visible_target(a, b.reshape(a.shape)),


def visible_target(prediction, target):
    """The target, with what was predicted where it is NaN: a constant."""
    return torch.where(target.isnan(), prediction, target).detach()


def smooth_l1(x, sigma):
    """f of `SmoothL1Loss` for each value of a tensor; the same shape."""
    return F.smooth_l1_loss(x, torch.zeros((), dtype=x.dtype, device=x.device).expand_as(x), reduction="none",
                            beta=1 / sigma ** 2)
