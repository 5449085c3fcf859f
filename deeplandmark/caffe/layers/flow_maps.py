"""FlowWarp, ChannelNorm and Mean of FlowNet2 (lmb-freiburg/flownet2)."""
import math
import os

import torch

from deeplandmark.caffe.files.blob_proto import blob_shape, blob_to_array
from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.bilinear import bilinear, inside
from deeplandmark.caffe.layers.fork_shape import MapLayer
from deeplandmark.caffe.layers.no_backward import without_backward
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.layers.stored_blob import read_blob_file


@layer("FlowWarp")
class FlowWarp(Layer):
    """Bottom 0 where the flow, bottom 1, points to, bilinear (flow_warp_layer.cu of lmb-freiburg/flownet2).

    Bottoms (N, C, H, W) and (N, 2, H, W), the way of each pixel in x and in y; top like bottom 0. From the last row or
    column up to one further its value counts; beyond, and before the first, comes fill_value. flow_warp_param:
    fill_value (ZERO, NOT_A_NUMBER).
    """
    exact_bottoms, exact_tops = 2, 1

    def create(self, bottom_shapes):
        p = self.param.flow_warp_param
        self.fill = 0.0 if p.fill_value == p.ZERO else math.nan

    def reshape(self, bottom_shapes):
        shape, flow = map(tuple, bottom_shapes)
        if len(shape) != 4 or flow != (shape[0], 2, *shape[2:]):
            self.fail(f"takes (N, C, H, W) and (N, 2, H, W), found shapes {shape} and {flow}")
        return [shape]

    def forward(self, x, flow):
        height, width = x.shape[2:]
        columns = (flow[:, 0] + torch.arange(width, device=x.device)).flatten(1)
        rows = (flow[:, 1] + torch.arange(height, device=x.device)[:, None]).flatten(1)
        y = bilinear(x, rows, columns)
        if self.fill:
            y = torch.where(inside(rows, columns, height, width)[:, None], y, self.fill)
        return y.reshape(x.shape),


@layer("ChannelNorm")
class ChannelNorm(MapLayer):
    """Root of the sum of squares over the channels (channel_norm_layer.cu of lmb-freiburg/flownet2).

    (N, C, H, W) -> (N, 1, H, W). Backward divides by the norm plus 1e-9.
    """

    def reshape(self, bottom_shapes):
        n, _, h, w = self.map_shape(bottom_shapes[0])
        return [(n, 1, h, w)]

    def forward(self, x):
        return _Norm.apply(x),


class _Norm(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x):
        norm = x.square().sum(1, keepdim=True).sqrt()
        ctx.save_for_backward(x, norm)
        return norm

    @staticmethod
    def backward(ctx, diff):
        x, norm = ctx.saved_tensors
        return diff * x / (norm + 1e-9)


@layer("Mean")
class Mean(Layer):
    """output_scale * (input_scale * x + mean_scale * mean), or minus it (mean_layer.cpp of lmb-freiburg/flownet2).

    Any number of bottoms (N, C, H, W), as many tops of their shapes. mean_param: operation (ADD, SUBTRACT), needed;
    file, a .binaryproto of the bottoms' height and width, or value, one or several numbers: where the mean has fewer
    channels than the bottom, whose number must be a multiple, it is taken again from its first on; input_scale,
    mean_scale, output_scale. No backward, as in the fork.
    """
    min_bottoms = min_tops = 1
    equal_bottoms_and_tops = True

    def create(self, bottom_shapes):
        p = self.param.mean_param
        if not p.HasField("operation") or not p.HasField("file") and not p.value:
            self.fail("mean_param needs an operation, and a file or value")
        mean = self._read(p.file) if p.HasField("file") else torch.tensor(list(p.value))[:, None, None]
        self.register_buffer("mean", mean if p.operation == p.ADD else -mean, persistent=False)

    def _read(self, name):
        path = os.path.join(self.context.root_folder, name)
        blob = read_blob_file(self, path)
        shape = (1,) * (4 - len(blob_shape(blob))) + blob_shape(blob)
        if len(shape) != 4 or shape[0] != 1 or 0 in shape:
            self.fail(f"the mean of {path!r} has shape {shape}, expected one picture (1, C, H, W)")
        return torch.from_numpy(blob_to_array(blob, path).reshape(shape[1:]))

    def reshape(self, bottom_shapes):
        channels, *size = self.mean.shape
        for shape in map(tuple, bottom_shapes):
            if len(shape) != 4 or shape[1] % channels or self.param.mean_param.HasField("file") and \
                    list(shape[2:]) != size:
                self.fail(f"a mean of shape {tuple(self.mean.shape)} does not fit a bottom of shape {shape}")
        return [tuple(shape) for shape in bottom_shapes]

    def forward(self, *bottoms):
        p = self.param.mean_param
        return tuple(without_backward(self, p.output_scale * (p.input_scale * x + self.shift(x.shape[1])), x)
                     for x in bottoms)

    def shift(self, channels):
        """What is added to each of `channels` maps after input_scale: (channels, H, W) or (channels, 1, 1)."""
        return self.param.mean_param.mean_scale * self.mean.repeat(channels // len(self.mean), 1, 1)
