"""What single-shot detectors train with: targets for every cell of a map, and the focal loss (no layers of Caffe's)."""
import math

import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer, LossLayer
from deeplandmark.caffe.layers.registry import layer

OBJECT, IGNORED = 1, -1    # the first value of an object's row; of other rows nothing counts
NEAR_BAND = 1.4            # objects so much smaller or larger than a map's are not to be found by it, nor to be denied


@layer("DenseTargets")
class DenseTargets(Layer):
    """What each cell of a map should answer about the objects of its picture.

    Bottoms: a map (N, C, H, W), of which the shape alone counts; objects (N, K, 5 + V), a row an object: 1 (or -1 for
    a place that is left out of the loss, another number for no object), left, top, right, bottom, then V values that
    lie along x, y, x, y ..., all in pixels. Tops: label (N, 1, H, W), 1, 0 or -1; values (N, V, H, W), relative to the
    cell's middle, in units; weights (N, V, H, W), 1 in cells of label 1, else 0.

    dense_targets_param: `stride`, pixels between two cells, of which the first has its middle at (stride - 1) / 2;
    `min_size` and `max_size` of this map's objects (root of the area); `unit`, pixels. A cell is of label 1 when its
    middle lies within `radius` of an object's, in its sizes, or within half a stride; within `ignored_radius`, or three
    quarters of a stride, it is left out (-1). Of several objects the one that is nearer, in its sizes, counts.
    """
    exact_bottoms = 2
    exact_tops = 3
    no_gradient_bottoms = (0, 1)

    def create(self, bottom_shapes):
        p = self.param.dense_targets_param
        self.stride, self.unit, self.sizes = p.stride, p.unit or p.stride, (p.min_size, p.max_size)
        self.radius, self.ignored_radius = p.radius, p.ignored_radius
        if not self.stride or not self.unit > 0:
            self.fail(f"needs a stride of at least 1 and a unit above 0, found {self.stride} and {self.unit:g}")
        if not 0 < self.radius <= self.ignored_radius:
            self.fail(f"needs 0 < radius <= ignored_radius, found {self.radius:g} and {self.ignored_radius:g}")

    def reshape(self, bottom_shapes):
        maps, objects = bottom_shapes
        if len(maps) != 4 or len(objects) != 3 or maps[0] != objects[0] or objects[2] < 5 or objects[2] % 2 == 0:
            self.fail("takes a map (N, C, H, W) and objects (N, K, 5 + V) with an even V, found shapes "
                      f"{tuple(maps)} and {tuple(objects)}")
        cells, values = (maps[0], 1, *maps[2:]), (maps[0], objects[2] - 5, *maps[2:])
        return [cells, values, values]

    def forward(self, maps, objects):
        n, _, height, width = maps.shape
        kind, boxes = objects[..., 0], objects[..., 1:5]
        size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1).sqrt()
        middle = (boxes[..., :2] + boxes[..., 2:]) / 2
        cells = self._cells(height, width, objects)
        distance = (cells - middle[:, :, None]).abs().amax(-1)   # (N, K, H * W)
        reach, outer = (torch.maximum(size * radius, torch.full_like(size, self.stride * share))[..., None]
                        for radius, share in ((self.radius, 0.5), (self.ignored_radius, 0.75)))
        own, near = self._of_this_map(size)
        hit = (distance <= reach) & (own & (kind == OBJECT))[..., None]
        left_out = (distance <= outer) & (near & (kind == OBJECT))[..., None]
        left_out |= (distance <= size[..., None] / 2) & (kind == IGNORED)[..., None]
        relative = torch.where(hit, distance / size[..., None].clamp(min=1e-6), torch.inf)
        chosen = relative.argmin(1) if kind.shape[1] else relative.new_zeros((n, height * width), dtype=torch.long)
        label = hit.any(1).float() - (left_out.any(1) & ~hit.any(1)).float()
        values = self._values(objects[..., 5:], chosen, cells) * (label == 1)[:, None]
        weights = (label == 1).float()[:, None].expand_as(values)
        return tuple(top.reshape(n, -1, height, width) for top in (label, values, weights))

    def _cells(self, height, width, like):
        """Middles of the cells, pixels (H * W, 2)."""
        y, x = (torch.arange(count, dtype=like.dtype, device=like.device) * self.stride + (self.stride - 1) / 2
                for count in (height, width))
        return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)

    def _of_this_map(self, size):
        """Which objects this map should find, and which it may."""
        low, high = self.sizes[0], self.sizes[1] or math.inf
        return (size >= low) & (size < high), (size >= low / NEAR_BAND) & (size < high * NEAR_BAND)

    def _values(self, values, chosen, cells):
        """Values (N, V, H * W) of the chosen objects (N, H * W), relative to the cells, in units."""
        if not values.shape[1]:
            return values.new_zeros((len(values), values.shape[2], len(cells)))
        picked = values.gather(1, chosen[..., None].expand(-1, -1, values.shape[2]))
        return ((picked - cells.repeat(1, values.shape[2] // 2)) / self.unit).transpose(1, 2)


@layer("SigmoidFocalLoss")
class SigmoidFocalLoss(LossLayer):
    """Sum of -a (1 - p)^gamma log(p) over the cells, p the probability of a cell's label (Lin et al., ICCV 2017).

    Bottoms: scores x, label of as many values, 1 or 0; others, such as -1, are left out. p is sigmoid(x) where the
    label is 1 and 1 - sigmoid(x) where it is 0; a is alpha there and 1 - alpha here (Eq. 5). The sum is divided by the
    number of labels 1 (1 without any), as the paper does. focal_loss_param: alpha, gamma.
    """

    def create(self, bottom_shapes):
        p = self.param.focal_loss_param
        self.alpha, self.gamma = p.alpha, p.gamma
        if not (0 <= self.alpha <= 1 and self.gamma >= 0):
            self.fail(f"needs alpha of 0 to 1 and gamma of at least 0, found {self.alpha:g} and {self.gamma:g}")

    def reshape(self, bottom_shapes):
        if math.prod(bottom_shapes[0]) != math.prod(bottom_shapes[1]):
            self.fail(f"needs a label for each score: shapes {tuple(bottom_shapes[0])} and {tuple(bottom_shapes[1])}")
        return super().reshape(bottom_shapes)

    def forward(self, scores, label):
        label = label.detach().reshape(scores.shape)
        sign = torch.where(label == 1, 1.0, -1.0)
        log_p = F.logsigmoid(scores * sign)
        missing = torch.sigmoid(-scores * sign)                  # 1 - p
        share = torch.where(label == 1, self.alpha, 1 - self.alpha)
        losses = torch.where((label == 0) | (label == 1), -share * missing.pow(self.gamma) * log_p, 0)
        return losses.sum() / (label == 1).sum().clamp(min=1),
