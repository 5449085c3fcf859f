"""ImResize and Nms of caffe_rtpose: heat maps of several scales made one, and the peaks of each part."""
import numpy as np
import torch

from deeplandmark.caffe.layers.fork_shape import MapLayer
from deeplandmark.caffe.layers.no_backward import without_backward
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.limits import check_shape

_AROUND = 3                  # cells on each side of a peak that its place is the mean of


@layer("ImResize")
class ImResize(MapLayer):
    """Mean of the maps of one picture in several scales, each resized cubically (imresize_layer.cu, caffe_rtpose).

    CMU-Perceptual-Computing-Lab/caffe_rtpose. (N, C, H, W) -> (1, C, rows, columns). Picture n stands in the middle of
    its map, less floor(H / 2 * (1 - start_scale + n * scale_gap)) rows on each side, H / 2 rounded down, and as many
    columns of W. Before the first and behind the last cell of that part, these count again. imresize_param: factor, the
    top's size in parts of H and W, rounded down; where it is 0 target_spatial_height and target_spatial_width;
    start_scale, scale_gap. No backward, as in the fork.
    """

    def create(self, bottom_shapes):
        self.settings = self.param.imresize_param

    def reshape(self, bottom_shapes):
        n, channels, *before = self.map_shape(bottom_shapes[0])
        after = self._size(before)
        for size, wanted in zip(before, after):
            margins = [margin(size, i, self.settings) for i in range(n)]
            if wanted < 1 or not margins or not all(0 <= m and 2 * m < size for m in margins):
                self.fail(f"cannot resize a bottom of shape {(n, channels, *before)}, less margins {margins}, "
                          f"to {after[0]} x {after[1]}")
            check_shape((wanted, size))                          # of the weights
        return [(1, channels, *after)]

    def _size(self, before):
        p = self.settings
        if not p.factor:
            return p.target_spatial_height, p.target_spatial_width
        # In float32, as the fork; what is no number or beyond all sizes is refused with the others.
        return tuple(int(np.nan_to_num(np.float32(size) * np.float32(p.factor)).clip(-1, 2**31)) for size in before)

    def forward(self, x):
        sizes, total = list(zip(x.shape[2:], self._size(x.shape[2:]))), 0
        with torch.no_grad():
            for n, maps in enumerate(x):
                rows, columns = (torch.from_numpy(weights(*size, margin(size[0], n, self.settings))).to(x)
                                 for size in sizes)
                total = total + rows @ maps @ columns.T
            top = (total / len(x))[None]
        return without_backward(self, top, x),


def margin(size, n, settings):
    """Cells (int) on each side of an axis of `size` that picture n leaves free; in float32, as the fork counts them."""
    share = np.float32(1) - np.float32(settings.start_scale) + np.float32(n) * np.float32(settings.scale_gap)
    return int(np.nan_to_num(np.floor(np.float32(size // 2) * share)).clip(-1, size))


def weights(before, after, free):
    """What each cell of an axis, of `free` unused ones on each side, adds to each of the top: float64 (after, before).

    Catmull-Rom's cubic. Cells are found in float32, as in the fork.
    """
    size = before - 2 * free
    offset = np.float32(np.float32(after) / np.float32(size) / np.float32(2) - 0.5)
    at = (np.arange(after, dtype=np.float32) - offset) * (np.float32(size) / np.float32(after))
    cell = np.trunc(at.astype(np.float64) + 1e-5).clip(0, size - 1).astype(np.int64)
    d = (at - cell.astype(np.float32)).astype(np.float64)
    shares = [d * (-0.5 + d * (1 - 0.5 * d)), 1 + d * d * (1.5 * d - 2.5), d * (0.5 + d * (2 - 1.5 * d)),
              d * d * (0.5 * d - 0.5)]
    found = np.zeros((after, before))
    for step, share in zip((-1, 0, 1, 2), shares):
        np.add.at(found, (np.arange(after), (cell + step).clip(0, size - 1) + free), share)
    return found


@layer("Nms")
class Nms(MapLayer):
    """Peaks of the maps of parts, row by row: number, then x, y and value of each (nms_layer.cu of caffe_rtpose).

    CMU-Perceptual-Computing-Lab/caffe_rtpose. (N, C, H, W) -> (N, num_parts, max_peaks + 1, 3), of the first num_parts
    maps. A peak is above the threshold and above its eight neighbours, and in none of the first two rows and columns
    nor in the last. Its place is the mean of those around it, three on each side, weighted by what is above 0 there;
    row and column 0 do not count. Rows count up to H, where the fork has W. Row 0 of a part holds the number of peaks,
    also of those beyond max_peaks, and two zeros; what is left is 0. nms_param: threshold, max_peaks, num_parts. No
    backward, as in the fork.
    """

    def create(self, bottom_shapes):
        self.settings = p = self.param.nms_param
        if p.HasField("num_peak"):
            self.fail("nms_param num_peak, of older versions for one part, is not covered: give max_peaks, num_parts")
        if p.num_parts < 1:
            self.fail("num_parts must be at least 1, found 0")

    def reshape(self, bottom_shapes):
        n, channels, *_ = self.map_shape(bottom_shapes[0])
        if channels < self.settings.num_parts:
            self.fail(f"{self.settings.num_parts} parts need as many maps, found a bottom of {channels} channels")
        return [(n, self.settings.num_parts, self.settings.max_peaks + 1, 3)]

    def forward(self, x):
        with torch.no_grad():
            top = self._peaks(x[:, :self.settings.num_parts])
        return without_backward(self, top, x),

    def _peaks(self, maps):
        n, parts, height, width = maps.shape
        top = maps.new_zeros(n, parts, self.settings.max_peaks + 1, 3)
        places = self._places(maps)
        of_map = places[:, 0] * parts + places[:, 1]
        counts = torch.bincount(of_map, minlength=n * parts)
        top[:, :, 0, 0] = counts.reshape(n, parts).to(top)
        rank = torch.arange(len(places), device=maps.device) - (counts.cumsum(0) - counts)[of_map]
        kept = rank < self.settings.max_peaks
        picture, part, y, x = places[kept].T
        near = torch.arange(-_AROUND, _AROUND + 1, device=maps.device)
        rows, columns = (y[:, None] + near)[:, :, None], (x[:, None] + near)[:, None]
        inside = (rows > 0) & (rows < height) & (columns > 0) & (columns < width)
        around = maps[picture[:, None, None], part[:, None, None],
                      rows.clamp(0, height - 1), columns.clamp(0, width - 1)]
        around = torch.where(inside & (around > 0), around, 0)
        total = around.sum((1, 2))
        found = [(around * at).sum((1, 2)) / total for at in (columns, rows)]
        top[picture, part, rank[kept] + 1] = torch.stack([*found, maps[picture, part, y, x]], 1)
        return top

    def _places(self, maps):
        """(picture, part, y, x) of every peak, int64 (K, 4), row by row."""
        height, width = maps.shape[2:]
        if min(height, width) < 4:
            return torch.zeros(0, 4, dtype=torch.int64, device=maps.device)
        middle = maps[:, :, 2:-1, 2:-1]
        peak = middle > self.settings.threshold
        for down, across in ((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j):
            peak &= middle > maps[:, :, 2 + down:height - 1 + down, 2 + across:width - 1 + across]
        return peak.nonzero() + torch.tensor([0, 0, 2, 2], device=maps.device)
