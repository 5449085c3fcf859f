"""Boxes that MS-CNN (zhaoweicai/mscnn) and Cascade R-CNN (zhaoweicai/cascade-rcnn) propose, move and sort by size."""
import math

import numpy as np
import torch

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer

_NOTHING = (0, 1, 1, 10, 10)                                     # the region of nets that find no box
_MOST = 1e6                                                      # of settings that boxes are multiplied by


class BoxLayer(Layer):
    """Settings that several of them have; nothing gets a gradient."""

    def read_normalisation(self):
        """Takes means and deviations (float64 (4,)) from bbox_reg_param, 0 and 1 where it lacks one of them."""
        p = self.param.bbox_reg_param
        mean, std = (np.array(values, np.float64) for values in (p.bbox_mean, p.bbox_std))
        if not len(mean) or not len(std):
            mean, std = np.zeros(4), np.ones(4)
        if len(mean) != 4 or len(std) != 4 or not (np.isfinite(mean) & (std > 0) & np.isfinite(std)).all():
            self.fail(f"bbox_reg_param needs 4 bbox_mean and 4 bbox_std above 0, found {list(p.bbox_mean)} and "
                      f"{list(p.bbox_std)}")
        self.mean, self.std = mean, std


class ProposingLayer(BoxLayer):
    """Boxes around cells of maps: decoded, sure enough, large enough, and no doubles.

    Tops: regions (K, 5, 1, 1), number in the batch and x1, y1, x2, y2 in pixels, best first in each picture, and if
    asked for (K, 6, 1, 1), the score behind. Where there are none at all K is 1: (0, 1, 1, 10, 10), and zeros.
    """
    min_tops, max_tops = 1, 2

    def read_limits(self, p, bottoms):
        """Takes what both messages have, for a number of bottoms; a NetError for settings without meaning."""
        self.settings, self.no_gradient_bottoms = p, tuple(range(bottoms))
        if not 0 < p.field_whr < _MOST or not 1 / _MOST < p.field_xyr < _MOST or math.isnan(p.fg_thr + p.min_size):
            self.fail(f"field_whr and field_xyr must be above 0, found {p.field_whr:g} and {p.field_xyr:g}")
        self.read_normalisation()

    def top_shapes(self):
        """Until the first forward."""
        return [(1, 5, 1, 1), (1, 6, 1, 1)][:self.num_tops]

    def decode(self, deltas, width, height, stride):
        """Boxes (x, y, w, h), float64 (4, rows, columns), of deltas (4, rows, columns) for a field of that size."""
        p = self.settings
        deltas = deltas * self.std[:, None, None] + self.mean[:, None, None]
        rows, columns = deltas.shape[1:]
        x, y = ((np.arange(n) + 0.5) * stride for n in (columns, rows))
        dx, dy = deltas[:2].clip(-1 / p.field_xyr, 1 / p.field_xyr)
        sizes = np.exp(deltas[2:].clip(-math.log(p.field_whr), math.log(p.field_whr)))
        w, h = sizes * np.array([width, height]).reshape(2, 1, 1)
        return np.stack([dx * width + x - w / 2, dy * height + y[:, None] - h / 2, w, h])

    def tops(self, found, device):
        """Tensors of `found`, a list of rows (k, 5) for each picture: x1, y1, x2, y2, score."""
        rows = np.concatenate([np.insert(boxes, 0, number, axis=1) for number, boxes in enumerate(found)] or
                              [np.zeros((0, 6))])
        tops = [rows[:, :5], rows] if len(rows) else [np.array([_NOTHING]), np.zeros((1, 6))]
        return tuple(torch.from_numpy(top.astype(np.float32)[..., None, None]).to(device)
                     for top in tops[:self.num_tops])

    def best(self, boxes, scores, order):
        """(k, 5) of boxes (n, 4) that `order` (int array) puts best first: those that `keep_apart` leaves."""
        p = self.settings
        order = order[:p.max_nms_num or None]
        boxes, scores = boxes[order], scores[order]
        kept = keep_apart(boxes, p.iou_thr, p.nms_type)[:p.max_post_nms_num or None]
        return np.column_stack([boxes, scores])[kept]


def keep_apart(boxes, threshold, kind):
    """Positions (list of int) of boxes (x1, y1, x2, y2), both corners inside, that share at most `threshold` with a
    kept one before them: of the union, with `kind` IOMU of the smaller one, IOFU of the earlier one."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    areas = np.where((sizes < 0).any(1), 0, (sizes + 1).prod(1))
    left, kept = np.arange(len(boxes)), []
    while left.size:
        first, left = left[0], left[1:]
        kept.append(int(first))
        sides = np.minimum(boxes[left, 2:], boxes[first, 2:]) - np.maximum(boxes[left, :2], boxes[first, :2])
        shared = np.where((sides < 0).any(1), 0, (sides + 1).prod(1))
        whole = areas[first] + areas[left] - shared
        whole = np.minimum(areas[first], areas[left]) if kind == "IOMU" else \
            np.full(len(left), areas[first]) if kind == "IOFU" else whole
        usable = (whole > 0) & (areas[first] > 0) & (areas[left] > 0)
        left = left[~(usable & (shared / np.where(usable, whole, 1) > threshold))]
    return kept


@layer("BoxOutput")
class BoxOutput(ProposingLayer):
    """Boxes that several maps of MS-CNN propose, best first, a field size for each (box_output_layer.cpp, mscnn).

    Bottoms: maps (N, classes + 4, rows, columns), scores of the classes, the first of which is the background, and dx,
    dy, dw, dh in parts of the field and as logarithms of factors. A box's score is the highest of the other classes
    minus the background's. Tops as of ProposingLayer: (K, 5, 1, 1), and (K, 6, 1, 1) with scores; nothing gets a
    gradient.

    box_output_param: field_w, field_h, downsample_rate, one for each bottom; fg_thr, the least score; field_xyr and
    field_whr: offsets up to 1 / field_xyr fields, sizes up to field_whr times smaller or larger; min_size, the least
    side; max_nms_num, max_post_nms_num (0: all), iou_thr, nms_type (IOU, IOMU: part of the smaller box, IOFU: of the
    better one). bbox_reg_param: bbox_mean, bbox_std.
    """
    min_bottoms = 1

    def create(self, bottom_shapes):
        p = self.param.box_output_param
        self.read_limits(p, len(bottom_shapes))
        self.fields = list(zip(p.field_w, p.field_h, p.downsample_rate))
        if {len(p.field_w), len(p.field_h), len(p.downsample_rate)} != {len(bottom_shapes)} or \
                not all(0 < n < _MOST for field in self.fields for n in field):
            self.fail(f"needs field_w, field_h and downsample_rate above 0, {len(bottom_shapes)} of each, found "
                      f"{list(p.field_w)}, {list(p.field_h)} and {list(p.downsample_rate)}")

    def reshape(self, bottom_shapes):
        first = tuple(bottom_shapes[0])
        for shape in map(tuple, bottom_shapes):
            if len(shape) != 4 or shape[1] < 6 or shape[:2] != first[:2]:
                self.fail(f"takes maps (N, classes + 4, rows, columns), 2 classes and more, found shapes {first} and "
                          f"{shape}")
        return self.top_shapes()

    def forward(self, *bottoms):
        maps = [bottom.detach().cpu().numpy().astype(np.float64) for bottom in bottoms]
        return self.tops([self._of_one([m[number] for m in maps]) for number in range(len(maps[0]))],
                         bottoms[0].device)

    def _of_one(self, maps):
        """(k, 5) of one picture."""
        found = []
        for m, (width, height, stride) in zip(maps, self.fields):
            scores = (m[1:-4].max(0) - m[0]).ravel()
            x, y, w, h = self.decode(m[-4:], width, height, stride).reshape(4, -1)
            x, y = x.clip(0), y.clip(0)
            w, h = np.minimum(w, m.shape[2] * stride - x), np.minimum(h, m.shape[1] * stride - y)
            good = (scores >= self.settings.fg_thr) & (w >= self.settings.min_size) & (h >= self.settings.min_size)
            found.append(np.column_stack([x, y, x + w - 1, y + h - 1, scores])[good])
        found = np.concatenate(found)
        order = np.argsort(found[:, 4], kind="stable")[::-1]     # of equal scores the later box is the better one
        return self.best(found[:, :4], found[:, 4], order) + [0, 0, 1, 1, 0]


@layer("BoxGroupOutput")
class BoxGroupOutput(ProposingLayer):
    """Boxes that an RPN proposes, best first (box_group_output_layer.cpp of zhaoweicai/cascade-rcnn).

    Bottoms in pairs, for each stride: probabilities (N * G, classes, rows, columns), the first that of the background,
    and dx, dy, dw, dh (N * G, 4, rows, columns), G fields one behind the other for each picture. A box's score is 1
    minus the background's probability. Tops as of ProposingLayer: (K, 5, 1, 1), and (K, 6, 1, 1) with scores; nothing
    gets a gradient.

    box_group_output_param: for each pair a box_group_param (field_w, field_h, G of each, and stride); the rest as of
    BoxOutput. bbox_reg_param: bbox_mean, bbox_std.
    """
    min_bottoms = 2

    def create(self, bottom_shapes):
        p = self.param.box_group_output_param
        self.read_limits(p, len(bottom_shapes))
        self.groups = [(list(zip(g.field_w, g.field_h)), g.stride) for g in p.box_group_param]
        if len(bottom_shapes) != 2 * len(self.groups):
            self.fail(f"needs two bottoms for each box_group_param, found {len(bottom_shapes)} for {len(self.groups)}")
        for g, (fields, stride) in zip(p.box_group_param, self.groups):
            if not fields or len(g.field_w) != len(g.field_h) or \
                    not all(0 < n < _MOST for n in (*g.field_w, *g.field_h, stride)):
                self.fail("box_group_param needs as many field_w as field_h and a stride, above 0, found "
                          f"{list(g.field_w)}, {list(g.field_h)} and {stride}")

    def reshape(self, bottom_shapes):
        shapes, numbers = list(map(tuple, bottom_shapes)), set()
        for probabilities, deltas, (fields, _) in zip(shapes[::2], shapes[1::2], self.groups):
            if len(probabilities) != 4 or deltas != (probabilities[0], 4, *probabilities[2:]) or \
                    probabilities[1] < 1 or probabilities[0] % len(fields):
                self.fail(f"{len(fields)} fields take probabilities (N * {len(fields)}, classes, rows, columns) and "
                          f"deltas (N * {len(fields)}, 4, rows, columns), found shapes {probabilities} and {deltas}")
            numbers.add(probabilities[0] // len(fields))
        if len(numbers) != 1:
            self.fail(f"its bottoms are of {sorted(numbers)} pictures: expected one number")
        return self.top_shapes()

    def forward(self, *bottoms):
        arrays = [bottom.detach().cpu().numpy().astype(np.float64) for bottom in bottoms]
        count = len(arrays[0]) // len(self.groups[0][0])
        return self.tops([self._of_one(arrays, number) for number in range(count)], bottoms[0].device)

    def _of_one(self, arrays, number):
        """(k, 5) of one picture."""
        found = []
        for probabilities, deltas, (fields, stride) in zip(arrays[::2], arrays[1::2], self.groups):
            for k, (width, height) in enumerate(fields, number * len(fields)):
                scores = 1 - probabilities[k, 0].ravel()
                x, y, w, h = self.decode(deltas[k], width, height, stride).reshape(4, -1)
                boxes = np.column_stack([x.clip(0), y.clip(0), np.minimum(x + w - 1, deltas.shape[3] * stride),
                                         np.minimum(y + h - 1, deltas.shape[2] * stride), scores])
                sizes = boxes[:, 2:4] - boxes[:, :2] + 1
                found.append(boxes[(scores >= self.settings.fg_thr) & (sizes >= self.settings.min_size).all(1)])
        found = np.concatenate(found)
        return self.best(found[:, :4], found[:, 4], np.argsort(-found[:, 4], kind="stable"))


@layer("DecodeBBox")
class DecodeBBox(BoxLayer):
    """Regions moved as a stage of Cascade R-CNN says (decode_bbox_layer.cpp of zhaoweicai/cascade-rcnn and mscnn).

    Bottoms: dx, dy, dw, dh (R, 8) of the background, which has no effect, and of an object, in parts of the region's
    size and as logarithms of factors, and regions (R, 5). Top (R, 5), with all axes of bottom 1. In TRAIN regions that
    are inside out are left out, and with a third bottom, whose last column is what each shares with the truth, those
    that share gt_iou_thr and more. Nothing gets a gradient.

    bbox_reg_param: bbox_mean, bbox_std. decode_bbox_param: gt_iou_thr.
    """
    min_bottoms, max_bottoms, exact_tops = 2, 3, 1
    no_gradient_bottoms = (0, 1, 2)

    def create(self, bottom_shapes):
        self.read_normalisation()
        if len(bottom_shapes) > 2 and self.phase != 0:
            self.fail("a third bottom is for TRAIN alone")

    def reshape(self, bottom_shapes):
        deltas, regions, *truth = map(tuple, bottom_shapes)
        rows = regions[:1]
        if regions[1:2] != (5,) or deltas[:2] != (*rows, 8) or any(n != 1 for n in (*regions[2:], *deltas[2:])) or \
                any(len(shape) < 2 or shape[:1] != rows for shape in truth):
            self.fail(f"takes deltas (R, 8), regions (R, 5) and at most (R, columns), found shapes "
                      f"{', '.join(map(str, map(tuple, bottom_shapes)))}")
        return [regions]

    def forward(self, deltas, regions, truth=None):
        mean, std = (torch.from_numpy(values).to(deltas) for values in (self.mean, self.std))
        moves = deltas.reshape(len(deltas), 8)[:, 4:] * std + mean
        rows = regions.reshape(len(regions), 5)
        sizes = rows[:, 3:] - rows[:, 1:3] + 1
        moved = sizes * moves[:, 2:].exp()
        first = moves[:, :2] * sizes + (rows[:, 1:3] + rows[:, 3:]) / 2 - (moved - 1) / 2
        last = first + moved - 1
        top = torch.cat([rows[:, :1], first, last], 1)
        if self.phase == 0:
            kept = ~(first > last).any(1)
            if truth is not None:
                kept &= truth.reshape(len(rows), -1)[:, -1] < self.param.decode_bbox_param.gt_iou_thr
            top = top[kept]
            if len(rows) and not len(top):
                self.fail(f"none of {len(rows)} regions is left")
        return top.reshape(-1, *regions.shape[1:]),


@layer("ScaleRoute")
class ScaleRoute(Layer):
    """Rows of all bottoms whose region, in bottom 0, has a size of low_scale to high_scale (scale_route_layer.cpp).

    Of zhaoweicai/cascade-rcnn. Bottoms (R, 5, ...), and others of R rows; as many tops (K, ...). A size is the root of
    a region's area in pixels; where no region has one, the one nearest to the middle, by the ratio, goes on alone.
    Nothing gets a gradient.

    scale_route_param: low_scale (from it on), high_scale (below it); the middle is the root of their product.
    """
    min_bottoms = min_tops = 1
    equal_bottoms_and_tops = True

    def create(self, bottom_shapes):
        p = self.param.scale_route_param
        self.no_gradient_bottoms = tuple(range(len(bottom_shapes)))
        given = [getattr(p, name) for name in ("low_scale", "high_scale") if p.HasField(name)]
        if not all(0 < scale < math.inf for scale in given) or given != sorted(given):
            self.fail(f"low_scale and high_scale must be above 0 and finite, the first not above the second, found "
                      f"{p.low_scale:g} and {p.high_scale:g}")
        self.limits = p.low_scale, p.high_scale if p.HasField("high_scale") else math.inf
        self.middle = math.prod(given) ** (1 / len(given)) if given else 256

    def reshape(self, bottom_shapes):
        first, *others = map(tuple, bottom_shapes)
        if len(first) < 2 or first[1] != 5 or any(n != 1 for n in first[2:]) or \
                any(shape[:1] != first[:1] for shape in others):
            self.fail(f"takes regions (R, 5) and bottoms of R rows, found shapes {[first, *others]}")
        return [(1, *shape[1:]) for shape in (first, *others)]

    def forward(self, regions, *others):
        corners = regions.detach().reshape(len(regions), 5)[:, 1:]
        sizes = corners[:, 2:] - corners[:, :2]
        scales = torch.where((sizes < 0).any(1), 0.0, (sizes + 1).prod(1)).sqrt()
        kept = ((scales >= self.limits[0]) & (scales < self.limits[1])).nonzero().flatten()
        if not len(kept):
            distances = (scales / self.middle).log2().abs()
            if not (distances < math.inf).any():
                self.fail(f"none of {len(regions)} regions has a size")
            kept = torch.where(distances < math.inf, distances, math.inf).argmin()[None]
        return tuple(bottom[kept] for bottom in (regions, *others))
