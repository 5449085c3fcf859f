"""ROIWarping, MaskPooling and MaskResize of Multi-task Network Cascades (daijifeng001/caffe-mnc, for its MNC)."""
import numpy as np
import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.fork_shape import MapLayer
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.layers.roi import LARGEST, RegionLayer, rounded
from deeplandmark.caffe.limits import check_shape


@layer("ROIWarping")
class ROIWarping(RegionLayer):
    """One bilinear sample at the first corner of each bin of every region (roi_warping_layer.cu of MNC's Caffe).

    Corners are rounded to cells, and a region ends before x2 and y2. A sample beyond a border by more than half a cell
    is 0, up to there it is the border's value. roi_warping_param: pooled_h, pooled_w, spatial_scale.

    Regions get a gradient: that of their corners as if they were not rounded, of an x2 and y2 one cell further, and of
    no sample that stands in the last row or column. The maps' is the derivative; the fork's misses some cells.
    """
    no_gradient_bottoms = ()

    def create(self, bottom_shapes):
        p = self.param.roi_warping_param
        self.size = p.pooled_h, p.pooled_w
        self.scale = self.check_settings(p.spatial_scale, *self.size)

    def reshape(self, bottom_shapes):
        maps, count = self.check_shapes(bottom_shapes)
        return [(count, maps[1], *self.size)]

    def forward(self, x, regions):
        numbers, corners = self.read_regions(x, regions)
        corners = torch.from_numpy(rounded(corners * self.scale)).to(x)
        moving = regions.reshape(len(regions), 5)[:, 1:].clamp(-LARGEST, LARGEST) * float(self.scale)
        rows, columns = (_Samples(corners[:, [i, i + 2]], moving[:, [i, i + 2]], count, size)
                         for i, count, size in ((1, self.size[0], x.shape[2]), (0, self.size[1], x.shape[3])))
        tops = [_between(x[number], rows, columns, place) for place, number in enumerate(numbers)]
        return (torch.stack(tops) if tops else x.new_zeros(0, x.shape[1], *self.size)),


class _Samples:
    """Where the bins of all regions sample an axis; arrays (R, bins).

    Attributes
    ----------
    there : bool, whether a sample lies on the map
    before, behind : int64, its cells
    part : how far on the way to the second, with the gradient of the corners
    passes : bool, whether the corners get a gradient
    """

    def __init__(self, corners, moving, count, size):
        start, end = corners[:, :1], corners[:, 1:]
        steps = torch.arange(count, device=corners.device)
        places = start + steps * ((end - start).clamp(min=0) / count)
        self.there = (places >= -0.5) & (places <= size - 0.5)
        places = torch.where(self.there, places, 0.0).clamp(0, size - 1)
        share = (places - start) / (end - start + 1).clamp(min=1)
        moved = (1 - share) * moving[:, :1] + share * moving[:, 1:]
        self.before = places.long()
        self.behind = (self.before + 1).clamp(max=size - 1)
        self.part = places - self.before + moved - moved.detach()
        self.passes = self.before < size - 1


def _between(x, rows, columns, place):
    """The samples (C, rows, columns) that region number `place` takes from maps (C, H, W)."""
    passes = rows.passes[place][:, None] & columns.passes[place]
    down, along = (torch.where(passes, part, part.detach())
                   for part in (rows.part[place][:, None], columns.part[place][None]))
    corner = [[x[:, row[place][:, None], column[place]] for column in (columns.before, columns.behind)]
              for row in (rows.before, rows.behind)]
    values = torch.lerp(torch.lerp(*corner[0], along), torch.lerp(*corner[1], along), down)
    return torch.where(rows.there[place][:, None] & columns.there[place], values, 0.0)


@layer("MaskPooling")
class MaskPooling(Layer):
    """Maps (N, C, H, W) times a mask (N, 1, H, W) for each row (mask_pooling_layer.cu of MNC's Caffe)."""
    exact_bottoms, exact_tops = 2, 1

    def reshape(self, bottom_shapes):
        maps, masks = map(tuple, bottom_shapes)
        if len(maps) != 4 or masks != (maps[0], 1, *maps[2:]):
            self.fail(f"takes maps (N, C, H, W) and masks (N, 1, H, W), found shapes {maps} and {masks}")
        return [maps]

    def forward(self, x, mask):
        return x * mask,


@layer("MaskResize")
class MaskResize(MapLayer):
    """Maps resized bilinearly, middles of cells on middles of cells (mask_resize_layer.cu of MNC's Caffe).

    mask_resize_param: output_height and output_width, both needed; factor_height and factor_width, where above 0, times
    the bottom's size take their place. Backward is the derivative; the fork's threads add without waiting for another.
    """

    def create(self, bottom_shapes):
        p = self.param.mask_resize_param
        self.size, self.factors = (p.output_height, p.output_width), (p.factor_height, p.factor_width)
        if min(self.size) < 1:
            self.fail(f"needs an output_height and an output_width above 0, found {self.size}")

    def reshape(self, bottom_shapes):
        n, c, *sizes = self.map_shape(bottom_shapes[0])
        top = [size if not factor > 0 else int(min(np.float32(old) * np.float32(factor), 1e9))
               for size, factor, old in zip(self.size, self.factors, sizes)]
        if min(*top, *sizes) < 1:
            self.fail(f"cannot resize maps of {sizes[0]} x {sizes[1]} cells to {top[0]} x {top[1]}")
        check_shape((n, c, *top))
        return [(n, c, *top)]

    def forward(self, x):
        return F.interpolate(x, self.reshape([x.shape])[0][2:], mode="bilinear", align_corners=False),
