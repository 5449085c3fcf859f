"""PointPatches (layers/point_patches.py) as RoiAlign."""
import numpy as np

from deeplandmark.caffe.onnx.builder import LAST
from deeplandmark.caffe.onnx.registry import exporter


@exporter("PointPatches")
def point_patches(b, layer, maps, points):
    """RoiAlign with one sample a cell. Mirrored patches are cut of the mirrored maps, which lie behind the others."""
    p, (height, width) = layer.settings, maps.shape[2:]
    regions = b.node("Reshape", b.node("Gemm", points, *map(b.constant, _to_regions(layer, width, height))), [-1, 4])
    count = b.node("Squeeze", b.extent(maps, 0)) if maps.shape[0] is None else np.int64(maps.shape[0])
    rows = b.node("Unsqueeze", b.node("Range", np.int64(0), count, np.int64(1)), [1])
    source = maps
    behind = np.array([[sign < 0 for sign in layer.signs]], np.int64)
    if behind.any():
        flipped = b.node("Slice", maps, [-1], [-LAST], [3], [-1])
        source = b.node("Concat", maps, flipped, axis=0)
    rows = b.node("Add", rows, b.node("Mul", count, b.constant(behind)))
    found = b.node("RoiAlign", source, regions, b.node("Reshape", rows, [-1]), output_height=p.rows,
                   output_width=p.columns, sampling_ratio=1, coordinate_transformation_mode="half_pixel")
    return [found, points.name][:len(b.tops)]


def _to_regions(layer, width, height):
    """The matrix (2k, 4k) and shift (4k,) from points to left, top, right, bottom of their patches in cells."""
    p, k = layer.settings, len(layer.signs)
    matrix, shift = np.zeros((2 * k, 4 * k)), np.zeros(4 * k)
    for axis, (start, stop, cells) in enumerate(((p.left, p.right, width), (p.top, p.bottom, height))):
        scale = cells / (stop - start)
        for point, sign in enumerate(layer.signs):
            sign = 1.0 if axis else sign
            for end, side in ((0, -1), (2, 1)):
                column = 4 * point + end + axis
                matrix[2 * point + axis, column] = sign * scale
                shift[column] = side * p.half_side * scale + (-start * scale if sign > 0 else cells + start * scale)
    return matrix, shift
