"""What each layer type does to stacked blobs, shape (G, ..., N); maps (N, C, H, W) become (G, H, C, W, N).

Maps are of the type the data layers give them, and so is what is done with them; vectors and losses are float32.

An operation takes a list of stacked bottoms and returns a list of stacked tops. `operation(layers)` builds the one that
stands for G equal layers; a type or setting that is missing here raises `NotStackable`, and the nets then run one by
one. Adding a type is one function.
"""
import torch

from deeplandmark.caffe.graph.pooled_first import windows_beside_each_other
from deeplandmark.caffe.layers.registry import Registry
from deeplandmark.caffe.layers.regression_loss import smooth_l1, visible_target
from deeplandmark.caffe.stacked.functions import Convolution, MaxPooling, SwapRows, Tanh


class NotStackable(Exception):
    """The nets cannot run as one; the text says why."""


OPERATIONS = Registry("stacked forms")
_stacks = OPERATIONS.register


def operation(layers, blobs, dtype=torch.float32):
    """The operation of G equal layers.

    Parameters
    ----------
    layers : list of Layer, one of each net
    blobs : list of tensors (G, ...), the layers' parameter blobs stacked
    dtype : torch.dtype
        Of the maps that data layers give: float32 or bfloat16.

    Raises
    ------
    NotStackable
    """
    first = layers[0]
    if not first.exact_bottoms and getattr(first, "min_bottoms", None) is None and not first.param.bottom:
        return _data(layers, dtype)
    build = OPERATIONS.get(first.param.type)
    if build is None:
        raise NotStackable(f"layer {first.name!r}: type {first.param.type} has no stacked form")
    return build(first, blobs)


def unstacked(value, index):
    """A stacked blob as that of one net, (N, ...)."""
    value = _rows_first(value)[index]
    return value.movedim(-1, 0) if value.dim() else value


def _require(layer, condition, what):
    if not condition:
        raise NotStackable(f"layer {layer.name!r}: {what}")


def _data(layers, dtype):
    """Data layers read each for itself."""
    def run(bottoms):
        tops = [torch.stack(top).movedim(1, -1) for top in zip(*(layer() for layer in layers))]
        return [_rows_first(top.to(dtype) if top.dim() == 5 else top).contiguous() for top in tops]
    return run


def _rows_first(x):
    """(G, C, H, W, N) -> (G, H, C, W, N) and back; blobs that are no maps as they are."""
    return SwapRows.apply(x) if x.dim() == 5 else x


def _flat(x):
    """Blob -> float32 (G, values in Caffe's order, N)."""
    return _rows_first(x).flatten(1, -2).float()


@_stacks("LocallySharedConvolution")
def _locally_shared_convolution(layer, blobs):
    return _convolved(blobs, layer.p, layer.q)


@_stacks("Convolution")
def _convolution(layer, blobs):
    p = layer.param.convolution_param
    weight = blobs[0]
    plain = (weight.dim() == 5 and weight.shape[-1] == weight.shape[-2] and p.group == 1
             and not any(p.pad) and not p.pad_h and not p.pad_w and p.axis == 1
             and all(s == 1 for s in (*p.stride, *p.dilation)) and not p.stride_h and not p.stride_w)
    _require(layer, plain, "only square kernels with stride 1, no pad, group or dilation")
    return _convolved(blobs, 1, 1)


def _convolved(blobs, p, q):
    def run(bottoms):
        weight, bias = (*(blob.to(bottoms[0].dtype) for blob in blobs), None)[:2]
        return [Convolution.apply(bottoms[0], weight, bias, p, q)]
    return run


@_stacks("LocallySharedScale")
def _locally_shared_scale(layer, blobs):
    p, q = layer.p, layer.q

    def spread(blob):
        """(G, p*q*n) -> (G, p, 1, n, q, 1, 1), to multiply regions with."""
        return blob.view(len(blob), p, q, -1).transpose(2, 3).contiguous()[:, :, None, :, :, None, None]

    def run(bottoms):
        x = bottoms[0]
        G, H, n, W, N = x.shape
        gain, bias = (spread(blob).to(x.dtype) for blob in blobs)
        return [torch.addcmul(bias, x.reshape(G, p, H // p, n, q, W // q, N), gain).reshape(x.shape)]
    return run


@_stacks("Pooling")
def _pooling(layer, blobs):
    _require(layer, windows_beside_each_other(layer), "only MAX over windows side by side")

    def run(bottoms, absolute=False):
        H, W = bottoms[0].shape[1:4:2]
        whole = H % layer.kernel[0] == 0 and W % layer.kernel[1] == 0
        return [MaxPooling.apply(bottoms[0], layer.kernel, not whole and not layer.floor, absolute)]
    return run


@_stacks("InnerProduct")
def _inner_product(layer, blobs):
    weight, bias = (*blobs, None)[:2]
    _require(layer, layer.start == 1 and not layer.normalize, "only axis 1, without normalize")

    def run(bottoms):
        x = _flat(bottoms[0])
        matrix = weight.transpose(1, 2) if layer.transpose else weight
        return [torch.bmm(matrix, x) if bias is None else torch.baddbmm(bias.unsqueeze(2), matrix, x)]
    return run


@_stacks("TanH")
def _tanh(layer, blobs):
    return lambda bottoms: [Tanh.apply(bottoms[0])]


@_stacks("AbsVal")
def _abs(layer, blobs):
    return lambda bottoms: [bottoms[0].abs()]


@_stacks("Sigmoid")
def _sigmoid(layer, blobs):
    return lambda bottoms: [torch.sigmoid(bottoms[0])]


@_stacks("ReLU")
def _relu(layer, blobs):
    _require(layer, layer.param.relu_param.negative_slope == 0, "only negative_slope 0")
    return lambda bottoms: [torch.relu(bottoms[0])]


@_stacks("Split")
def _split(layer, blobs):
    return lambda bottoms: bottoms * layer.num_tops


@_stacks("Flatten")
def _flatten(layer, blobs):
    p = layer.param.flatten_param
    _require(layer, (p.axis, p.end_axis) == (1, -1), "only axis 1 to the end")
    return lambda bottoms: [_flat(bottoms[0])]


@_stacks("Concat")
def _concat(layer, blobs):
    p = layer.param.concat_param
    _require(layer, p.axis == 1 and p.concat_dim == 1, "only axis 1")
    return lambda bottoms: [torch.cat(bottoms, 2 if bottoms[0].dim() == 5 else 1)]


@_stacks("EuclideanLoss")
def _euclidean_loss(layer, blobs):
    def run(bottoms):
        prediction, label = map(_flat, bottoms)
        return [(prediction - label).square().sum((1, 2)) / (2 * prediction.shape[-1])]
    return run


@_stacks("SmoothL1Loss")
def _smooth_l1_loss(layer, blobs):
    _require(layer, len(layer.param.bottom) == 2, "only without weights")

    def run(bottoms):
        prediction, label = map(_flat, bottoms)
        return [smooth_l1(prediction - label, layer.sigma).sum((1, 2)) / prediction.shape[-1]]
    return run


@_stacks("VisibleTarget")
def _visible_target(layer, blobs):
    return lambda bottoms: [visible_target(*map(_flat, bottoms))]
