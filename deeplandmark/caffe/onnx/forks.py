"""Layers of Caffe's forks (layers/fork_*.py, interp.py)."""
import numpy as np
from onnx import TensorProto

from deeplandmark.caffe.onnx.registry import exporter

_TINY = float(np.finfo(np.float32).tiny)


@exporter("HSigmoid")
def h_sigmoid(b, layer, x):
    """HardSigmoid: x / 6 + 1 / 2 in 0..1."""
    return b.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)


@exporter("HSwish")
def h_swish(b, layer, x):
    """HardSwish"""
    return b.node("HardSwish", x)


@exporter("Mish")
def mish(b, layer, x):
    """x times Tanh of Softplus (Mish itself came with opset 18)."""
    return b.node("Mul", x, b.node("Tanh", b.node("Softplus", x)))


@exporter("Permute")
def permute(b, layer, x):
    """Transpose"""
    return b.node("Transpose", x, perm=list(layer.order))


@exporter("Transpose")
def transpose(b, layer, x):
    """Transpose"""
    return b.node("Transpose", x, perm=list(layer.order))


@exporter("Reverse")
def reverse(b, layer, x):
    """Slice with a step of -1."""
    count = len(layer.axes)
    first, last = np.full(count, -1, np.int64), np.full(count, np.iinfo(np.int64).min, np.int64)
    return b.node("Slice", x, *(b.constant(value) for value in (first, last, np.array(layer.axes), first)))


@exporter("ShuffleChannel")
def shuffle_channel(b, layer, x):
    """Reshape, Transpose, Reshape; axes behind the channels are one."""
    n, channels, *rest = x.shape
    groups = b.reshape(x, (n, layer.group, channels // layer.group, int(np.prod(rest))))
    return b.reshape(b.node("Transpose", groups, perm=[0, 2, 1, 3]), b.tops[0])


@exporter("Reorg")
def reorg(b, layer, x):
    """Reshape, Transpose, Reshape, in darknet's order."""
    (n, c, h, w), s = x.shape, layer.stride
    if layer.reverse:
        cells, perm = (n, s, s, c // s ** 2, h, w), [0, 3, 4, 1, 5, 2]
    else:
        cells, perm = (n, c // s ** 2, h, s, w, s), [0, 3, 5, 1, 2, 4]
    return b.reshape(b.node("Transpose", b.reshape(x, cells), perm=perm), b.tops[0])


@exporter("Upsample")
def upsample(b, layer, x, mask=None):
    """Resize by repeating cells; with a mask ScatterElements into zeros."""
    if mask is None:
        scales = b.constant(np.array([1, 1, *layer.scale], np.float32))
        return b.node("Resize", x, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric",
                      nearest_mode="floor")
    n, c, h, w = x.shape
    top = b.tops[0]
    shape = b.node("Concat", _size_of(b, x, 0), b.constant(np.array([c, top[2] * top[3]])), axis=0)
    places = b.node("Cast", b.reshape(mask, (n, c, h * w)), to=TensorProto.INT64)
    flat = b.node("ScatterElements", b.node("Expand", 0.0, shape), places, b.reshape(x, (n, c, h * w)), axis=2)
    return b.reshape(flat, top)


@exporter("Axpy")
def axpy(b, layer, a, x, y):
    """Mul and Add"""
    return b.node("Add", b.node("Mul", b.reshape(a, (*x.shape[:2], *(1,) * (len(x.shape) - 2))), x), y)


@exporter("Normalize")
def normalize(b, layer, x):
    """Sum of squares plus eps, its root, and the scale; NormFace's has the norm of each place as a second top."""
    if not layer.has_scale:
        op = "ReduceL1" if layer.param.norm_param.normalize_type == "L1" else "ReduceL2"
        norm = b.node(op, x, axes=[1], keepdims=1)
        return [b.node("Div", x, b.node("Max", norm, _TINY)), norm][:layer.num_tops]
    axes = list(range(1, len(x.shape))) if layer.across_spatial else [1]
    total = b.node("ReduceSum", b.node("Mul", x, x), axes, keepdims=1)
    scale = b.blob(layer, 0, (layer.blobs[0].numel(), *(1,) * (len(x.shape) - 2)))
    return b.node("Mul", b.node("Div", x, b.node("Sqrt", b.node("Add", total, layer.eps))), scale)


@exporter("L2Normalization", "L2Normalize", "Normalization")
def l2_normalization(b, layer, x):
    """The norm of each row."""
    axes = list(range(1, len(x.shape)))
    norm = b.node("ReduceL2", x, axes=axes, keepdims=1) if axes else b.node("Abs", x)
    return b.node("Div", x, b.node("Max", norm, _TINY))


@exporter("BN")
def bn(b, layer, x):
    """With stored statistics one Mul and Add; otherwise the batch's own."""
    shape = (layer.channels, *(1,) * (len(x.shape) - 2))
    scale, shift = (blob.detach().cpu().numpy().astype(np.float64).ravel() for blob in layer.blobs[:2])
    if layer.uses_stored:
        mean, variance = (blob.detach().cpu().numpy().astype(np.float64).ravel() for blob in layer.blobs[2:])
        scale = scale / np.sqrt(variance + layer.eps)
        shift = shift - mean * scale
    scale, shift = (b.constant(v.reshape(shape)) for v in (scale, shift))
    if layer.affine_only or layer.uses_stored:
        return b.node("Add", b.node("Mul", x, scale), shift)
    axes = [axis for axis in range(len(x.shape)) if axis != 1]
    mean = b.node("ReduceMean", x, axes=axes)
    centred = b.node("Sub", x, mean)
    variance = b.node("ReduceMean", b.node("Mul", centred, centred), axes=axes)
    unit = b.node("Div", centred, b.node("Sqrt", b.node("Add", variance, layer.eps)))
    y = b.node("Add", b.node("Mul", unit, scale), shift)
    return [y, *(b.reshape(v, b.tops[1]) for v in (mean, variance)[:len(b.tops) - 1])]


@exporter("Interp")
def interp(b, layer, x):
    """Slice where something is cut, then Resize with align_corners."""
    y = x
    for axis in (2, 3):
        first, end = layer.kept(x.shape[axis])
        if (first, end) != (0, x.shape[axis]):
            y = b.node("Slice", y, [first], [end], [axis])
    sizes = b.node("Concat", _size_of(b, x, 0), b.constant(np.array([x.shape[1], *b.tops[0][2:]])), axis=0)
    return b.node("Resize", y, "", "", sizes, mode="linear", coordinate_transformation_mode="align_corners")


@exporter("MaskPooling")
def mask_pooling(b, layer, x, mask):
    """Mul"""
    return b.node("Mul", x, mask)


@exporter("MaskResize")
def mask_resize(b, layer, x):
    """Resize"""
    sizes = b.node("Concat", _size_of(b, x, 0), b.constant(np.array([x.shape[1], *b.tops[0][2:]])), axis=0)
    return b.node("Resize", x, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel")


def _size_of(b, x, axis):
    """An extent as an int64 value (1,)."""
    extent = b.extent(x, axis)
    return extent if isinstance(extent, str) else b.constant(np.array([extent]))


@exporter("ROIPooling")
def roi_pooling(b, layer, x, regions):
    """MaxRoiPool, which knows no pad_ratio."""
    if layer.pad:
        layer.fail("pad_ratio has no form in ONNX")
    return b.node("MaxRoiPool", x, b.reshape(regions, (regions.shape[0], 5)), pooled_shape=list(layer.size),
                  spatial_scale=float(layer.scale))


@exporter("ROIAlign")
def roi_align(b, layer, x, regions):
    """RoiAlign, the numbers of the maps apart; samples at the bins' corners are not of that operator."""
    if layer.grid:
        layer.fail("ROIAlign with roi_pooling_param has no form in ONNX")
    regions = b.reshape(regions, (regions.shape[0], 5))
    numbers = b.node("Cast", b.node("Squeeze", b.node("Slice", regions, [0], [1], [1]), [1]), to=TensorProto.INT64)
    return b.node("RoiAlign", x, b.node("Slice", regions, [1], [5], [1]), numbers, mode="avg",
                  coordinate_transformation_mode="output_half_pixel", output_height=layer.size[0],
                  output_width=layer.size[1], sampling_ratio=max(layer.ratio, 0), spatial_scale=float(layer.scale))


@exporter("PriorBox")
def prior_box(b, layer, maps, picture):
    """A constant: only sizes matter."""
    return b.node("Identity", b.constant(layer.boxes(maps.shape[2:], picture.shape[2:])))


@exporter("Region")
def region(b, layer, x):
    """Transpose and Reshape to boxes, Sigmoid of their confidence, Softmax of their classes."""
    p, (n, c, h, w) = layer.settings, x.shape
    cells = b.reshape(b.node("Transpose", x, perm=[0, 2, 3, 1]), (n, c // layer.values * h * w, layer.values))
    where, sure, classes = (b.node("Slice", cells, [first], [end], [2]) for first, end in (
        (0, p.coords), (p.coords, p.coords + 1), (p.coords + 1, layer.values)))
    classes = b.node("Softmax", classes, axis=2) if p.softmax else classes
    return b.reshape(b.node("Concat", where, b.node("Sigmoid", sure), classes, axis=2), x.shape)


@exporter("ContinuationIndicator")
def continuation_indicator(b, layer):
    """A constant."""
    return b.node("Identity", b.constant(np.arange(layer.shape[0])[:, None].clip(0, 1) * np.ones(layer.shape[1])))
