"""PSROIAlign and DeformablePSROIPooling: position-sensitive regions, as PSROIPooling of R-FCN, between the cells."""
import numpy as np
import torch

from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.layers.roi import (
    LEAST_SIZE,
    MOST_SAMPLES,
    PSROIPooling,
    mean_weights,
    rounded,
    sample_count,
    sample_weights,
)
from deeplandmark.caffe.limits import check_shape


@layer("PSROIAlign")
class PSROIAlign(PSROIPooling):
    """Mean of bilinear samples in each bin of every region, every bin with its own maps, nothing rounded.

    Maps, regions and top as of PSROIPooling. psroi_align_param: spatial_scale, output_dim, group_size, all needed.

    With sampling_ratio it is that of p517332051/caffe-windows (psroi_align_layer.cu): regions and samples as of
    ROIAlign. Else it is that of afantideng's R-FCN, which makefile/frcnn has as well: x2 and y2 go one pixel further, a
    region has at least 0.1 cells, each bin, cut to the map, has sample_num samples along each side, 1 / (sample_num +
    1) of an uncut bin apart; those behind its end are 0. Backward is the derivative; the latter fork's leaves out and
    adds some cells.
    """

    def create(self, bottom_shapes):
        self.read_settings("psroi_align_param")
        p = self.param.psroi_align_param
        self.ratio = p.sampling_ratio if p.HasField("sampling_ratio") else None
        self.samples = p.sample_num
        if not 1 <= self.samples <= MOST_SAMPLES:
            self.fail(f"sample_num must be 1 to {MOST_SAMPLES}, found {self.samples}")

    def forward(self, x, regions):
        numbers, corners = self.read_regions(x, regions)
        g, (height, width) = self.group, x.shape[2:]
        maps, weights = x.reshape(len(x), self.dim, g, g, height, width), self._cut if self.ratio is None else self._all
        tops = []
        for number, (x1, y1, x2, y2) in zip(numbers, corners):
            rows, columns = (torch.from_numpy(weights(*side)).to(x) for side in ((y1, y2, height), (x1, x2, width)))
            tops.append(torch.einsum("cijhw,ih,jw->cij", maps[number], rows, columns))
        return (torch.stack(tops) if tops else x.new_zeros(0, self.dim, g, g)),

    def _all(self, start, end, size):
        """What each cell of an axis adds to each bin, a float64 array (bins, size): with sampling_ratio."""
        length = max(float(end * self.scale) - float(start * self.scale), 1.0) / self.group
        count = sample_count(self, self.ratio, length)
        return mean_weights(start * self.scale, length, self.group, (np.arange(count) + 0.5) / count, size)

    def _cut(self, start, end, size):
        """The same with sample_num."""
        start, end = float(start * self.scale), float((end + 1) * self.scale)
        length = max(end - start, LEAST_SIZE) / self.group
        limits = (start + np.arange(self.group + 1) * length).clip(0, size - 1)
        places = limits[:-1, None] + np.arange(1, self.samples + 1) * length / (self.samples + 1)
        return sample_weights(places, places < limits[1:, None], size)


@layer("DeformablePSROIPooling")
class DeformablePSROIPooling(PSROIPooling):
    """PSROIPooling of bilinear samples, its bins moved as bottom 2 says (deformable_psroi_pooling_layer.cu).

    Of makefile/frcnn, after Deformable ConvNets. Maps, regions and top as of PSROIPooling; moves (R, 2 K, part_size,
    part_size), trans_std times which, in widths and heights of the region, go to the right and down: those of class k,
    of an equal share of the outputs, are maps 2k and 2k + 1. Corners are rounded to pixels, x2 and y2 go one further,
    and a pixel's middle counts; a region has at least 0.1 cells. Bins have sample_per_part samples along each side,
    from its start; the mean is of those up to half a cell beyond a border.

    deformable_psroi_pooling_param: spatial_scale, output_dim, group_size, all needed, part_size (group_size where it is
    0), sample_per_part, trans_std, no_trans (bottom 2 has no effect then and may be left out).
    """
    exact_bottoms, min_bottoms, max_bottoms = None, 2, 3

    def create(self, bottom_shapes):
        self.read_settings("deformable_psroi_pooling_param")
        p = self.param.deformable_psroi_pooling_param
        self.parts, self.samples, self.moves = p.part_size or self.group, p.sample_per_part, not p.no_trans
        if self.parts < 1 or not 1 <= self.samples <= MOST_SAMPLES or not np.isfinite(p.trans_std):
            self.fail(f"part_size must not be negative, sample_per_part 1 to {MOST_SAMPLES}, trans_std finite, found "
                      f"{self.parts}, {self.samples} and {p.trans_std:g}")
        if self.moves and len(bottom_shapes) < 3:
            self.fail("needs a third bottom of moves, or no_trans")
        places = np.arange(self.group, dtype=np.float32) / np.float32(self.group) * np.float32(self.parts)
        self.register_buffer("part", torch.from_numpy(places.astype(np.int64)), persistent=False)

    def reshape(self, bottom_shapes):
        top = super().reshape(bottom_shapes)[0]
        if self.moves:
            self._classes(tuple(bottom_shapes[2]), top[0])
        check_shape((*top, self.samples, self.samples))
        return [top]

    def _classes(self, shape, count):
        """Number of classes of moves of a shape; a NetError where they do not fit `count` regions."""
        classes = shape[1] // 2 if len(shape) == 4 else 0
        if classes < 1 or self.dim % classes or shape != (count, 2 * classes, self.parts, self.parts):
            self.fail(f"needs moves ({count}, 2 K, {self.parts}, {self.parts}), K a divisor of output_dim {self.dim}, "
                      f"found a bottom of shape {shape}")
        return classes

    def forward(self, x, regions, moves=None):
        numbers, corners = self.read_regions(x, regions)
        corners = rounded(corners)
        corners[:, 2:] += 1
        corners = torch.from_numpy(corners * self.scale - np.float32(0.5)).to(x)
        sizes = (corners[:, 2:] - corners[:, :2]).clamp(min=LEAST_SIZE)
        right, down = self._moves(moves, sizes) if self.moves else (0.0, 0.0)
        columns, rows = (self._bins(corners[:, i], sizes[:, i]) for i in (0, 1))     # (R, bins, samples)
        columns = columns[:, None, None, :, None, :] + right                         # (R, dim, g, g, 1, samples)
        rows = rows[:, None, :, None, :, None] + down
        maps = torch.tensor(numbers, dtype=torch.long, device=x.device)[:, None] * x.shape[1] + \
            torch.arange(x.shape[1], device=x.device)
        maps = maps.reshape(len(numbers), self.dim, self.group, self.group, 1, 1)
        values, there = _between(x, maps, rows, columns)
        return values.sum((4, 5)) / there.sum((4, 5)).clamp(min=1),

    def _bins(self, start, size):
        """Where the samples of the unmoved bins stand along an axis, (R, bins, samples)."""
        steps = torch.arange(self.group, device=start.device)[:, None] + \
            torch.arange(self.samples, device=start.device) / self.samples
        return start[:, None, None] + steps * (size / self.group)[:, None, None]

    def _moves(self, moves, sizes):
        """To the right and down, in cells, two tensors (R, dim, bins, bins, 1, 1)."""
        classes = self._classes(tuple(moves.shape), len(sizes))
        moves = moves.reshape(len(moves), classes, 2, self.parts, self.parts)[..., self.part, :][..., self.part]
        moves = moves.repeat_interleave(self.dim // classes, 1) * self.param.deformable_psroi_pooling_param.trans_std
        return ((moves[:, :, i] * sizes[:, i, None, None, None])[..., None, None] for i in (0, 1))


def _between(x, maps, rows, columns):
    """Values of maps between their cells, and whether places lie on them, tensors of the shape all three extend to.

    x (N, C, H, W); `maps` counts its maps, rows and columns its cells. No gradient reaches a place exactly on a cell.
    """
    height, width = x.shape[2:]
    (top, bottom, down, inside), (left, right, along, beside) = _cells(rows, height), _cells(columns, width)
    there, cells = inside & beside, x.flatten()

    def values(row, column):
        places = (maps * height + row) * width + column
        return cells.index_select(0, places.flatten()).reshape(places.shape)

    found = torch.lerp(torch.lerp(values(top, left), values(top, right), along),
                       torch.lerp(values(bottom, left), values(bottom, right), along), down)
    there = there.expand(found.shape)
    return torch.where(there, found, 0.0), there


def _cells(places, size):
    """The cells before and behind places, how far on the way to the second they lie, and whether on the map."""
    inside = (places >= -0.5) & (places <= size - 0.5)
    places = torch.where(inside, places, 0.0).clamp(0, size - 1)
    before = places.detach().long()
    part = places - before
    return before, (before + 1).clamp(max=size - 1), torch.where(part > 0, part, part.detach()), inside
