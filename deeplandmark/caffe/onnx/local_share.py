"""The paper's layers (layers/local_share.py): the regions are cut, side by side as channels, and put back."""
import numpy as np

from deeplandmark.caffe.onnx.builder import Value
from deeplandmark.caffe.onnx.registry import exporter


@exporter("LocallySharedConvolution")
def locally_shared_convolution(b, layer, x):
    """One Conv whose groups are the regions: each sees its rows and columns with their halo of kernel - 1.

    (N, m, H, W) is cut into (N, p*q*m, rows, columns) and put together again.
    """
    weights = [b.blob(layer, i) for i in range(len(layer.blobs))]
    kernel = [layer.kernel] * 2
    if layer.p == layer.q == 1:
        return b.node("Conv", x, *weights, kernel_shape=kernel)
    batch, (n, height, width) = x.shape[0], b.tops[0][1:]
    rows, columns = layer.region_size(height, width)
    pieces = _cut(b, layer, x, rows, columns)
    y = b.node("Conv", pieces, *weights, kernel_shape=kernel, group=layer.p * layer.q)
    y = b.reshape(y, (batch, layer.p, layer.q, n, rows, columns))
    return b.reshape(b.node("Transpose", y, perm=[0, 3, 1, 4, 2, 5]), b.tops[0])


def _cut(b, layer, x, rows, columns):
    """(N, m, H, W) -> (N, p*q*m, rows + halo, columns + halo)"""
    halo, (batch, m) = layer.kernel - 1, x.shape[:2]
    places = [np.arange(count)[:, None] * size + np.arange(size + halo)
              for count, size in ((layer.p, rows), (layer.q, columns))]
    x = b.node("Gather", x, b.constant(places[0]), axis=2)                   # (N, m, p, rows + halo, W)
    x = b.node("Gather", x, b.constant(places[1]), axis=4)                   # (N, m, p, ., q, columns + halo)
    x = b.node("Transpose", x, perm=[0, 2, 4, 1, 3, 5])
    return b.reshape(x, (batch, layer.p * layer.q * m, rows + halo, columns + halo))


@exporter("LocallySharedScale")
def locally_shared_scale(b, layer, x):
    """Gain and bias (p*q*n,) as (n, p, 1, q, 1), spread over the map as (N, n, p, rows, q, columns)."""
    rows, columns = layer.region_size(*x.shape[2:])
    y = b.reshape(x, (*x.shape[:2], layer.p, rows, layer.q, columns))
    for op, blob in zip(("Mul", "Add"), layer.blobs):
        values = blob.detach().cpu().numpy().reshape(layer.p, 1, layer.q, 1, layer.channels)
        y = b.node(op, y, b.constant(values.transpose(4, 0, 1, 2, 3)))
    return b.reshape(Value(y, ()), x.shape)
