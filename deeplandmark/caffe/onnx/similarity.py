"""The layers of layers/similarity.py: small products, GridSample, and the nearest of all points by ReduceMin."""
import numpy as np

from deeplandmark.caffe.layers.similarity import FAR
from deeplandmark.caffe.onnx.registry import exporter


@exporter("PointSimilarity")
def point_similarity(b, layer, points, reference):
    """Least squares in closed form."""
    points, reference = (b.node("Reshape", values, [0, -1, 2]) for values in (points, reference))
    middle, wanted = (b.node("ReduceMean", values, axes=[1]) for values in (points, reference))          # (N, 1, 2)
    off, aim = b.node("Sub", points, middle), b.node("Sub", reference, wanted)
    size = _sum(b, b.node("Mul", off, off))
    turned = b.node("Mul", b.node("Gather", off, [1, 0], axis=2), b.constant(np.array([-1.0, 1.0])))     # (-y, x)
    a, c = (b.node("Div", _sum(b, b.node("Mul", each, aim)), size) for each in (off, turned))            # (N, 1, 1)
    x, y = b.node("Split", middle, outputs=2, axis=2)
    u, v = b.node("Split", wanted, outputs=2, axis=2)
    shift_x = b.node("Sub", u, b.node("Sub", b.node("Mul", a, x), b.node("Mul", c, y)))
    shift_y = b.node("Sub", v, b.node("Add", b.node("Mul", c, x), b.node("Mul", a, y)))
    return b.node("Reshape", b.node("Concat", a, b.node("Neg", c), shift_x, c, a, shift_y, axis=2), [-1, 2, 3])


@exporter("TransformPoints")
def transform_points(b, layer, points, transform):
    """A product with the matrix, or with its inverse."""
    if layer.param.transform_points_param.inverse:
        transform = _inverse(b, transform)
    places = b.node("Reshape", points, [0, -1, 2])
    return b.node("Reshape", _moved(b, places, transform), [0, -1])


@exporter("TransformMaps")
def transform_maps(b, layer, maps, transform):
    """GridSample where the inverse brings the middles of the cells."""
    rows, columns = maps.shape[2:]
    p = layer.settings
    places = b.constant(layer.middles(rows, columns).numpy()[None])
    found = _moved(b, places, _inverse(b, transform))
    scale = np.array([2 / (p.right - p.left), 2 / (p.bottom - p.top)])
    found = b.node("Add", b.node("Mul", found, b.constant(scale)), b.constant(-1 - scale * [p.left, p.top]))
    grid = b.node("Reshape", found, [-1, rows, columns, 2])
    return b.node("GridSample", maps, grid, mode="bilinear", padding_mode="border", align_corners=0)


@exporter("PointHeat")
def point_heat(b, layer, points):
    """The least sum of two squares, each FAR beyond the square around a point."""
    p = layer.settings
    scale = np.array([p.columns / (p.right - p.left), p.rows / (p.bottom - p.top)])
    places = b.node("Add", b.node("Mul", b.node("Reshape", points, [0, -1, 2]), b.constant(scale)),
                    b.constant(-scale * [p.left, p.top] - 0.5))
    x, y = b.node("Split", places, outputs=2, axis=2)                                                    # (N, k, 1)
    across, down = (_squares(b, values, cells, p.size / 2) for values, cells in ((x, p.columns), (y, p.rows)))
    found = b.node("ReduceMin", b.node("Add", b.node("Unsqueeze", down, [3]), b.node("Unsqueeze", across, [2])),
                   axes=[1])
    heat = b.node("Div", 1.0, b.node("Add", b.node("Sqrt", found), 1.0))
    return b.node("Where", b.node("Less", found, FAR), heat, 0.0)


def _squares(b, values, cells, reach):
    off = b.node("Sub", values, b.constant(np.arange(cells, dtype=np.float32)))
    near = b.node("LessOrEqual", b.node("Abs", off), float(reach))
    return b.node("Where", near, b.node("Mul", off, off), FAR)


def _sum(b, values):
    return b.node("ReduceSum", values, [1, 2], keepdims=1)


def _moved(b, places, transform):
    """Places (N or 1, m, 2), where transforms bring them."""
    turn = b.node("Slice", transform, [0], [2], [2])
    shift = b.node("Transpose", b.node("Slice", transform, [2], [3], [2]), perm=[0, 2, 1])
    return b.node("Add", b.node("MatMul", places, b.node("Transpose", turn, perm=[0, 2, 1])), shift)


def _inverse(b, transform):
    a, c, x, d, e, y = b.node("Split", b.node("Reshape", transform, [-1, 6]), outputs=6, axis=1)
    size = b.node("Sub", b.node("Mul", a, e), b.node("Mul", c, d))
    a, c, d, e = (b.node("Div", value, size) for value in (e, b.node("Neg", c), b.node("Neg", d), a))
    shifts = [b.node("Neg", b.node("Add", b.node("Mul", first, x), b.node("Mul", second, y)))
              for first, second in ((a, c), (d, e))]
    return b.node("Reshape", b.node("Concat", a, c, shifts[0], d, e, shifts[1], axis=1), [-1, 2, 3])
