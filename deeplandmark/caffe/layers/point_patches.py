"""PointPatches: patches of a map around points that the net itself has found. deeplandmark's own layer."""
import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


@layer("PointPatches")
class PointPatches(Layer):
    """A patch around each point, bilinear samples of the map in the middle of each of its cells.

    Bottoms: maps (N, C, H, W) and points (N, 2k), x1 y1 x2 y2 ... in units in which the map lies at left .. bottom.
    Tops: patches (N k, C, rows, columns), those of a map one after another, and, where wanted, the middles (N, 2k)
    that they were cut around. point_patches_param: rows, columns; half_side, half a patch's side in units; left, top,
    right, bottom; `mirrored`, positions of points whose patches are left and right exchanged, so that networks may
    learn an eye from either; jitter: in phase TRAIN the middles are drawn that far off the points, uniformly.

    Beyond the map its border is repeated for one cell, then there are zeros, as ROIAlign has it. The gradient reaches
    the maps, not the points.
    """
    exact_bottoms = 2
    min_tops, max_tops = 1, 2

    def create(self, bottom_shapes):
        self.settings = p = self.param.point_patches_param
        if not (p.rows and p.columns and p.half_side > 0 and p.left < p.right and p.top < p.bottom and p.jitter >= 0):
            self.fail("point_patches_param needs rows, columns, half_side above 0, left < right, top < bottom and a "
                      f"jitter that is not negative, found {p.rows} {p.columns} {p.half_side} {p.left} {p.right} "
                      f"{p.top} {p.bottom} {p.jitter}")
        count = self._check(bottom_shapes)
        if any(point >= count for point in p.mirrored):
            self.fail(f"mirrors the points {list(p.mirrored)}, there are {count}")
        self.signs = [-1.0 if point in p.mirrored else 1.0 for point in range(count)]

    def reshape(self, bottom_shapes):
        p, (n, channels) = self.settings, bottom_shapes[0][:2]
        shapes = [(n * self._check(bottom_shapes), channels, p.rows, p.columns), tuple(bottom_shapes[1])]
        return shapes[:self.num_tops]

    def forward(self, maps, points):
        p, k = self.settings, len(self.signs)
        middles = points.detach().reshape(len(points), k, 2)
        if p.jitter and self.phase == 0:
            drawn = torch.rand(middles.shape, generator=self.context.own_generator) * 2 - 1
            middles = middles + (p.jitter * drawn).to(middles)
        x, y = self._places(middles)
        grid = torch.stack(torch.broadcast_tensors(x[:, :, None], y[..., None]), -1)
        found = F.grid_sample(maps, grid.reshape(len(maps), k * p.rows, p.columns, 2), padding_mode="border",
                              align_corners=False).reshape(*maps.shape[:2], k, p.rows, p.columns)
        inside_x, inside_y = (places.abs() <= 1 + 1 / size for places, size in zip((x, y), maps.shape[:1:-1]))
        if not (inside_x.all() and inside_y.all()):
            found = found * (inside_x[:, :, None] & inside_y[..., None])[:, None]
        patches = found.transpose(1, 2).reshape(-1, maps.shape[1], p.rows, p.columns)
        return (patches, middles.reshape(points.shape))[:self.num_tops]

    def _places(self, middles):
        """Where the columns (N, k, columns) and rows (N, k, rows) of patches lie, in -1 .. 1 of the map."""
        p = self.settings
        y, x = (p.half_side * ((2 * torch.arange(n) + 1) / n - 1) for n in (p.rows, p.columns))
        offsets = torch.tensor(self.signs)[:, None] * x, y[None]
        return [2 * (middles[..., axis, None] + offset.to(middles) - start) / (stop - start) - 1
                for axis, (offset, start, stop) in enumerate(zip(offsets, (p.left, p.top), (p.right, p.bottom)))]

    def _check(self, bottom_shapes):
        """The number of points; a NetError for other shapes."""
        maps, points = map(tuple, bottom_shapes)
        if len(maps) != 4 or len(points) != 2 or maps[0] != points[0] or points[1] % 2 or not points[1]:
            self.fail(f"takes maps (N, C, H, W) and points (N, 2k), found shapes {maps} and {points}")
        return points[1] // 2
