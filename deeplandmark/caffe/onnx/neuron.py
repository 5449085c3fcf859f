"""Layers that work on each value alone (layers/neuron.py)."""
import numpy as np
from onnx import TensorProto

from deeplandmark.caffe.onnx.registry import exporter
from deeplandmark.work.c_power import c_power


@exporter("ReLU")
def relu(b, layer, x):
    """Relu, or LeakyRelu with a negative_slope."""
    return b.node("LeakyRelu", x, alpha=layer.negative_slope) if layer.negative_slope else b.node("Relu", x)


@exporter("TanH")
def tanh(b, layer, x):
    """Tanh"""
    return b.node("Tanh", x)


@exporter("Sigmoid")
def sigmoid(b, layer, x):
    """Sigmoid"""
    return b.node("Sigmoid", x)


@exporter("AbsVal")
def abs_val(b, layer, x):
    """Abs"""
    return b.node("Abs", x)


@exporter("Power")
def power(b, layer, x):
    """(shift + scale * x) ^ power; a constant where power or scale is 0, but not a number stays none."""
    if layer.power == 0 or layer.scale == 0:
        value = 1.0 if layer.power == 0 else c_power(layer.shift, layer.power)
        return b.node("Add", b.node("Mul", x, 0.0), value)
    y = b.node("Mul", x, layer.scale) if layer.scale != 1 else x
    y = b.node("Add", y, layer.shift) if layer.shift != 0 else y
    return b.node("Pow", y, layer.power) if layer.power != 1 else _same(y)


@exporter("Dropout", "Noise")
def identity(b, layer, x):
    """In TEST these change nothing."""
    return x.name


@exporter("PReLU")
def prelu(b, layer, x):
    """Slopes (C,) spread over the axes behind the channels."""
    slopes = layer.blobs[0].numel()
    return b.node("PRelu", x, b.blob(layer, 0, (slopes, *(1,) * (len(x.shape) - 2))))


@exporter("ELU")
def elu(b, layer, x):
    """Elu, with elu_param alpha."""
    return b.node("Elu", x, alpha=layer.param.elu_param.alpha)


@exporter("ReLU6")
def relu6(b, layer, x):
    """Clip to 0..6, or to 0..threshold."""
    return b.node("Clip", x, 0.0, layer.param.relu6_param.threshold)


@exporter("Clip")
def clip(b, layer, x):
    """Clip; where clip_param min lies above max, Max and Min, as torch's clamp has it."""
    p = layer.param.clip_param
    return b.node("Clip", x, p.min, p.max) if p.min <= p.max else b.node("Min", b.node("Max", x, p.min), p.max)


@exporter("Swish")
def swish(b, layer, x):
    """x times Sigmoid of beta * x."""
    return b.node("Mul", x, b.node("Sigmoid", b.node("Mul", x, layer.param.swish_param.beta)))


@exporter("BNLL")
def bnll(b, layer, x):
    """Softplus"""
    return b.node("Softplus", x)


@exporter("Exp")
def exp(b, layer, x):
    """Exp of x * inner, times outer (see layers/neuron.py)."""
    y = b.node("Exp", b.node("Mul", x, layer.inner) if layer.inner != 1 else x)
    return b.node("Mul", y, layer.outer) if layer.outer != 1 else y


@exporter("Log")
def log(b, layer, x):
    """Log of scale * x + shift, times the factor of the base."""
    p = layer.param.log_param
    x = b.node("Mul", x, p.scale) if p.scale != 1 else x
    y = b.node("Log", b.node("Add", x, p.shift) if p.shift else x)
    return b.node("Mul", y, layer.factor) if layer.factor != 1 else y


@exporter("Threshold")
def threshold(b, layer, x):
    """Greater, cast to float32."""
    above = b.node("Greater", x, np.float32(layer.param.threshold_param.threshold))
    return b.node("Cast", above, to=TensorProto.FLOAT)


def _same(value):
    return value if isinstance(value, str) else value.name
