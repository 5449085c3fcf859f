"""Layers of FlowNet's fork and SpatialTransformer (layers/correlation.py, flow_maps.py, resample.py)."""
import numpy as np

from deeplandmark.caffe.layers.data_augmentation import places as crop_places
from deeplandmark.caffe.onnx.builder import Value
from deeplandmark.caffe.onnx.registry import exporter


@exporter("Correlation", "Correlation1D")
def correlation(b, layer, first, second):
    """Pad, and for each move Slice, Mul and ReduceMean; Concat, and AveragePool of larger windows."""
    across = [border for _, border in layer.displacements()]
    before = max(0, -layer.first_column(across))                 # columns that are looked at before the padding
    rows, columns = (layer.places(border, count) for border, count in zip(layer.borders, b.tops[0][2:]))
    first = _cut(b, _padded(b, layer, first, 0), rows, columns)
    second = _padded(b, layer, second, before)
    tops = []
    for down, along in layer.displacements():
        other = _cut(b, second, _moved(rows, down), _moved(columns, along + before))
        both = b.node("Mul", first, other) if layer.products else b.node("Abs", b.node("Sub", first, other))
        tops.append(b.node("ReduceMean", both, axes=[1], keepdims=1))
    y = b.node("Concat", *tops, axis=1)
    return y if layer.size == 1 else b.node("AveragePool", y, kernel_shape=[layer.size] * 2,
                                            strides=[layer.stride] * 2)


def _padded(b, layer, x, before):
    (rows, columns) = layer.pad
    return b.node("Pad", x, b.constant(np.array([0, 0, rows, columns + before, 0, 0, rows, columns])))


def _moved(cells, by):
    return slice(cells.start + by, cells.stop + by, cells.step)


def _cut(b, x, rows, columns):
    steps = [cells.step or 1 for cells in (rows, columns)]
    return b.node("Slice", x, *(b.constant(np.array(v)) for v in (
        [rows.start, columns.start], [rows.stop, columns.stop], [2, 3], steps)))


@exporter("FlowWarp")
def flow_warp(b, layer, x, flow):
    """GridSample at the places of the flow, and Where for those outside."""
    size = x.shape[3], x.shape[2]                                # x first, as in a flow
    start = np.stack(np.meshgrid(*map(np.arange, size)), -1).astype(np.float32)
    places = b.node("Add", b.node("Transpose", flow, perm=[0, 2, 3, 1]), b.constant(start))
    y = _sampled(b, x, places, size, "border")
    inside = b.node("And", b.node("GreaterOrEqual", places, 0.0), b.node("Less", places, b.constant(np.float32(size))))
    inside = [b.node("Slice", inside, [i], [i + 1], [3]) for i in (0, 1)]
    inside = b.node("Transpose", b.node("And", *inside), perm=[0, 3, 1, 2])
    return b.node("Where", inside, y, b.constant(np.float32(layer.fill)))


def _sampled(b, x, places, size, outside):
    """GridSample at places (N, rows, columns, 2), x first, in cells; size (width, height)."""
    factors = np.array([2 / (n - 1) if n > 1 else 0 for n in size], np.float32)
    grid = b.node("Sub", b.node("Mul", places, b.constant(factors)), 1.0)
    return b.node("GridSample", x, grid, mode="bilinear", padding_mode=outside, align_corners=1)


@exporter("ChannelNorm")
def channel_norm(b, layer, x):
    """ReduceL2"""
    return b.node("ReduceL2", x, axes=[1], keepdims=1)


@exporter("Mean")
def mean(b, layer, *bottoms):
    """Mul, Add, Mul; a factor of 1 is left out."""
    p, tops = layer.param.mean_param, []
    for x in bottoms:
        y = x if p.input_scale == 1 else b.node("Mul", x, p.input_scale)
        y = b.node("Add", y, b.constant(layer.shift(x.shape[1]).cpu().numpy()))
        tops.append(y if p.output_scale == 1 else b.node("Mul", y, p.output_scale))
    return tops


@exporter("DataAugmentation")
def data_augmentation(b, layer, x, coefficients=None):
    """Sub of the mean; for a crop Gather of the two cells along each axis and their weighted sum before."""
    p, y = layer.settings, x
    if p.recompute_mean and layer.blobs[0].item() < p.recompute_mean:
        layer.fail(f"cannot be exported to ONNX: its mean is not done after {layer.blobs[0].item():g} of "
                   f"{p.recompute_mean} forwards")
    for axis, size in zip((2, 3), layer.crop or ()):
        first, second, share = crop_places(x.shape[axis], size)
        share = share.reshape(-1, *(1,) * (3 - axis))
        sides = [b.node("Mul", b.node("Gather", y, b.constant(cells), axis=axis), b.constant(part))
                 for cells, part in ((first, 1 - share), (second, share))]
        y = b.node("Add", *sides)
    mean = layer.mean()
    y = b.node("Identity", y) if mean is None else b.node("Sub", y, b.constant(mean.cpu().numpy()))
    if len(b.tops) == 1:
        return y
    if coefficients is not None:
        return [y, b.node("Identity", coefficients)]
    batch, row = b.extent(x, 0), np.array(b.tops[1][1:])
    shape = b.constant(np.array([batch, *row])) if isinstance(batch, int) else \
        b.node("Concat", batch, b.constant(row), axis=0)
    return [y, b.node("Expand", b.constant(np.zeros((1, *row), np.float32)), shape)]


@exporter("Resample")
def resample(b, layer, x, like=None):
    """Gather of the nearest rows and columns, or a product with the weights of each."""
    p, sizes = layer.param.resample_param, (x.shape[2:], b.tops[0][2:])
    if p.type == p.NEAREST:
        rows, columns = map(b.constant, layer.nearest(*sizes))
        return b.node("Gather", b.node("Gather", x, rows, axis=2), columns, axis=3)
    rows, columns = layer.weights(*sizes)
    return b.node("MatMul", b.node("MatMul", b.constant(rows), x), b.constant(columns.T))


@exporter("SpatialTransformer")
def spatial_transformer(b, layer, x, theta):
    """MatMul of the transforms and the grid, GridSample."""
    numbers = Value(b.reshape(theta, (theta.shape[0], layer.preset.count(None))), ())
    (n, *_, height, width), rows, given = x.shape, b.tops[0][2], iter(range(6))
    parts = []
    for value in layer.preset:
        place = None if value is not None else next(given)
        first = b.node("Slice", numbers, [place or 0], [(place or 0) + 1], [1])
        parts.append(first if value is None else b.node("Add", b.node("Mul", first, 0.0), float(value)))
    matrices = b.reshape(Value(b.node("Concat", *parts, axis=1), ()), (n, 2, 3))
    places = b.node("MatMul", matrices, b.constant(layer.grid(rows, b.tops[0][3]).numpy()))
    half = b.constant(np.float32([[height / 2], [width / 2]]))
    places = b.node("Transpose", b.node("Mul", b.node("Add", places, 1.0), half), perm=[0, 2, 1])
    columns, along = (b.node("Slice", places, [i], [i + 1], [2]) for i in (1, 0))
    places = b.reshape(Value(b.node("Concat", columns, along, axis=2), ()), (n, rows, b.tops[0][3], 2))
    # Between -1 and 1 lie the middles of the first and the last cell; a ring of 0 keeps one row from being both.
    ring = b.node("Pad", x, b.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])))
    return _sampled(b, ring, b.node("Add", places, 1.0), (width + 2, height + 2), "zeros")
