"""Convolution, Deconvolution and Im2col over any number of spatial axes (layers/convolution.py, windows.py)."""
import numpy as np

from deeplandmark.caffe.onnx.builder import merged
from deeplandmark.caffe.onnx.registry import exporter


@exporter("Convolution", "Convolution3D", "ConvolutionDepthwise", "DepthWiseConvolution", "DepthwiseConvolution")
def convolution(b, layer, *bottoms):
    """One Conv for each bottom; weights (num_output, channels / group, kernel...)."""
    weight = b.blob(layer, 0, _with_axis(layer, layer.blobs[0].shape))
    return [_run(b, layer, "Conv", x, weight, top) for x, top in zip(bottoms, b.tops)]


@exporter("Deconvolution")
def deconvolution(b, layer, *bottoms):
    """One ConvTranspose for each bottom; weights (channels, num_output / group, kernel...)."""
    weight = b.blob(layer, 0, _with_axis(layer, layer.blobs[0].shape))
    return [_run(b, layer, "ConvTranspose", x, weight, top) for x, top in zip(bottoms, b.tops)]


@exporter("Im2col")
def im2col(b, layer, x):
    """A Conv of each channel with kernels that pick one cell each, which gives Caffe's order: channel, then cell."""
    cells = int(np.prod(layer.kernel))
    picks = np.eye(cells, dtype=np.float32).reshape(cells, 1, *layer.kernel)
    weight = b.constant(np.tile(picks, (layer.channels, *(1,) * (picks.ndim - 1))))
    y = b.node("Conv", b.reshape(x, _one_batch(layer, x)), weight, group=layer.channels, **_windows(layer))
    return _unbatched(b, layer, y, b.tops[0])


def _run(b, layer, op, x, weight, top):
    inputs = [b.reshape(x, _one_batch(layer, x)), weight, *([b.blob(layer, 1, (-1,))] if len(layer.blobs) > 1 else [])]
    return _unbatched(b, layer, b.node(op, *inputs, group=layer.group, **_windows(layer)), top)


def _one_batch(layer, x):
    """(leading axes..., C, spatial...) as (N, C, spatial...), with a spatial axis of size 1 where there is none."""
    lead, rest = x.shape[:layer.channel_axis], x.shape[layer.channel_axis:]
    return _with_axis(layer, (merged(lead), *rest))


def _unbatched(b, layer, y, top):
    """The leading axes again, where they were merged or an axis was added."""
    return y if layer.channel_axis == 1 and layer.num_spatial else b.reshape(y, top)


def _with_axis(layer, shape):
    return tuple(shape) if layer.num_spatial else (*shape, 1)


def _windows(layer):
    """The attributes of Conv and ConvTranspose."""
    if not layer.num_spatial:
        return {"kernel_shape": [1]}
    return {"kernel_shape": list(layer.kernel), "strides": list(layer.stride), "pads": [*layer.pad, *layer.pad],
            "dilations": list(layer.dilation)}
