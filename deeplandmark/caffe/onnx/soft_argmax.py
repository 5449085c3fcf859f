"""SoftArgmax (layers/soft_argmax.py) as Softmax and MatMul."""
from deeplandmark.caffe.onnx.registry import exporter


@exporter("SoftArgmax")
def soft_argmax(b, layer, x):
    """Softmax over the cells of each map, MatMul with their places."""
    n, maps, rows, columns = x.shape
    shares = b.node("Softmax", b.reshape(x, (n, maps, rows * columns)), axis=2)
    return b.reshape(b.node("MatMul", shares, b.constant(layer.middles(rows, columns).numpy())), b.tops[0])
