"""Layers that move values without computing: Flatten, Reshape, Concat, Slice, Crop, Tile, Split, Silence."""
import math
from itertools import pairwise

import torch

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.limits import MAX_AXES


@layer("Flatten")
class Flatten(Layer):
    """Axes `axis` to `end_axis` become one (flatten_layer.cpp).

    (leading axes..., a, b, ..., trailing axes...) -> (leading axes..., a * b * ..., trailing axes...). flatten_param:
    axis, end_axis.
    """
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        p, shape = self.param.flatten_param, bottom_shapes[0]
        self.start, self.end = self.axis(p.axis, shape), self.axis(p.end_axis, shape)
        if self.start > self.end:
            self.fail(f"flatten axis {p.axis} lies behind end_axis {p.end_axis} for shape {tuple(shape)}")

    def reshape(self, bottom_shapes):
        shape, end = bottom_shapes[0], self.end + 1
        return [(*shape[:self.start], math.prod(shape[self.start:end]), *shape[end:])]

    def forward(self, x):
        return x.flatten(self.start, self.end),


@layer("Reshape")
class Reshape(Layer):
    """New extents for the axes from `axis`, `num_axes` of them (-1: all): 0 copies, one -1 is inferred.

    reshape_param: shape (dim 0: as the bottom's axis at that place), axis, num_axes (reshape_layer.cpp). An `axis` of
    -1 stands behind the last axis. Refused where the counts differ, also when the bottom changes later.
    """
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        p, shape = self.param.reshape_param, bottom_shapes[0]
        self.dims = tuple(p.shape.dim)
        # -1 stands behind the last axis here, so that axes can be added at the end
        self.start = p.axis if p.axis >= 0 else len(shape) + p.axis + 1
        self.num_axes = p.num_axes
        if len(self.dims) > MAX_AXES or self.dims.count(-1) > 1 or any(dim < -1 for dim in self.dims):
            self.fail(f"reshape_param dims are 0, -1 (once) or positive, up to {MAX_AXES}; found {self.dims[:9]}")
        if not 0 <= self.start <= len(shape) or p.num_axes < -1 or self.start + p.num_axes > len(shape):
            self.fail(f"reshape_param axis {p.axis}, num_axes {p.num_axes} do not fit a bottom of shape {tuple(shape)}")

    def reshape(self, bottom_shapes):
        return [self._new_shape(tuple(bottom_shapes[0]))]

    def _new_shape(self, shape):
        end = len(shape) if self.num_axes == -1 else self.start + self.num_axes
        middle = []
        for offset, dim in enumerate(self.dims):
            if dim == 0:
                if self.start + offset >= len(shape):
                    self.fail(f"dim 0 copies axis {self.start + offset}, the bottom has shape {shape}")
                dim = shape[self.start + offset]
            middle.append(dim)
        if -1 in middle:
            known = -math.prod(middle) * math.prod(shape[:self.start]) * math.prod(shape[end:])
            count = math.prod(shape)
            if known == 0 or count % known:
                self.fail(f"cannot infer -1 of {self.dims} from shape {shape}: {count} is no multiple of {known}")
            middle[middle.index(-1)] = count // known
        new = (*shape[:self.start], *middle, *shape[end:])
        if math.prod(new) != math.prod(shape):
            self.fail(f"cannot reshape {shape} to {new}: the counts differ")
        return new

    def forward(self, x):
        return x.reshape(self._new_shape(tuple(x.shape))),


def _legacy_axis(layer_, settings, legacy, shape):
    """`axis`, or the older name of the same setting, which takes no negative values."""
    if settings.HasField(legacy):
        if settings.HasField("axis"):
            layer_.fail(f"give axis or the older {legacy}, not both")
        return layer_.axis(getattr(settings, legacy), shape)
    return layer_.axis(settings.axis, shape)


@layer("Concat")
class Concat(Layer):
    """Bottoms side by side along `axis`; all other axes are equal (concat_layer.cpp).

    concat_param: axis, or the older concat_dim. Backward cuts the diff apart.
    """
    min_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        self.dim = _legacy_axis(self, self.param.concat_param, "concat_dim", bottom_shapes[0])

    def reshape(self, bottom_shapes):
        first, d = tuple(bottom_shapes[0]), self.dim
        for shape in bottom_shapes:
            if len(shape) != len(first) or shape[:d] != first[:d] or shape[d + 1:] != first[d + 1:]:
                self.fail(f"bottoms may differ only along axis {d}, found shapes {list(bottom_shapes)}")
        return [(*first[:d], sum(shape[d] for shape in bottom_shapes), *first[d + 1:])]

    def forward(self, *bottoms):
        return torch.cat(bottoms, self.dim),


@layer("Slice")
class Slice(Layer):
    """Cuts a bottom along `axis`, at each slice_point or into equal tops (slice_layer.cpp).

    slice_param: axis, or the older slice_dim; slice_point, rising, one fewer than tops.
    """
    exact_bottoms = min_tops = 1

    def create(self, bottom_shapes):
        p = self.param.slice_param
        self.dim = _legacy_axis(self, p, "slice_dim", bottom_shapes[0])
        self.points = list(p.slice_point)
        if self.points and len(self.points) != self.num_tops - 1:
            self.fail(f"{self.num_tops} tops need {self.num_tops - 1} slice_point, found {len(self.points)}")

    def reshape(self, bottom_shapes):
        shape, d = bottom_shapes[0], self.dim
        return [(*shape[:d], size, *shape[d + 1:]) for size in self._sizes(shape[d])]

    def _sizes(self, size):
        if not self.points:
            if size % self.num_tops:
                self.fail(f"axis {self.dim} of size {size} does not divide into {self.num_tops} equal tops")
            return [size // self.num_tops] * self.num_tops
        edges = [0, *self.points, size]
        sizes = [after - before for before, after in pairwise(edges)]
        if min(sizes) < 1:
            self.fail(f"slice_point {self.points} must rise and stay below the size {size} of axis {self.dim}")
        return sizes

    def forward(self, x):
        return torch.split(x, self._sizes(x.shape[self.dim]), self.dim)


@layer("Crop")
class Crop(Layer):
    """From `axis` on, bottom 0 cut to the size of bottom 1, starting at the offsets (crop_layer.cpp).

    crop_param: axis, offset (one serves all cropped axes, otherwise there is one for each; none means 0). Backward
    reaches bottom 0 alone; what is cut off gets 0.
    """
    exact_bottoms, exact_tops = 2, 1

    def create(self, bottom_shapes):
        p, shape = self.param.crop_param, tuple(bottom_shapes[0])
        self.start = self.axis(p.axis, shape)
        cropped = len(shape) - self.start
        if len(p.offset) not in (0, 1, cropped):
            self.fail(f"{len(p.offset)} offset for the {cropped} axes from {self.start} on; give none, one or one each")
        offsets = list(p.offset) or [0]
        self.offsets = offsets if len(offsets) == cropped else offsets * cropped

    def reshape(self, bottom_shapes):
        shape, size = map(tuple, bottom_shapes)
        if len(shape) != self.start + len(self.offsets) or len(size) < len(shape):
            self.fail(f"cannot cut a bottom of shape {shape} to shape {size} from axis {self.start} on")
        size = size[self.start:len(shape)]
        for axis, (offset, wanted) in enumerate(zip(self.offsets, size), self.start):
            if shape[axis] - offset < wanted:
                self.fail(f"offset {offset} and size {wanted} reach beyond axis {axis} of a bottom of shape {shape}")
        return [(*shape[:self.start], *size)]

    def forward(self, x, size):
        for axis, offset in enumerate(self.offsets, self.start):
            x = x.narrow(axis, offset, size.shape[axis])
        return x,


@layer("Tile")
class Tile(Layer):
    """The bottom `tiles` times, one behind the other along `axis` (tile_layer.cpp).

    tile_param: axis, tiles. Diffs of the copies add up.
    """
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        p = self.param.tile_param
        self.dim, self.tiles = self.axis(p.axis, bottom_shapes[0]), p.tiles
        if p.tiles < 1:
            self.fail(f"tile_param needs tiles of at least 1, found {p.tiles}")

    def reshape(self, bottom_shapes):
        shape, d = tuple(bottom_shapes[0]), self.dim
        return [(*shape[:d], shape[d] * self.tiles, *shape[d + 1:])]

    def forward(self, x):
        return torch.cat([x] * self.tiles, self.dim),


@layer("Split")
class Split(Layer):
    """The bottom again at every top; its gradient is the sum of theirs. Nets insert these by themselves.

    split_layer.cpp; tops are views of the bottom, as in Caffe.
    """
    exact_bottoms = min_tops = 1

    def reshape(self, bottom_shapes):
        return [tuple(bottom_shapes[0])] * self.num_tops

    def forward(self, x):
        # views, so that each top has a gradient of its own
        return tuple(x.view_as(x) for _ in range(self.num_tops))


@layer("Silence")
class Silence(Layer):
    """Takes bottoms that nobody wants, so that they are not outputs; their gradient is 0 (silence_layer.cpp)."""
    min_bottoms = 1
    exact_tops = 0

    def reshape(self, bottom_shapes):
        return []

    def forward(self, *bottoms):
        return ()
