"""Ristretto's layers of few bits, beside loops that take numbers apart as its C++ does."""
import math
import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import deeplandmark.caffe as caffe
from deeplandmark.caffe.errors import ForkFieldWarning
from deeplandmark.caffe.layers.ristretto import fixed_point, minifloat, power_of_2

INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 4 dim: 5 dim: 6 } } }\n'
FILLERS = 'weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "gaussian" std: 0.5 }'
LAYERS = {
    "ConvolutionRistretto": ("Convolution", f"convolution_param {{ num_output: 3 kernel_size: 3 pad: 1 {FILLERS} }}"),
    "DeconvolutionRistretto": ("Deconvolution",
                               f"convolution_param {{ num_output: 3 kernel_size: 2 stride: 2 {FILLERS} }}"),
    "FcRistretto": ("InnerProduct", f"inner_product_param {{ num_output: 3 {FILLERS} }}")}
FIXED = "bw_layer_in: 8 fl_layer_in: 5 bw_layer_out: 8 fl_layer_out: 4 bw_params: 6 fl_params: 4"
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def away(x):
    """C's round."""
    return math.copysign(math.floor(abs(x) + 0.5), x)


def loop_fixed(x, bits, fraction):
    step = 2.0 ** -fraction
    return away(max(min(x, (2 ** (bits - 1) - 1) * step), -2 ** (bits - 1) * step) / step) * step


def loop_minifloat(x, mantissa_bits, exponent_bits):
    word, = struct.unpack("<I", struct.pack("<f", x))
    sign, stored, mantissa = word >> 31, word >> 23 & 255, word & 0x7FFFFF
    bias = 2 ** (exponent_bits - 1) - 1
    exponent = stored - 127 + bias
    if stored == 0 or exponent < 0:
        return 0.0
    if exponent > 2 ** exponent_bits - 1:
        exponent, mantissa = 2 ** exponent_bits - 1, 2 ** mantissa_bits - 1
    else:
        mantissa = away(mantissa / 2 ** (23 - mantissa_bits))
    return (-1) ** sign * (1 + mantissa / 2 ** mantissa_bits) * 2.0 ** (exponent - bias)


def loop_power(x, least, most):
    exponent = away(math.log2(abs(np.float32(x)))) if x else -math.inf
    return (1 if x >= 0 else -1) * 2.0 ** max(min(exponent, most), least)


def trimmed(array, function, *settings):
    return np.array([function(float(x), *settings) for x in array.ravel()]).reshape(array.shape)


def nearest(x):
    return x.sign() * (x.abs() + 0.5).floor()


@settings(max_examples=200, deadline=None)
@given(st.lists(FLOATS, min_size=1, max_size=20), st.integers(1, 32), st.integers(-20, 20), st.integers(0, 23),
       st.integers(1, 8))
def test_numbers_are_trimmed_as_by_the_loops(values, bits, fraction, mantissa_bits, exponent_bits):
    x = np.array(values, np.float32)
    tensor = torch.from_numpy(x)
    np.testing.assert_array_equal(fixed_point(tensor, bits, fraction, nearest).numpy(),
                                  trimmed(x, loop_fixed, bits, fraction).astype(np.float32))
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(minifloat(tensor, mantissa_bits, exponent_bits, nearest).numpy(),
                                      trimmed(x, loop_minifloat, mantissa_bits, exponent_bits).astype(np.float32))


def test_powers_of_two():
    x = np.array([0, 0.3, -0.7, 100, -1e-9, 0.5, 0.70, 0.71], np.float32)
    np.testing.assert_array_equal(power_of_2(torch.from_numpy(x), -8, -1, nearest).numpy(),
                                  trimmed(x, loop_power, -8, -1).astype(np.float32))


@pytest.mark.parametrize("bits, weights, activations", [
    (FIXED, (loop_fixed, 6, 4), ((loop_fixed, 8, 5), (loop_fixed, 8, 4))),
    ("precision: MINIFLOAT mant_bits: 3 exp_bits: 4", (loop_minifloat, 3, 4), ((loop_minifloat, 3, 4),) * 2),
    ("precision: INTEGER_POWER_OF_2_WEIGHTS exp_min: -6 exp_max: -1", (loop_power, -6, -1), None)],
    ids=["fixed", "minifloat", "powers"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_the_whole_one_between_trimmed_numbers(name, bits, weights, activations):
    """In TEST: the plain layer with weights, bottom and top trimmed by the loops."""
    plain, own = LAYERS[name]
    few = caffe.Net(INPUT + f'layer {{ name: "y" type: "{name}" bottom: "x" top: "y" {own} '
                    f'quantization_param {{ {bits} }} }}', caffe.TEST)
    whole = caffe.Net(INPUT + f'layer {{ name: "y" type: "{plain}" bottom: "x" top: "y" {own} }}', caffe.TEST)
    x = np.random.default_rng(7).normal(size=(2, 4, 5, 6)).astype(np.float32)
    for i, (a, b) in enumerate(zip(few.params["y"], whole.params["y"])):
        kept = i == 1 and weights[0] is loop_power               # a bias is not made a power of two
        b.data[...] = a.data if kept else trimmed(a.data, *weights)
    expected = whole.forward(x=trimmed(x, *activations[0]) if activations else x)["y"]
    expected = trimmed(expected, *activations[1]) if activations else expected
    found = few.forward(x=x)["y"]
    # A sum that lies between two steps may fall on either, by its last digit.
    step = np.abs(expected).max() / 8 if activations else 1e-5
    assert np.mean(np.abs(found - expected) > 1e-5) < 0.01 and np.abs(found - expected).max() <= step
    assert np.ptp(found) > step


def test_gradients_are_those_at_the_trimmed_weights():
    """In TRAIN nothing else is trimmed; weights are rounded up and down at random, and on average stay as they are."""
    name, (plain, own) = "ConvolutionRistretto", LAYERS["ConvolutionRistretto"]
    text = 'force_backward: true\n' + INPUT + 'layer { name: "y" bottom: "x" top: "y" type: '
    few = caffe.Net(f'{text} "{name}" {own} quantization_param {{ bw_params: 8 fl_params: 4 }} }}', caffe.TRAIN)
    whole = caffe.Net(f'{text} "{plain}" {own} }}', caffe.TRAIN)
    x = np.random.default_rng(8).normal(size=(2, 4, 5, 6)).astype(np.float32)
    for a, b in zip(few.params["y"], whole.params["y"]):
        a.data[...] = b.data[...] = trimmed(a.data, loop_fixed, 8, 4)       # where rounding has nothing to do
    found, expected = few.forward(x=x)["y"].copy(), whole.forward(x=x)["y"].copy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    for net in (few, whole):
        net.blobs["y"].diff[...] = found
        net.backward()
    for a, b in zip([few.blobs["x"], *few.params["y"]], [whole.blobs["x"], *whole.params["y"]]):
        np.testing.assert_allclose(a.diff, b.diff, rtol=1e-4, atol=1e-5)
    few.params["y"][0].data[...] += 1 / 64
    tops = [few.forward(x=np.ones_like(x))["y"][0, 0, 2, 2] for _ in range(60)]
    whole.params["y"][0].data[...] += 1 / 64
    assert np.std(tops) > 0.01
    assert abs(np.mean(tops) - whole.forward(x=np.ones_like(x))["y"][0, 0, 2, 2]) < 0.1


def test_only_ristrettos_layers_have_few_bits():
    text = INPUT + f'layer {{ name: "y" type: "Convolution" bottom: "x" top: "y" {LAYERS["ConvolutionRistretto"][1]} ' \
                   'quantization_param { bw_params: 2 } }'
    with pytest.warns(ForkFieldWarning, match="quantization_param"):
        caffe.Net(text, caffe.TEST)
    with pytest.raises(caffe.PrototxtError, match="layer 'y'|Layer 'y'"):
        caffe.Net(text, caffe.TEST, strict=True)


@pytest.mark.parametrize("bits", ["bw_params: 0", "fl_layer_in: 100", "precision: MINIFLOAT mant_bits: 24",
                                  "precision: MINIFLOAT exp_bits: 0",
                                  "precision: INTEGER_POWER_OF_2_WEIGHTS exp_min: 3 exp_max: 2"])
def test_bits_that_cannot_be_are_refused(bits):
    with pytest.raises(caffe.NetError, match="y.*quantization_param"):
        caffe.Net(INPUT + f'layer {{ name: "y" type: "FcRistretto" bottom: "x" top: "y" {LAYERS["FcRistretto"][1]} '
                  f'quantization_param {{ {bits} }} }}', caffe.TEST)
