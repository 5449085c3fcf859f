"""Reduction and ArgMax (layers/reduction.py)."""
from onnx import TensorProto

from deeplandmark.caffe.onnx.builder import LAST, Value, merged
from deeplandmark.caffe.onnx.registry import exporter


@exporter("Reduction")
def reduction(b, layer, x):
    """coeff times the sum, sum of |x|, sum of squares or mean over the axes from layer.start on."""
    p, axes = layer.param.reduction_param, list(range(layer.start, len(x.shape)))
    if p.operation == p.SUM:
        y = b.node("ReduceSum", x, axes, keepdims=0)
    else:
        op = {p.ASUM: "ReduceL1", p.SUMSQ: "ReduceSumSquare", p.MEAN: "ReduceMean"}[p.operation]
        y = b.node(op, x, axes=axes, keepdims=0)
    return b.node("Mul", y, p.coeff) if p.coeff != 1 else y


@exporter("ArgMax")
def arg_max(b, layer, x):
    """Places and values of the largest; of equal values the last comes first, so they are looked for from the end."""
    if layer.dim is None:
        x = Value(b.reshape(x, (x.shape[0], merged(x.shape[1:]))), (x.shape[0], merged(x.shape[1:])))
    axis = 1 if layer.dim is None else layer.dim
    backwards = b.node("Slice", x, [LAST], [-LAST], [axis], [-1])
    values, places = b.node("TopK", backwards, [layer.top_k], outputs=2, axis=axis)
    if layer.dim is not None and layer.out_max_val:
        return values
    last = b.extent(x, axis)
    last = b.node("Sub", last, 1) if isinstance(last, str) else last - 1
    places = b.node("Cast", b.node("Sub", last, places), to=TensorProto.FLOAT)
    if layer.dim is None and layer.out_max_val:
        places = b.node("Concat", places, values, axis=1)
    return places if layer.dim is not None else b.reshape(places, b.tops[0])
