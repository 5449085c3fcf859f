"""Layers of the Caffe forks that landmark projects trained with: Noise and WeightEuclideanLoss.

They mean what they mean in the fork behind the deep-landmark descendants with MobileNets and 68 points; where that
fork contradicts itself, the docstring says what is done here.
"""
import math

import torch

from deeplandmark.caffe.layers.base import Layer, LossLayer
from deeplandmark.caffe.layers.registry import layer

_CONTOUR = 17                                                    # points 0..16 of 68 are the jaw
_COARSE = (17, 21, 22, 26, 27, 31, 35, 36, 39, 42, 45, 48, 54)   # ends of brows and eyes, nose, mouth corners
_SMALLEST = torch.finfo(torch.float32).tiny


@layer("Noise")
class Noise(Layer):
    """x + noise in TRAIN, x in TEST; the gradient passes unchanged. The top has the bottom's shape.

    noise_param: gaussian_std: normal noise of mean `bias`, its deviation gaussian_std times the root mean square of x;
    otherwise uniform_range: uniform noise in bias +- uniform_range. With neither the layer does nothing, as in the
    fork.
    """
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        self.settings = p = self.param.noise_param
        if p.gaussian_std < 0 or p.uniform_range < 0:
            self.fail(f"gaussian_std and uniform_range cannot be negative, found {p.gaussian_std} and "
                      f"{p.uniform_range}")

    def forward(self, x):
        p, generator = self.settings, self.context.own_generator
        noise = torch.empty(x.shape)                             # drawn on the CPU: one seed for every device
        if self.phase != 0:
            return x + 0,
        if p.HasField("gaussian_std"):
            noise = noise.normal_(generator=generator).to(x.device)
            noise = noise * (p.gaussian_std * x.detach().square().mean().sqrt()) + p.bias
        elif p.HasField("uniform_range"):
            noise = noise.uniform_(p.bias - p.uniform_range, p.bias + p.uniform_range, generator=generator).to(x.device)
        else:
            return x + 0,
        return x + noise,


@layer("WeightEuclideanLoss")
class WeightEuclideanLoss(LossLayer):
    """1/(2N) * sum of w * u * (a - b)^2 / d over N rows of points x1 .. xK y1 .. yK; b is the truth.

    w: for 68 points (K = 68, iBUG order) contour_weight for points 0-16, main_weight for the others, and coarse_weight,
    unless it is 0, for 13 corners. For another K there are no such groups, and the three must be left out: w is 1.
    u: an optional third bottom of a's size, 1 without it. The fork leaves it out of the gradient; here it is in.
    d: 1, or with `normalized: 1` a size of the face in b. normalized_type 0 (68 points): between the eyes, as the fork
    has it, from (x of point 36, y of 39) to (x of 42, y of 45); 1: the diagonal of the box of the points, in 0..1; 2
    (68 points, not in the fork): what it must have meant by 0, between the middles of 36 and 39 and of 42 and 45.
    Both bottoms may get a gradient; d counts as constant. Where the fork fixes the weights to the first batch's size,
    they follow the batch here.
    """
    exact_bottoms = None
    min_bottoms, max_bottoms = 2, 3
    no_gradient_bottoms = (2,)

    def create(self, bottom_shapes):
        self.settings = p = self.param.weight_euclidean_loss_param
        if p.normalized not in (0, 1) or p.normalized_type not in (0, 1, 2):
            self.fail("normalized must be 0 or 1, normalized_type 0, 1 or 2, found "
                      f"{p.normalized} and {p.normalized_type}")
        self.points = self._count_points(bottom_shapes)
        self.register_buffer("weights", self._weights(), persistent=False)

    def reshape(self, bottom_shapes):
        if self._count_points(bottom_shapes) != self.points:
            self.fail(f"made for {self.points} points, found bottoms of shapes {[tuple(s) for s in bottom_shapes]}")
        return [()]

    def _count_points(self, bottom_shapes):
        self.check_batch(bottom_shapes)
        sizes = {math.prod(shape) for shape in bottom_shapes}
        if len(sizes) != 1:
            self.fail(f"bottoms differ in size: shapes {[tuple(s) for s in bottom_shapes]}")
        count = math.prod(bottom_shapes[0][1:])
        if count % 2 or not count:
            self.fail(f"rows of {count} values are not points (x and y)")
        return count // 2

    def _weights(self):
        """One weight for each value of a row, (2K,)."""
        p = self.settings
        if self.points != 68:
            given = [name for name in ("contour_weight", "main_weight", "coarse_weight") if p.HasField(name)]
            if given or p.normalized and p.normalized_type != 1:
                what = ", ".join(given) or f"normalized_type {p.normalized_type}"
                self.fail(f"{what} is for 68 points, found {self.points}")
            return torch.ones(2 * self.points)
        weights = torch.full((68,), p.main_weight)
        weights[:_CONTOUR] = p.contour_weight
        if p.coarse_weight:
            weights[list(_COARSE)] = p.coarse_weight
        return weights.repeat(2)

    def forward(self, a, b, values=None):
        n = a.shape[0]
        rows, truth = a.reshape(n, -1), b.reshape(n, -1)
        weights = self.weights / self._sizes(truth.detach()) if self.settings.normalized else self.weights
        if values is not None:
            weights = weights * values.detach().reshape(n, -1)
        return (weights * (rows - truth).square()).sum() / n / 2,

    def _sizes(self, truth):
        """Size of each face, (N, 1)."""
        x, y = truth[:, :self.points], truth[:, self.points:]
        if self.settings.normalized_type == 0:
            width, height = x[:, 36] - x[:, 42], y[:, 39] - y[:, 45]
        elif self.settings.normalized_type == 2:
            width, height = ((axis[:, 36] + axis[:, 39] - axis[:, 42] - axis[:, 45]) / 2 for axis in (x, y))
        else:
            # The fork's box starts as an inside-out 1..0, so points beyond 0..1 widen it and none can shrink it.
            width, height = (axis.amax(1).clamp(min=0) - axis.amin(1).clamp(max=1) for axis in (x, y))
        return torch.sqrt(width.square() + height.square()).clamp(min=_SMALLEST)[:, None]
