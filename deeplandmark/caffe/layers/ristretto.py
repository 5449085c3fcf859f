"""Layers that compute with few bits, as Ristretto simulates them (pmgysel/caffe, base_ristretto_layer.cpp).

In TEST bottoms, weights, bias and tops are trimmed to the numbers of a format; in TRAIN the weights and the bias alone,
rounded at random. Gradients are those at the trimmed weights, and reach the weights as they are stored. Unlike there,
the bottom itself stays as it is, and minifloats go on behind a zero, where the fork's CPU code stops trimming.
"""
import numpy as np
import torch

from deeplandmark.caffe.layers.convolution import Convolution
from deeplandmark.caffe.layers.deconvolution import Deconvolution
from deeplandmark.caffe.layers.inner_product import InnerProduct
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.proto import caffe_pb2

_MANTISSA, _EXPONENT_BITS = 23, 8        # of float32
_Q = caffe_pb2.QuantizationParameter
_TRAIN = 0


class Trimmed:
    """What the layers of Ristretto have in common, before the layer whose `weights` and `forward` they take."""
    weights_are_stored = False

    def create(self, bottom_shapes):
        p = self.settings_of_bits = self.param.quantization_param
        if p.precision == _Q.DYNAMIC_FIXED_POINT and not all(
                1 <= bits <= 64 and abs(fraction) <= 64 for bits, fraction in (
                    (p.bw_layer_in, p.fl_layer_in), (p.bw_layer_out, p.fl_layer_out), (p.bw_params, p.fl_params))):
            self.fail("quantization_param: bw_* must lie in 1..64 and fl_* in -64..64")
        if p.precision == _Q.MINIFLOAT and not (p.mant_bits <= _MANTISSA and 1 <= p.exp_bits <= _EXPONENT_BITS):
            self.fail(f"quantization_param: mant_bits must be at most {_MANTISSA} and exp_bits 1..{_EXPONENT_BITS}")
        if p.precision == _Q.INTEGER_POWER_OF_2_WEIGHTS and not -126 <= p.exp_min <= p.exp_max <= 127:
            self.fail("quantization_param: exp_min must be at most exp_max, both in -126..127")
        super().create(bottom_shapes)

    def weights(self):
        """(weights, bias or None), trimmed; a power of two is for the weights alone."""
        weight, bias = super().weights()
        rounding = _Q.STOCHASTIC if self.phase == _TRAIN else self.settings_of_bits.rounding_scheme
        powers = self.settings_of_bits.precision == _Q.INTEGER_POWER_OF_2_WEIGHTS
        return self._passed_on(weight, rounding), bias if bias is None or powers else self._passed_on(bias, rounding)

    def forward(self, *bottoms):
        if self.phase == _TRAIN:
            return super().forward(*bottoms)
        p = self.settings_of_bits
        bottoms = [self._activation(bottom, p.bw_layer_in, p.fl_layer_in) for bottom in bottoms]
        return tuple(self._activation(top, p.bw_layer_out, p.fl_layer_out) for top in super().forward(*bottoms))

    def _activation(self, x, bits, fraction):
        """x trimmed; its gradient passes as if it were not."""
        p = self.settings_of_bits
        if p.precision == _Q.INTEGER_POWER_OF_2_WEIGHTS:
            return x
        with torch.no_grad():
            rounded = self._rounded(p.rounding_scheme)
            trimmed = fixed_point(x, bits, fraction, rounded) if p.precision == _Q.DYNAMIC_FIXED_POINT else \
                minifloat(x, p.mant_bits, p.exp_bits, rounded)
        return x + (trimmed - x).detach() if x.requires_grad else trimmed

    def _passed_on(self, blob, rounding):
        p, rounded = self.settings_of_bits, self._rounded(rounding)
        with torch.no_grad():
            if p.precision == _Q.DYNAMIC_FIXED_POINT:
                trimmed = fixed_point(blob, p.bw_params, p.fl_params, rounded)
            elif p.precision == _Q.MINIFLOAT:
                trimmed = minifloat(blob, p.mant_bits, p.exp_bits, rounded)
            else:
                trimmed = power_of_2(blob, p.exp_min, p.exp_max, rounded)
        return _SameGradient.apply(blob, trimmed) if blob.requires_grad else trimmed

    def _rounded(self, scheme):
        """How numbers become whole ones, tensor -> tensor: to the nearest, halves away from 0, or at random."""
        if scheme == _Q.NEAREST:
            return lambda x: torch.sign(x) * torch.floor(x.abs() + 0.5)
        return lambda x: torch.floor(x + torch.rand(x.shape, generator=self.context.own_generator).to(x))


class _SameGradient(torch.autograd.Function):
    """The trimmed values forward; backward, their gradient goes to the values as they are stored."""

    @staticmethod
    def forward(ctx, stored, trimmed):
        return trimmed.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


def fixed_point(x, bits, fraction, rounded):
    """x (float32, any shape) in steps of 2^-fraction, none beyond what so many bits hold with a sign."""
    step, most = 2.0 ** -fraction, 2.0 ** (bits - 1)
    return (rounded(x.double().clamp(-most * step, (most - 1) * step) / step) * step).to(x.dtype)


def minifloat(x, mantissa_bits, exponent_bits, rounded):
    """x (float32, any shape) with so many bits of mantissa and exponent; what is too small for them becomes 0, what is
    too large the largest there is."""
    bias = 2 ** (exponent_bits - 1) - 1
    fraction, exponent = torch.frexp(x.double().abs())           # in 0.5..1
    exponent = exponent - 1 + bias
    mantissa = rounded((2 * fraction - 1) * 2.0 ** mantissa_bits)
    most = 2 ** exponent_bits - 1
    mantissa = torch.where(exponent > most, 2.0 ** mantissa_bits - 1, mantissa)
    exponent = exponent.clamp(max=most)
    found = torch.ldexp(1 + mantissa / 2.0 ** mantissa_bits, exponent - bias) * torch.sign(x)
    tiny = (exponent < 0) | (x.abs() < float(np.finfo(np.float32).tiny))
    return torch.where(tiny, 0.0, found).to(x.dtype)


def power_of_2(x, least, most, rounded):
    """x (float32, any shape) as a power of two with an exponent in least..most and x's sign; that of 0 is +."""
    exponent = rounded(torch.log2(x.abs())).clamp(least, most)
    return torch.ldexp(torch.where(x >= 0, 1.0, -1.0), exponent).to(x.dtype)


@layer("ConvolutionRistretto")
class ConvolutionRistretto(Trimmed, Convolution):
    """A Convolution with few bits, trimmed as its quantization_param says (conv_ristretto_layer.cpp, pmgysel/caffe).

    quantization_param: precision DYNAMIC_FIXED_POINT (bw_*: bits, fl_*: bits of the fraction, of layer_in, layer_out
    and params), MINIFLOAT (mant_bits, exp_bits) or INTEGER_POWER_OF_2_WEIGHTS (exp_min, exp_max); rounding_scheme
    NEAREST or STOCHASTIC, of TEST alone.
    """


@layer("DeconvolutionRistretto")
class DeconvolutionRistretto(Trimmed, Deconvolution):
    """A Deconvolution with few bits, as ConvolutionRistretto (deconv_ristretto_layer.cpp, pmgysel/caffe)."""


@layer("FcRistretto")
class FcRistretto(Trimmed, InnerProduct):
    """An InnerProduct with few bits, as ConvolutionRistretto (fc_ristretto_layer.cpp, pmgysel/caffe)."""
