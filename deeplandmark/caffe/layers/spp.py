"""SPP: pooling at several sizes of the window, side by side (spp_layer.cpp)."""
import torch

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.pooling import Pooling
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.proto import caffe_pb2


@layer("SPP")
class SPP(Layer):
    """Spatial pyramid pooling: at level l the map (N, C, H, W) is pooled into 2^l x 2^l windows (spp_layer.cpp).

    Top (N, C * windows of all levels), each level flattened; with pyramid_height 1 the pooled map (N, C, 1, 1) itself.
    spp_param: pyramid_height (the number of levels), pool (as of Pooling).
    """
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        self.height = self.param.spp_param.pyramid_height
        if self.height < 1:
            self.fail("spp_param needs a pyramid_height of at least 1")
        self._pyramid = (None, None)                             # size of the bottom, its Pooling layers

    def reshape(self, bottom_shapes):
        shape = tuple(bottom_shapes[0])
        if len(shape) != 4 or 0 in shape[2:]:
            self.fail(f"takes a bottom of 4 axes that has cells, found shape {shape}")
        pooled = [level.reshape([shape])[0] for level in self._levels(shape)]
        if self.height == 1:
            return pooled
        return [(shape[0], sum(channels * rows * columns for _, channels, rows, columns in pooled))]

    def forward(self, x):
        pooled = [level(x)[0] for level in self._levels(tuple(x.shape))]
        return (pooled[0] if self.height == 1 else torch.cat([level.flatten(1) for level in pooled], 1)),

    def _levels(self, shape):
        """The Pooling layers for a bottom; their windows depend on its size."""
        if self._pyramid[0] != shape[2:]:
            self._pyramid = (shape[2:], [self._pooling(level, shape) for level in range(self.height)])
        return self._pyramid[1]

    def _pooling(self, level, shape):
        bins = 2 ** level
        kernel = [-(-size // bins) for size in shape[2:]]
        # What the windows reach beyond the map is padding, half of it in front, rounded up.
        pad = [(k * bins - size + 1) // 2 for k, size in zip(kernel, shape[2:])]
        param = caffe_pb2.LayerParameter(name=self.name, type="Pooling", phase=self.phase, top=["level"])
        param.pooling_param.pool = self.param.spp_param.pool
        for axis, k, p in zip("hw", kernel, pad):
            for field, value in ((f"kernel_{axis}", k), (f"stride_{axis}", k), (f"pad_{axis}", p)):
                setattr(param.pooling_param, field, value)
        pooling = Pooling(param, self.phase, self.context)
        pooling.setup([shape])
        return pooling
