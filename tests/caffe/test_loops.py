"""Convolution, Pooling and InnerProduct against plain float64 loops, on shapes that hypothesis makes up."""
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import deeplandmark.caffe as caffe
from deeplandmark.caffe.errors import NetError
from tests.helpers.small_nets import SETTINGS, numerical_gradient, run


@SETTINGS
@given(st.data())
def test_convolution(data):
    group = data.draw(st.integers(1, 2))
    channels, outputs = (group * data.draw(st.integers(1, 2)) for _ in range(2))
    kernel, stride, dilation = (data.draw(st.integers(1, 3)) for _ in range(3))
    pad = data.draw(st.integers(0, 2))
    reach = dilation * (kernel - 1) + 1
    height, width = (data.draw(st.integers(max(1, reach - 2 * pad), 7)) for _ in range(2))
    shape = (2, channels, height, width)
    out, net = run(f"""type: "Convolution" convolution_param {{ num_output: {outputs} kernel_size: {kernel}
        stride: {stride} dilation: {dilation} pad: {pad} group: {group} }}""", shape)
    x, (weight, bias) = net.blobs["data"].data, (blob.data for blob in net.params["op"])
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    expected = np.zeros(out.shape)
    for n, o, i, j in np.ndindex(expected.shape):
        first = o // (outputs // group) * (channels // group)
        window = padded[n, first:first + channels // group, i * stride:, j * stride:][
            :, :reach:dilation, :reach:dilation]
        expected[n, o, i, j] = (window * weight[o]).sum() + bias[o]
    np.testing.assert_array_equal(out, expected)


def pooled_loop(x, kernel, stride, pad, pooled, largest):
    """Top and, for MAX, the positions of the winners: pooling_layer.cpp written as loops."""
    top, winners = np.zeros((*x.shape[:2], *pooled)), np.zeros((*x.shape[:2], *pooled), int)
    height, width = x.shape[2:]
    for n, c, i, j in np.ndindex(top.shape):
        top_, left = i * stride - pad, j * stride - pad
        bottom, right = min(top_ + kernel, height + pad), min(left + kernel, width + pad)
        size = (bottom - top_) * (right - left)
        cells = [(x[n, c, h, w], h * width + w) for h in range(max(top_, 0), min(bottom, height))
                 for w in range(max(left, 0), min(right, width))]
        if largest:
            best = max(value for value, _ in cells)
            top[n, c, i, j], winners[n, c, i, j] = next(cell for cell in cells if cell[0] == best)
        else:
            top[n, c, i, j] = sum(value for value, _ in cells) / size
    return top, winners


@SETTINGS
@given(st.data())
def test_pooling(data):
    kernel = data.draw(st.integers(1, 4))
    stride = data.draw(st.integers(1, kernel))                     # windows without any cell: see test_empty_window
    pad = data.draw(st.integers(0, kernel - 1))
    height, width = (data.draw(st.integers(kernel, 9)) for _ in range(2))
    largest = data.draw(st.booleans())
    out, net = run(f"""type: "Pooling" pooling_param {{ pool: {"MAX" if largest else "AVE"} kernel_size: {kernel}
        stride: {stride} pad: {pad} }}""", (2, 2, height, width))
    x = net.blobs["data"].data
    expected, winners = pooled_loop(x.astype(np.float64), kernel, stride, pad, out.shape[2:], largest)
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-6)
    if largest:
        weights = np.random.default_rng(1).integers(-3, 4, out.shape)
        diff = np.zeros((2, 2, height * width))
        for place in np.ndindex(out.shape):
            diff[place[0], place[1], winners[place]] += weights[place]
        net.blobs["out"].diff = weights
        np.testing.assert_array_equal(net.backward()["data"], diff.reshape(x.shape))


def test_empty_window():
    """Without padding Caffe keeps a last window beyond the bottom: 5 wide, kernel 1, stride 3 gives 3."""
    out, _ = run('type: "Pooling" pooling_param { kernel_size: 1 stride: 3 }', (1, 1, 5, 5))
    assert out.shape == (1, 1, 3, 3)
    assert out[0, 0, 2, 2] == -np.finfo(np.float32).max


@SETTINGS
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.integers(1, 4), st.booleans(), st.data())
def test_inner_product(shape, outputs, transpose, data):
    axis = data.draw(st.integers(1, len(shape) - 1))
    out, net = run(f"""type: "InnerProduct" inner_product_param {{ num_output: {outputs} axis: {axis}
        transpose: {str(transpose).lower()} }}""", tuple(shape))
    weight, bias = (blob.data.astype(np.float64) for blob in net.params["op"])
    rows = net.blobs["data"].data.reshape(*shape[:axis], -1)
    expected = np.einsum("...k,ko->...o", rows, weight if transpose else weight.T) + bias
    np.testing.assert_array_equal(out, expected)


@SETTINGS
@given(st.data())
@pytest.mark.slow
def test_locally_shared_convolution(data):
    p, q, rows, columns, kernel = (data.draw(st.integers(1, 3)) for _ in range(5))
    channels, outputs = (data.draw(st.integers(1, 2)) for _ in range(2))
    shape = (2, channels, p * rows + kernel - 1, q * columns + kernel - 1)
    out, net = run(f"""type: "LocallySharedConvolution" local_share_param {{ p: {p} q: {q} }}
        convolution_param {{ num_output: {outputs} kernel_size: {kernel} }}""", shape)
    x, (weight, bias) = net.blobs["data"].data, (blob.data for blob in net.params["op"])
    assert weight.shape == (p * q * outputs, channels, kernel, kernel)
    expected = np.zeros((2, outputs, p * rows, q * columns))
    for n, t, i, j in np.ndindex(expected.shape):
        place = (i // rows * q + j // columns) * outputs + t
        expected[n, t, i, j] = (x[n, :, i:i + kernel, j:j + kernel] * weight[place]).sum() + bias[place]
    np.testing.assert_array_equal(out, expected)
    weights = np.random.default_rng(1).integers(-3, 4, out.shape)
    net.blobs["out"].diff = weights
    net.backward()
    for blob in (net.blobs["data"], *net.params["op"]):
        diff = blob.diff.copy()
        np.testing.assert_allclose(diff, numerical_gradient(net, blob, weights), atol=1e-4)


@SETTINGS
@given(st.data())
def test_locally_shared_scale(data):
    p, q, rows, columns, channels = (data.draw(st.integers(1, 3)) for _ in range(5))
    out, net = run(f'type: "LocallySharedScale" local_share_param {{ p: {p} q: {q} }}',
                   (2, channels, p * rows, q * columns))
    x, (gain, bias) = net.blobs["data"].data, (blob.data for blob in net.params["op"])
    for n, t, i, j in np.ndindex(out.shape):
        place = (i // rows * q + j // columns) * channels + t
        assert out[n, t, i, j] == x[n, t, i, j] * gain[place] + bias[place]
    weights = np.random.default_rng(1).integers(-3, 4, out.shape)
    net.blobs["out"].diff = weights
    net.backward()
    for blob in (net.blobs["data"], *net.params["op"]):
        diff = blob.diff.copy()
        np.testing.assert_allclose(diff, numerical_gradient(net, blob, weights), atol=1e-4)


def test_one_region_is_a_convolution():
    settings_ = "convolution_param { num_output: 3 kernel_size: 2 }"
    plain, _ = run(f'type: "Convolution" {settings_}', (2, 2, 5, 6))
    shared, _ = run(f'type: "LocallySharedConvolution" {settings_}', (2, 2, 5, 6))
    np.testing.assert_array_equal(plain, shared)


@pytest.mark.parametrize("kernel, reason", [
    (2, "a map of 4 x 5 does not divide evenly into 2 x 3 regions"),
    (6, "its kernel of 6 x 6 is larger than the map of 5 x 6")])
def test_maps_that_do_not_suit_are_refused(kernel, reason):
    with pytest.raises(NetError, match=f"layer 'op': {reason}"):
        run(f"""type: "LocallySharedConvolution" local_share_param {{ p: 2 q: 3 }}
            convolution_param {{ num_output: 2 kernel_size: {kernel} }}""", (1, 1, 5, 6))


def test_channels_last_gives_the_same():
    """The memory format is the caller's choice; results do not depend on it."""
    _, net = run("""type: "LocallySharedConvolution" local_share_param { p: 2 q: 2 }
        convolution_param { num_output: 4 kernel_size: 3 }""", (2, 3, 8, 10))
    x = torch.from_numpy(net.blobs["data"].data.copy())
    plain = net.module(data=x)["out"]
    np.testing.assert_allclose(net.module(data=x.to(memory_format=torch.channels_last))["out"].detach(),
                               plain.detach(), rtol=1e-6)


def test_strided_kernel_of_one_cell_in_a_chain():
    """torch corrupts memory here when the first convolution hands on its channels innermost."""
    net = caffe.Net("""force_backward: true
        layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 2 dim: 1 dim: 7 dim: 7 } } }
        layer { name: "a" type: "Convolution" bottom: "x" top: "a" convolution_param { num_output: 3 kernel_size: 2 } }
        layer { name: "b" type: "Convolution" bottom: "a" top: "b"
          convolution_param { num_output: 3 kernel_size: 1 stride: 2 } }""", caffe.TEST)
    for _ in range(100):
        assert net.forward()["b"].shape == (2, 3, 3, 3)
        net.backward()
