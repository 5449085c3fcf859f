"""PointSimilarity, TransformPoints, TransformMaps, PointHeat: bringing points and maps upright. Our own layers.

Together they are what stands between two stages of a Deep Alignment Network (Kowalski, Naruniec, Trzcinski, CVPR
workshops 2017). Points are rows (N, 2k), x1 y1 x2 y2 ...; a transform is a matrix (N, 2, 3) by which (x, y, 1) becomes
the point it goes to; maps lie at left .. bottom in the units of the points, their cells side by side, as those of
PointPatches do.
"""
import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer

FAR = 1e30              # a square of a distance that no point is at


class PointLayer(Layer):
    """What these layers check."""

    def count(self, shape):
        """The number of points of a bottom; a NetError for a shape that holds none."""
        if len(shape) != 2 or shape[1] % 2 or not shape[1]:
            self.fail(f"takes points (N, 2k), found shape {tuple(shape)}")
        return shape[1] // 2

    def check_transform(self, shape, rows):
        """Refuses what is no transform of so many rows."""
        if tuple(shape) != (rows, 2, 3):
            self.fail(f"takes transforms ({rows}, 2, 3), found shape {tuple(shape)}")

    def check_frame(self, p):
        """Refuses settings whose map is inside out."""
        if not (p.left < p.right and p.top < p.bottom):
            self.fail(f"needs left < right and top < bottom, found {p.left} {p.right} {p.top} {p.bottom}")


@layer("PointSimilarity")
class PointSimilarity(PointLayer):
    """The turn, scale and shift that bring points nearest to other points, by least squares.

    Bottoms points and reference, both (N, 2k), k at least 2; top the transform (N, 2, 3), [[a, -b, x], [b, a, y]] with
    the least sum of squared distances between the transformed points and the reference (Umeyama 1991, of two
    dimensions, without reflection). Of points that all lie in one place there is none; values are not finite then.
    """
    exact_bottoms, exact_tops = 2, 1

    def reshape(self, bottom_shapes):
        points, reference = map(tuple, bottom_shapes)
        if self.count(points) < 2 or points != reference:
            self.fail(f"takes two bottoms of the same 2 points or more, found shapes {points} and {reference}")
        return [(points[0], 2, 3)]

    def forward(self, points, reference):
        points, reference = (values.reshape(len(values), values.shape[1] // 2, 2) for values in (points, reference))
        middle, wanted = points.mean(1), reference.mean(1)
        x, y = (points - middle[:, None]).unbind(-1)
        u, v = (reference - wanted[:, None]).unbind(-1)
        size = (x * x + y * y).sum(1)
        a, b = (x * u + y * v).sum(1) / size, (x * v - y * u).sum(1) / size
        turn = torch.stack([a, -b, b, a], 1).reshape(-1, 2, 2)
        return torch.cat([turn, wanted[..., None] - turn @ middle[..., None]], 2),


@layer("TransformPoints")
class TransformPoints(PointLayer):
    """Points to where transforms bring them, or with `inverse` back from there.

    Bottoms points (N, 2k) and transforms (N, 2, 3), top (N, 2k). transform_points_param: inverse.
    """
    exact_bottoms, exact_tops = 2, 1

    def reshape(self, bottom_shapes):
        self.count(bottom_shapes[0])
        self.check_transform(bottom_shapes[1], bottom_shapes[0][0])
        return [tuple(bottom_shapes[0])]

    def forward(self, points, transform):
        if self.param.transform_points_param.inverse:
            transform = inverse(transform)
        return moved(points.reshape(len(points), points.shape[1] // 2, 2), transform).reshape(points.shape),


@layer("TransformMaps")
class TransformMaps(PointLayer):
    """Maps moved by transforms: bilinear samples, each at the place that the transform brings to the cell's middle.

    Bottoms maps (N, C, H, W) and transforms (N, 2, 3), top (N, C, H, W), which lies where the bottom does. Beyond the
    map its border is repeated. transform_maps_param: left, top, right, bottom (-1, -1, 1, 1).
    """
    exact_bottoms, exact_tops = 2, 1

    def create(self, bottom_shapes):
        self.settings = self.param.transform_maps_param
        self.check_frame(self.settings)

    def reshape(self, bottom_shapes):
        if len(bottom_shapes[0]) != 4:
            self.fail(f"takes maps (N, C, H, W), found shape {tuple(bottom_shapes[0])}")
        self.check_transform(bottom_shapes[1], bottom_shapes[0][0])
        return [tuple(bottom_shapes[0])]

    def forward(self, maps, transform):
        rows, columns = maps.shape[2:]
        places = self.middles(rows, columns).to(maps)
        found = moved(places.expand(len(maps), -1, 2), inverse(transform))
        return F.grid_sample(maps, self.in_map(found).reshape(len(maps), rows, columns, 2), padding_mode="border",
                             align_corners=False),

    def middles(self, rows, columns):
        """Where the middles of the cells lie, (rows * columns, 2), in units."""
        p = self.settings
        x, y = (first + (torch.arange(n) + 0.5) / n * (last - first)
                for n, first, last in ((columns, p.left, p.right), (rows, p.top, p.bottom)))
        return torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1).reshape(-1, 2)

    def in_map(self, places):
        """The same places (..., 2), -1 .. 1 of the map."""
        p = self.settings
        first, size = places.new_tensor([p.left, p.top]), places.new_tensor([p.right - p.left, p.bottom - p.top])
        return 2 * (places - first) / size - 1


@layer("PointHeat")
class PointHeat(PointLayer):
    """A map of how near points are: 1 / (1 + distance to the nearest one), in cells, within a square around each.

    Bottom points (N, 2k), top (N, 1, rows, columns), 0 beyond the squares of `size` cells. point_heat_param: rows,
    columns, size (16), left, top, right, bottom (-1, -1, 1, 1).
    """
    exact_bottoms, exact_tops = 1, 1

    def create(self, bottom_shapes):
        self.settings = p = self.param.point_heat_param
        self.check_frame(p)
        if not (p.rows and p.columns and p.size > 0):
            self.fail(f"needs rows, columns and a size above 0, found {p.rows} {p.columns} {p.size}")

    def reshape(self, bottom_shapes):
        self.count(bottom_shapes[0])
        return [(bottom_shapes[0][0], 1, self.settings.rows, self.settings.columns)]

    def forward(self, points):
        p = self.settings
        x, y = ((points[:, axis::2] - first) * (cells / (last - first)) - 0.5 for axis, cells, first, last in (
            (0, p.columns, p.left, p.right), (1, p.rows, p.top, p.bottom)))
        return _Heat.apply(x, y, p.rows, p.columns, p.size / 2)[:, None],


class _Heat(torch.autograd.Function):
    """x, y (N, k) in cells to heat (N, rows, columns), one point after another: all at once would fill the memory."""

    @staticmethod
    def forward(ctx, x, y, rows, columns, reach):
        across, down = (_squares(values, cells, reach) for values, cells in ((x, columns), (y, rows)))
        found = x.new_full((len(x), rows, columns), FAR)
        nearest = torch.zeros_like(found, dtype=torch.int64)
        for point in range(x.shape[1]):
            square = down[:, point, :, None] + across[:, point, None, :]
            if any(ctx.needs_input_grad):
                nearest = torch.where(square < found, point, nearest)
            found = torch.minimum(found, square)
        heat = torch.where(found < FAR, 1 / (1 + found.sqrt()), 0.0)
        ctx.save_for_backward(x, y, found, heat, nearest)
        return heat

    @staticmethod
    def backward(ctx, top_diff):
        x, y, found, heat, nearest = ctx.saved_tensors
        slope = torch.where((found > 0) & (found < FAR), -top_diff * heat * heat / found.sqrt(), 0.0).flatten(1)
        nearest, diffs = nearest.flatten(1), []
        rows, columns = (torch.arange(n, device=x.device) for n in found.shape[1:])
        for values, cells in ((x, columns.repeat(len(rows))), (y, rows.repeat_interleave(len(columns)))):
            off = values.gather(1, nearest) - cells
            diffs.append(torch.zeros_like(values).scatter_add_(1, nearest, slope * off))
        return *diffs, None, None, None


def _squares(values, cells, reach):
    """Squared distances (N, k, cells) of values (N, k) from each cell, FAR beyond `reach`."""
    off = values[..., None] - torch.arange(cells, device=values.device)
    return torch.where(off.abs() <= reach, off * off, FAR)


def moved(places, transform):
    """Places (N, m, 2), where transforms (N, 2, 3) bring them."""
    return places @ transform[:, :, :2].transpose(1, 2) + transform[:, None, :, 2]


def inverse(transform):
    """The transforms (N, 2, 3) that undo others; not finite where there is none."""
    (a, b, x), (c, d, y) = (row.unbind(1) for row in transform.unbind(1))
    size = a * d - b * c
    a, b, c, d = d / size, -b / size, -c / size, a / size
    return torch.stack([a, b, -(a * x + b * y), c, d, -(c * x + d * y)], 1).reshape(-1, 2, 3)
