"""Deconvolution, Im2col, depthwise and many-axis convolutions against plain float64 loops."""
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deeplandmark.caffe as caffe
from deeplandmark.caffe.errors import NetError
from tests.helpers.small_nets import SETTINGS, numerical_gradient, run


def check_gradients(net, shape, seed=1):
    """Diffs of the bottom and of every blob against differences of the output, exact for these linear layers."""
    weights = np.random.default_rng(seed).integers(-3, 4, shape)
    net.blobs["out"].diff = weights
    net.backward()
    for blob in (net.blobs["data"], *net.params.get("op", [])):
        diff = blob.diff.copy()
        np.testing.assert_allclose(diff, numerical_gradient(net, blob, weights), atol=1e-3)


def deconvolved_loop(x, weight, bias, stride, pad, dilation, group):
    """Every cell of the bottom adds its scaled kernel to the padded top; then the padding is cut off."""
    n, channels, *sizes = x.shape
    outputs, kernel = weight.shape[1] * group, weight.shape[2:]
    whole = [stride * (size - 1) + dilation * (k - 1) + 1 for size, k in zip(sizes, kernel)]
    top = np.zeros((n, outputs, *whole))
    for index in np.ndindex(x.shape):
        item, channel, *place = index
        first = channel // (channels // group) * weight.shape[1]
        for output, cell in itertools.product(range(weight.shape[1]), np.ndindex(*kernel)):
            where = tuple(stride * p + dilation * c for p, c in zip(place, cell))
            top[(item, first + output, *where)] += x[index] * weight[(channel, output, *cell)]
    cut = tuple(slice(pad, size - pad) for size in whole)
    return top[(slice(None), slice(None), *cut)] + bias.reshape(-1, *(1,) * len(sizes))


@SETTINGS
@given(st.data())
def test_deconvolution(data):
    group, spatial = data.draw(st.integers(1, 2)), data.draw(st.integers(0, 4))
    channels, outputs = (group * data.draw(st.integers(1, 2)) for _ in range(2))
    kernel, stride, dilation = (data.draw(st.integers(1, 3 if spatial < 3 else 2)) for _ in range(3))
    pad = data.draw(st.integers(0, (dilation * (kernel - 1)) // 2))
    shape = (2, channels, *(data.draw(st.integers(1, 3)) for _ in range(spatial)))
    out, net = run(f"""type: "Deconvolution" convolution_param {{ num_output: {outputs} kernel_size: {kernel}
        stride: {stride} dilation: {dilation} pad: {pad} group: {group} }}""", shape)
    x, (weight, bias) = net.blobs["data"].data, (blob.data for blob in net.params["op"])
    assert weight.shape == (channels, outputs // group, *(kernel,) * spatial)
    expected = deconvolved_loop(x.astype(np.float64), weight, bias, stride, pad, dilation, group)
    np.testing.assert_array_equal(out, expected)
    if net.blobs["data"].count + weight.size < 60:               # each value is moved twice
        check_gradients(net, out.shape)


@SETTINGS
@given(st.data())
def test_convolution_over_any_number_of_axes(data):
    group, spatial, axis = (data.draw(st.integers(*bounds)) for bounds in ((1, 2), (0, 5), (0, 2)))
    channels, outputs = (group * data.draw(st.integers(1, 2)) for _ in range(2))
    kernel, stride, dilation = (data.draw(st.integers(1, 2)) for _ in range(3))
    pad = data.draw(st.integers(0, 1))
    reach = dilation * (kernel - 1) + 1
    lead, sizes = (2,) * axis, [data.draw(st.integers(max(1, reach - 2 * pad), 3)) for _ in range(spatial)]
    out, net = run(f"""type: "Convolution" convolution_param {{ axis: {axis} num_output: {outputs}
        kernel_size: {kernel} stride: {stride} dilation: {dilation} pad: {pad} group: {group} }}""",
                   (*lead, channels, *sizes))
    x, (weight, bias) = net.blobs["data"].data.astype(np.float64), (blob.data for blob in net.params["op"])
    x = np.pad(x.reshape(-1, channels, *sizes), ((0, 0), (0, 0), *((pad, pad),) * spatial))
    top = out.reshape(-1, outputs, *out.shape[axis + 1:])
    for n, o, *place in np.ndindex(top.shape):
        first = o // (outputs // group) * (channels // group)
        steps = tuple(slice(stride * p, stride * p + reach, dilation) for p in place)
        window = x[(n, slice(first, first + channels // group), *steps)]
        assert top[(n, o, *place)] == (window * weight[o]).sum() + bias[o]
    if net.blobs["data"].count + weight.size < 60:
        check_gradients(net, out.shape)


@SETTINGS
@given(st.data())
def test_im2col(data):
    spatial, channels = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))
    kernel, stride, dilation = (data.draw(st.integers(1, 3)) for _ in range(3))
    pad = data.draw(st.integers(0, 2))
    reach = dilation * (kernel - 1) + 1
    sizes = [data.draw(st.integers(max(1, reach - 2 * pad), 7)) for _ in range(spatial)]
    out, net = run(f"""type: "Im2col" convolution_param {{ kernel_size: {kernel} stride: {stride}
        dilation: {dilation} pad: {pad} }}""", (2, channels, *sizes))
    x = np.pad(net.blobs["data"].data, ((0, 0), (0, 0), *((pad, pad),) * spatial))
    rows = out.reshape(2, channels, *(kernel,) * spatial, *out.shape[2:])
    for cell in np.ndindex(*(kernel,) * spatial):
        steps = tuple(slice(dilation * c, dilation * c + stride * (n - 1) + 1, stride)
                      for c, n in zip(cell, out.shape[2:]))
        np.testing.assert_array_equal(rows[(slice(None), slice(None), *cell)], x[(slice(None), slice(None), *steps)])


@pytest.mark.parametrize("layer, outputs", [("ConvolutionDepthwise", 3), ("DepthwiseConvolution", 6)])
def test_depthwise(layer, outputs):
    text = "kernel_size: 3 stride: 2 pad: 1 }"
    out, net = run(f'type: "{layer}" convolution_param {{ num_output: {outputs} group: 3 {text}', (2, 3, 7, 6))
    assert net.params["op"][0].data.shape == (outputs, 1, 3, 3)
    plain, _ = run(f'type: "Convolution" convolution_param {{ num_output: {outputs} group: 3 {text}', (2, 3, 7, 6))
    np.testing.assert_array_equal(out, plain)
    check_gradients(net, out.shape)


def test_one_forks_depthwise_layer_needs_neither_num_output_nor_group():
    out, net = run('type: "ConvolutionDepthwise" convolution_param { kernel_h: 1 kernel_w: 3 pad_h: 0 pad_w: 1 }',
                   (1, 4, 5, 5))
    assert out.shape == (1, 4, 5, 5) and net.params["op"][1].data.shape == (4,)


@pytest.mark.parametrize("definition, shape, reason", [
    ('type: "DepthwiseConvolution" convolution_param { num_output: 4 kernel_size: 1 }', (1, 4, 3, 3),
     "group must be the number of channels, 4; found 1"),
    ('type: "ConvolutionDepthwise" convolution_param { kernel_size: 1 }', (1, 4, 3), "found 1 spatial axes"),
    ('type: "Deconvolution" convolution_param { num_output: 1 kernel_size: 2 pad: 1 }', (1, 1, 1, 3),
     "pad (1, 1) takes all of the top away"),
    ('type: "Deconvolution" convolution_param { num_output: 3 kernel_size: 2 group: 2 }', (1, 2, 3, 3),
     "multiples of group 2"),
    ('type: "Convolution" convolution_param { num_output: 1 kernel_size: 2 kernel_size: 3 }', (1, 2, 3, 3, 3),
     "2 kernel_size for 3 spatial axes"),
    ('type: "Im2col" convolution_param { kernel_size: 2 }', (2, 3), "at least 1 spatial axis"),
    ('type: "Im2col" convolution_param { kernel_size: 4 }', (2, 3, 5, 3), "larger than the bottom"),
])
def test_refused(definition, shape, reason):
    with pytest.raises(NetError) as caught:
        run(definition, shape)
    assert reason in str(caught.value) and "layer 'op'" in str(caught.value)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(1, 3), st.integers(0, 1))
def test_batch_and_size_may_change(kernel, pad):
    _, net = run(f"""type: "Deconvolution" convolution_param {{ num_output: 2 kernel_size: {kernel + 2 * pad}
        stride: 2 pad: {pad} }}""", (2, 1, 4, 4))
    net.blobs["data"].reshape(1, 1, 3, 5)
    net.blobs["data"].data = 1
    assert net.forward()["out"].shape == (1, 2, 4 + kernel, 8 + kernel)


def test_bilinear_upsampling_of_a_constant_is_the_constant():
    """What people use Deconvolution for: factor 2, kernel 4, pad 1; borders aside, weights of a cell sum to 1."""
    net = caffe.Net("""layer { name: "data" type: "Input" top: "data"
          input_param { shape { dim: 1 dim: 1 dim: 5 dim: 5 } } }
        layer { name: "op" type: "Deconvolution" bottom: "data" top: "out" convolution_param { num_output: 1
          kernel_size: 4 stride: 2 pad: 1 bias_term: false weight_filler { type: "bilinear" } } }""", caffe.TEST)
    net.blobs["data"].data = 3
    np.testing.assert_allclose(net.forward()["out"][0, 0, 1:-1, 1:-1], 3)
