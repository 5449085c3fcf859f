"""Layers of Caffe's forks that move values: Permute, Transpose, Reverse, ShuffleChannel, Reorg, Upsample."""
import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


@layer("Permute")
class Permute(Layer):
    """Axis i of the top is axis order[i] of the bottom (permute_layer.cpp of SSD, weiliu89/caffe).

    permute_param: order; axes that it leaves out follow in their order.
    """
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        axes, order = len(bottom_shapes[0]), list(self.param.permute_param.order)
        if len(set(order)) != len(order) or any(axis >= axes for axis in order):
            self.fail(f"order {order} must name axes 0 to {axes - 1}, each once")
        self.order = (*order, *(axis for axis in range(axes) if axis not in order))

    def reshape(self, bottom_shapes):
        if len(bottom_shapes[0]) != len(self.order):
            self.fail(f"made for {len(self.order)} axes, found a bottom of shape {tuple(bottom_shapes[0])}")
        return [tuple(bottom_shapes[0][axis] for axis in self.order)]

    def forward(self, x):
        return x.permute(self.order).contiguous(),


@layer("Transpose")
class Transpose(Permute):
    """Axis i of the top is axis dim[i] of the bottom (transpose_layer.cpp of tianzhi0549/caffe, CTPN).

    transpose_param: dim, every axis once.
    """

    def create(self, bottom_shapes):
        axes, self.order = len(bottom_shapes[0]), tuple(self.param.transpose_param.dim)
        if sorted(self.order) != list(range(axes)):
            self.fail(f"dim {list(self.order)} must name axes 0 to {axes - 1}, each once")


@layer("Reverse")
class Reverse(Layer):
    """The bottom with its axes, those of reverse_param, from end to beginning (the Reverse of tianzhi0549/caffe, CTPN).

    reverse_param: axis, one or several, counted from the last if negative; 0 where none is given.
    """
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        self.axes = [self._axis(axis, len(bottom_shapes[0])) for axis in self.param.reverse_param.axis or [0]]
        if len(set(self.axes)) != len(self.axes):
            self.fail(f"names an axis twice: {list(self.param.reverse_param.axis)}")

    def reshape(self, bottom_shapes):
        if len(bottom_shapes[0]) <= max(self.axes):
            self.fail(f"made for more axes than a bottom of shape {tuple(bottom_shapes[0])} has")
        return [tuple(bottom_shapes[0])]

    def forward(self, x):
        return x.flip(self.axes),

    def _axis(self, axis, axes):
        if not -axes <= axis < axes:
            self.fail(f"axis {axis}: the bottom has {axes} axes")
        return axis % axes


class MapLayer(Layer):
    """One bottom (N, C, H, W), one top; a NetError for another number of axes."""
    exact_bottoms = exact_tops = 1

    def map_shape(self, shape):
        """The shape as a tuple (N, C, H, W)."""
        if len(shape) != 4:
            self.fail(f"takes a bottom of 4 axes, found shape {tuple(shape)}")
        return tuple(shape)


@layer("ShuffleChannel")
class ShuffleChannel(Layer):
    """Channel i * C / group + j of the bottom becomes channel j * group + i (shuffle_channel_layer.cpp of ShuffleNet).

    farmingyard/ShuffleNet and camel007/Caffe-ShuffleNet. (N, C, ...) -> the same shape; shuffle_channel_param: group, a
    divisor of C.
    """
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        self.group = self.param.shuffle_channel_param.group

    def reshape(self, bottom_shapes):
        shape = tuple(bottom_shapes[0])
        if len(shape) < 2 or self.group < 1 or shape[1] % self.group:
            self.fail(f"group must be a divisor of the channels, found {self.group} and a bottom of shape {shape}")
        return [shape]

    def forward(self, x):
        channels = x.shape[1]
        x = x.reshape(x.shape[0], self.group, channels // self.group, *x.shape[2:]).transpose(1, 2)
        return x.reshape(x.shape[0], channels, *x.shape[3:]),


@layer("Reorg")
class Reorg(MapLayer):
    """(N, C, H, W) -> (N, C s^2, H / s, W / s) or, with reverse, (N, C / s^2, s H, s W); s is the stride.

    reorg_layer.cpp of YOLO v2's ports (gklz1982/caffe-yolov2). Without reverse it has darknet's order: the values are
    looked at as (C / s^2, s H, s W) first, so C must be a multiple of s^2, as H and W of s. reorg_param: stride,
    reverse. Backward is the derivative; the fork's own passes zeros.
    """

    def create(self, bottom_shapes):
        self.stride, self.reverse = self.param.reorg_param.stride, self.param.reorg_param.reverse
        if self.stride < 1:
            self.fail(f"needs a stride of at least 1, found {self.stride}")

    def reshape(self, bottom_shapes):
        n, c, h, w = self.map_shape(bottom_shapes[0])
        s = self.stride
        if c % s ** 2 or not self.reverse and (h % s or w % s):
            self.fail(f"stride {s}: channels must be a multiple of {s ** 2}, and without reverse height and width "
                      f"of {s}; found a bottom of shape {(n, c, h, w)}")
        return [(n, c // s ** 2, h * s, w * s) if self.reverse else (n, c * s ** 2, h // s, w // s)]

    def forward(self, x):
        (n, c, h, w), s = x.shape, self.stride
        if self.reverse:
            cells = x.reshape(n, s, s, c // s ** 2, h, w).permute(0, 3, 4, 1, 5, 2)
            return cells.reshape(n, c // s ** 2, h * s, w * s),
        cells = x.reshape(n, c // s ** 2, h, s, w, s).permute(0, 3, 5, 1, 2, 4)
        return cells.reshape(n, c * s ** 2, h // s, w // s),


@layer("Upsample")
class Upsample(MapLayer):
    """By a pooling mask, values at the places they came from and 0 elsewhere; by a factor alone, every cell repeated.

    Two bottoms: upsample_layer.cpp of SegNet and ENet (alexgkendall/caffe-segnet): maps (N, C, H, W) and the mask of a
    Pooling with two tops; upsample_param: upsample_h and upsample_w, the size of the top, or scale (2; or scale_h and
    scale_w), less a row or column with pad_out_h or pad_out_w. One bottom: the layer of the converters of darknet's
    YOLO v3; upsample_param: scale (1).
    """
    exact_bottoms = None
    min_bottoms, max_bottoms = 1, 2
    no_gradient_bottoms = (1,)

    def create(self, bottom_shapes):
        p = self.param.upsample_param
        scale = p.scale if p.HasField("scale") or len(bottom_shapes) == 2 else 1
        self.scale = (p.scale_h, p.scale_w) if p.HasField("scale_h") and p.HasField("scale_w") else (scale, scale)
        self.pad_out = int(p.pad_out_h), int(p.pad_out_w)
        self.size = (p.upsample_h, p.upsample_w) if p.HasField("upsample_h") and p.HasField("upsample_w") else None
        if min(self.scale) < 1 or self.size and min(self.size) < 1:
            self.fail(f"scale and size must be at least 1, found {self.scale} and {self.size}")
        if len(bottom_shapes) == 1 and (self.size or any(self.pad_out)):
            self.fail("upsample_h, upsample_w, pad_out_h and pad_out_w need a second bottom, a Pooling's mask")

    def reshape(self, bottom_shapes):
        shape = self.map_shape(bottom_shapes[0])
        if any(tuple(other) != shape for other in bottom_shapes[1:]):
            self.fail(f"the mask must have the shape of bottom 0, found {[tuple(s) for s in bottom_shapes]}")
        return [(*shape[:2], *self._size(shape))]

    def _size(self, shape):
        if self.size:
            return self.size
        return tuple(n * s - pad for n, s, pad in zip(shape[2:], self.scale, self.pad_out))

    def forward(self, x, mask=None):
        if mask is None:
            return F.interpolate(x, scale_factor=tuple(map(float, self.scale)), mode="nearest") if x.numel() \
                else x.new_zeros(self.reshape([x.shape])[0]),
        height, width = self._size(x.shape)
        places = mask.detach().flatten(2).long()
        if places.numel() and not (0 <= int(places.min()) and int(places.max()) < height * width):
            self.fail(f"the mask has places from {int(places.min())} to {int(places.max())}; the top has {height} x "
                      f"{width} cells: is it of the Pooling layer with the same size?")
        top = torch.zeros(*x.shape[:2], height * width, dtype=x.dtype, device=x.device)
        return top.scatter(2, places, x.flatten(2)).reshape(*x.shape[:2], height, width),
