"""Layers that combine bottoms or weights by arithmetic: InnerProduct, Eltwise, Scale, Bias; and constants."""
from deeplandmark.caffe.layers.inner_product import unit_rows
from deeplandmark.caffe.onnx.builder import Value, merged
from deeplandmark.caffe.onnx.registry import exporter


@exporter("InnerProduct")
def inner_product(b, layer, x):
    """(leading axes..., rest...) as rows of K values, one Gemm, and the leading axes again."""
    lead = x.shape[:layer.start]
    rows = b.reshape(x, (merged(lead), layer.num_input))
    bias = [b.blob(layer, 1)] if len(layer.blobs) > 1 else []
    weight = b.constant(unit_rows(layer.blobs[0].detach()).cpu().numpy()) if layer.normalize else b.blob(layer, 0)
    y = b.node("Gemm", rows, weight, *bias, transB=int(not layer.transpose))
    return b.reshape(Value(y, (merged(lead), layer.num_output)), b.tops[0])


@exporter("Eltwise")
def eltwise(b, layer, *bottoms):
    """Max, or Mul or Add of one bottom after the other; coeff are float32 factors."""
    p = layer.param.eltwise_param
    if layer.operation == p.MAX:
        return b.node("Max", *bottoms)
    if layer.operation == p.SUM and layer.coeffs:
        bottoms = [x if c == 1 else b.node("Mul", x, c) for c, x in zip(layer.coeffs, bottoms)]
    op, y = "Mul" if layer.operation == p.PROD else "Add", bottoms[0]
    for x in bottoms[1:]:
        y = b.node(op, y, x)
    return y


@exporter("Scale")
def scale(b, layer, x, other=None):
    """Mul, and Add of the bias, both with axes of size 1 behind their shape."""
    y = b.node("Mul", x, _spread(b, layer, x, 0, other))
    if layer.bias_term:
        y = b.node("Add", y, _spread(b, layer, x, len(layer.blobs) - 1))
    return y


@exporter("Bias")
def bias(b, layer, x, other=None):
    """Add, of a bias with axes of size 1 behind its shape."""
    return b.node("Add", x, _spread(b, layer, x, 0, other))


def _spread(b, layer, x, index, other=None):
    """A parameter blob or a bottom with 1s behind it, so that it spreads over x from the layer's axis on."""
    shape = tuple(layer.blobs[index].shape) if other is None else other.shape
    shape = (*shape, *(1,) * (len(x.shape) - layer.start - len(shape)))
    return b.blob(layer, index, shape) if other is None else b.reshape(other, shape)


@exporter("Parameter")
def parameter(b, layer):
    """The layer's blob as a float32 constant."""
    return b.blob(layer, 0)


@exporter("DummyData")
def dummy_data(b, layer):
    """Tops with a constant filler as constants; a NetError where one is random."""
    if any(kept is None for kept in layer.kept):
        layer.fail("type 'DummyData' cannot be exported to ONNX where a filler is random")
    return [b.constant(kept.numpy()) for kept in layer.kept]
