"""Layers that look at regions of a map: ROIPooling, PSROIPooling, ROIAlign."""
import math

import numpy as np
import torch

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer

LEAST_SIZE = 0.1                # of an R-FCN region, in cells of the map
LARGEST = 1e6                   # spatial_scale; coordinates beyond +-1e6 pixels are cut to that
MOST_SAMPLES = 10_000
_LARGEST_PAD = 1e3


class RegionLayer(Layer):
    """Bottoms: maps (N, C, H, W) and regions (R, 5) or (R, 5, 1, 1), rows of (number of the map, x1, y1, x2, y2).

    Coordinates are pixels of the picture, spatial_scale times them cells of the map. Top (R, channels, rows, columns);
    no gradient reaches the regions.
    """
    exact_bottoms, exact_tops = 2, 1
    no_gradient_bottoms = (1,)

    def check_shapes(self, bottom_shapes):
        """(maps' shape, number of regions); a NetError for other shapes."""
        maps, regions = map(tuple, bottom_shapes)
        if len(maps) != 4 or len(regions) < 2 or regions[1] != 5 or any(n != 1 for n in regions[2:]):
            self.fail(f"takes maps (N, C, H, W) and regions (R, 5), found shapes {maps} and {regions}")
        return maps, regions[0]

    def check_settings(self, scale, *sizes):
        """The scale as a float32; a NetError where it is not above 0 and finite, or a number of bins (int) below 1."""
        if min(sizes) < 1 or not 0 < scale < LARGEST:
            self.fail(f"needs a spatial_scale above 0 and at least 1 bin along each axis, found {scale:g} and {sizes}")
        return np.float32(scale)

    def read_regions(self, x, regions):
        """(numbers, a list of int; corners, float32 (R, 4), in pixels); a NetError for a map that is not there."""
        rows = regions.detach().reshape(len(regions), 5).cpu().numpy()
        wrong = ~np.isfinite(rows).all(1) | (rows[:, 0] <= -1) | (rows[:, 0] >= len(x))
        if wrong.any():
            self.fail(f"region {rows[wrong][0].tolist()} names the map {rows[wrong][0, 0]:g} of {len(x)}, "
                      "or is not finite")
        return rows[:, 0].astype(np.int64).tolist(), rows[:, 1:].clip(-LARGEST, LARGEST)

    def check_pad_ratio(self, ratio):
        """The pad_ratio of MS-CNN as a float32; a NetError where it is not a finite number of sane size."""
        if not abs(ratio) < _LARGEST_PAD:
            self.fail(f"pad_ratio must lie between +-{_LARGEST_PAD:g}, found {ratio:g}")
        return np.float32(ratio)


def padded(corners, ratio):
    """Corners (R, 4) with `ratio` of a region's pixels more on every side (mscnn)."""
    pads = (corners[:, 2:] - corners[:, :2] + 1) * ratio
    return np.concatenate([corners[:, :2] - pads, corners[:, 2:] + pads], 1)


def rounded(values):
    """C's round: halves away from zero; an array of the same dtype."""
    return np.copysign(np.floor(np.abs(values) + values.dtype.type(0.5)), values)


def edges(start, size, count, limit):
    """First and end (int arrays) of `count` equal bins from `start`, rounded outwards and cut to 0..limit; float32."""
    bins, size = np.arange(count + 1, dtype=np.float32), np.float32(size) / np.float32(count)
    first = np.floor(bins[:-1] * size + start).clip(0, limit)
    return first.astype(np.int64), np.ceil(bins[1:] * size + start).clip(0, limit).astype(np.int64)


@layer("ROIPooling")
class ROIPooling(RegionLayer):
    """Maximum of each of pooled_h x pooled_w bins of every region (roi_pooling_layer.cpp of Fast R-CNN).

    Corners are rounded to cells, a region has at least one; bins are rounded outwards, so they overlap; an empty bin is
    0. The first maximum in row-major order gets the gradient. roi_pooling_param: pooled_h, pooled_w, spatial_scale, and
    pad_ratio, which zhaoweicai/mscnn adds: that part of a region's size is added on every side.
    """

    def create(self, bottom_shapes):
        p = self.param.roi_pooling_param
        self.size = p.pooled_h, p.pooled_w
        self.scale, self.pad = self.check_settings(p.spatial_scale, *self.size), self.check_pad_ratio(p.pad_ratio)

    def reshape(self, bottom_shapes):
        maps, count = self.check_shapes(bottom_shapes)
        return [(count, maps[1], *self.size)]

    def forward(self, x, regions):
        numbers, corners = self.read_regions(x, regions)
        corners = rounded(padded(corners, self.pad) * self.scale)
        tops = [self._pool(x[number], *map(np.float32, corner)) for number, corner in zip(numbers, corners)]
        return (torch.stack(tops) if tops else x.new_zeros(0, x.shape[1], *self.size)),

    def _pool(self, x, x1, y1, x2, y2):
        """(C, H, W) -> (C, pooled_h, pooled_w)."""
        # The bins start at 0 and are moved by whole cells, as the fork does it: rounding stays the same.
        sides = (y1, y2, self.size[0], x.shape[1]), (x1, x2, self.size[1], x.shape[2])
        rows, columns = (list(zip(*((edge + int(start)).clip(0, n) for edge in
                                    edges(np.float32(0), max(end - start + 1, 1), count, 1 << 40))))
                         for start, end, count, n in sides)
        # Columns first: of equal values the first in row-major order wins.
        strips = torch.stack([_highest(x[:, :, first:end], 2) for first, end in columns], 2)
        return torch.stack([_highest(strips[:, first:end], 1) for first, end in rows], 1)


def _highest(cells, axis):
    """Maximum along an axis, 0 where it is empty; the first of equal values gets the gradient."""
    return cells.max(axis).values if cells.shape[axis] else cells.sum(axis)


@layer("PSROIPooling")
class PSROIPooling(RegionLayer):
    """Mean of each bin of every region, every bin with its own maps (psroi_pooling_layer.cu, daijifeng001/caffe-rfcn).

    Maps (N, output_dim * group_size^2, H, W) -> (R, output_dim, group_size, group_size): bin (i, j) of output c looks
    at map (c * group_size + i) * group_size + j. Corners are rounded to pixels, x2 and y2 one beyond; a region has at
    least 0.1 cells. psroi_pooling_param: spatial_scale, output_dim, group_size, all needed.
    """

    def create(self, bottom_shapes):
        self.read_settings("psroi_pooling_param")

    def read_settings(self, name):
        """Takes scale, dim and group from the message `name` (str) of the definition; a NetError where one lacks."""
        p = getattr(self.param, name)
        if not all(map(p.HasField, ("spatial_scale", "output_dim", "group_size"))):
            self.fail(f"{name} needs spatial_scale, output_dim and group_size")
        self.dim, self.group = p.output_dim, p.group_size
        self.scale = self.check_settings(p.spatial_scale, self.dim, self.group)

    def reshape(self, bottom_shapes):
        maps, count = self.check_shapes(bottom_shapes[:2])
        if maps[1] != self.dim * self.group ** 2:
            self.fail(f"output_dim {self.dim} and group_size {self.group} need {self.dim * self.group ** 2} maps, "
                      f"found a bottom of shape {maps}")
        return [(count, self.dim, self.group, self.group)]

    def forward(self, x, regions):
        numbers, corners = self.read_regions(x, regions)
        height, width, g = *x.shape[2:], self.group
        corners = rounded(corners)
        corners[:, 2:] += 1
        corners = corners * self.scale
        rows, columns = ([edges(c[i], max(c[i + 2] - c[i], np.float32(LEAST_SIZE)), g, n) for c in corners]
                         for i, n in ((1, height), (0, width)))
        top, bottom, left, right = (
            torch.from_numpy(np.array([e[k] for e in which], np.int64).reshape(len(numbers), g)).to(x.device)
            for which in (rows, columns) for k in (0, 1))
        # Sums of all cells above and left of a corner; four of them give the sum of any bin.
        sums = torch.nn.functional.pad(x.double().cumsum(2).cumsum(3), (1, 0, 1, 0))
        sums = sums.reshape(len(x), self.dim, g, g, height + 1, width + 1)
        place = torch.tensor(numbers, dtype=torch.long, device=x.device).reshape(-1, 1, 1, 1)
        c, i, j = torch.meshgrid(*(torch.arange(n, device=x.device) for n in (self.dim, g, g)), indexing="ij")

        def corner(row, column):
            return sums[place, c, i, j, row[:, None, :, None], column[:, None, None, :]]

        total = corner(bottom, right) - corner(top, right) - corner(bottom, left) + corner(top, left)
        area = ((bottom - top)[:, None, :, None] * (right - left)[:, None, None, :]).clamp(min=0)
        return torch.where(area > 0, total / area.clamp(min=1), 0.0).to(x.dtype),


@layer("ROIAlign")
class ROIAlign(RegionLayer):
    """Mean of bilinear samples in each of pooled_h x pooled_w bins of every region, nothing rounded.

    The layer of Mask R-CNN's ports to Caffe (roi_align_layer.cpp), as in Detectron: a region has at least one cell;
    samples beyond a border by more than a cell are 0. roi_align_param: pooled_h, pooled_w, spatial_scale,
    sampling_ratio (samples along each side of a bin; 0 or less: its size, rounded up).

    With roi_pooling_param instead it is that of zhaoweicai/cascade-rcnn: a sample at each corner of the bins, which are
    (pooled_h + 1) x (pooled_w + 1), a pixel's middle counting, 0 where it is beyond a border by more than half a cell
    and for a region without size. roi_pooling_param: pooled_h, pooled_w, spatial_scale, pad_ratio as of ROIPooling.
    """

    def create(self, bottom_shapes):
        self.grid = self.param.HasField("roi_pooling_param") and not self.param.HasField("roi_align_param")
        p = self.param.roi_pooling_param if self.grid else self.param.roi_align_param
        self.scale = self.check_settings(p.spatial_scale, p.pooled_h, p.pooled_w)
        self.size = p.pooled_h + self.grid, p.pooled_w + self.grid
        self.ratio, self.pad = (0, self.check_pad_ratio(p.pad_ratio)) if self.grid else (p.sampling_ratio, 0)

    def reshape(self, bottom_shapes):
        maps, count = self.check_shapes(bottom_shapes)
        return [(count, maps[1], *self.size)]

    def forward(self, x, regions):
        numbers, corners = self.read_regions(x, regions)
        corners = (padded(corners, self.pad) if self.grid else corners) * self.scale
        weights, tops = self._corner_weights if self.grid else self._weights, []
        for number, (x1, y1, x2, y2) in zip(numbers, corners):
            rows, columns = (torch.from_numpy(weights(*sides)).to(x) for sides in (
                (y1, y2, self.size[0], x.shape[2]), (x1, x2, self.size[1], x.shape[3])))
            tops.append(rows @ x[number] @ columns.T)
        return (torch.stack(tops) if tops else x.new_zeros(0, x.shape[1], *self.size)),

    def _weights(self, start, end, bins, size):
        """What each cell of an axis adds to each bin, a float64 array (bins, size)."""
        length = max(float(end) - float(start), 1.0) / bins
        samples = sample_count(self, self.ratio, length)
        return mean_weights(start, length, bins, (np.arange(samples) + 0.5) / samples, size)

    def _corner_weights(self, start, end, corners, size):
        """The same for each corner; all 0 for a region without size along this axis, and so its whole top."""
        if not end > start:
            return np.zeros((corners, size))
        return mean_weights(start - 0.5, (float(end) - float(start)) / (corners - 1), corners, np.zeros(1), size, 0.5)


def sample_count(layer, ratio, length):
    """Samples along each side of a bin of `length` cells; a NetError of the layer for too many."""
    samples = ratio if ratio > 0 else max(1, math.ceil(length))
    if samples > MOST_SAMPLES:
        layer.fail(f"{samples} samples along a side of a bin: expected at most {MOST_SAMPLES}")
    return samples


def mean_weights(start, length, bins, parts, size, beyond=1):
    """What each of `size` cells of an axis adds to the mean of each bin's samples, a float64 array (bins, size).

    Bins of `length` cells follow one another from `start`; samples stand at `parts` (array) of each. Up to `beyond`
    cells before the first and behind the last cell the border's value counts, further away 0.
    """
    places = float(start) + (np.arange(bins)[:, None] + parts) * length
    return sample_weights(places, (places >= -beyond) & (places <= size - 1 + beyond), size)


def sample_weights(places, counted, size):
    """The same for any places (bins, samples), of which some are counted (bool) and the others are 0."""
    places = np.where(counted, places, 0).clip(0, size - 1)
    below = np.minimum(places.astype(np.int64), size - 1)
    part, rows, weights = places - below, np.arange(len(places))[:, None], np.zeros((len(places), size))
    np.add.at(weights, (rows, below), (1 - part) * counted / places.shape[1])
    np.add.at(weights, (rows, np.minimum(below + 1, size - 1)), part * counted / places.shape[1])
    return weights
