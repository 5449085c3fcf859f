"""What pycaffe's own unit tests ask of a net, in nets of our own."""
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe import layers as L

F4 = np.float32
NET = """force_backward: true
layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 3 dim: 2 dim: 5 dim: 5 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 bias_filler { value: 2 }
    weight_filler { type: "gaussian" std: 1 } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" }
layer { name: "relu" type: "ReLU" bottom: "bn" top: "bn" }
layer { name: "ip" type: "InnerProduct" bottom: "bn" top: "ip" inner_product_param { num_output: 2
  weight_filler { type: "gaussian" std: 1 } } }"""


@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
def test_backward_before_forward_goes_by_what_the_blobs_hold(phase):
    """Nothing has run: the blobs hold zeros or what was written into them, and backward starts from there."""
    net, rng = caffe.Net(NET, phase, seed=0), np.random.default_rng(1)
    before = [blob.data.copy() for blobs in net.params.values() for blob in blobs]
    x, conv, rows, diff = (rng.standard_normal(shape).astype(F4) for shape in (
        (3, 2, 5, 5), (3, 4, 3, 3), (3, 4, 3, 3), (3, 2)))
    for name, values in (("x", x), ("conv", conv), ("bn", rows)):
        net.blobs[name].data = values
    net.blobs["ip"].diff = diff
    net.backward()
    np.testing.assert_allclose(net.params["ip"][0].diff, diff.T @ rows.reshape(3, -1), rtol=1e-5, atol=1e-5)
    for blob, values in zip([blob for blobs in net.params.values() for blob in blobs], before):
        np.testing.assert_array_equal(blob.data, values)
    np.testing.assert_array_equal(net.blobs["conv"].data, conv)
    weights_diff = np.zeros((4, 2, 3, 3))
    for k, c, i, j in np.ndindex(weights_diff.shape):
        weights_diff[k, c, i, j] = (net.blobs["conv"].diff[:, k] * x[:, c, i:i + 3, j:j + 3]).sum()
    np.testing.assert_allclose(net.params["conv"][0].diff, weights_diff, rtol=1e-4, atol=1e-4)


def test_backward_of_a_part_before_any_forward():
    net = caffe.Net(NET, caffe.TEST, seed=0)
    net.blobs["ip"].diff = 1
    assert net.backward(start="ip", end="ip")["bn"].shape == (3, 4, 3, 3)
    np.testing.assert_allclose(net.blobs["bn"].diff[0].ravel(), net.params["ip"][0].data.sum(0), rtol=1e-5)
    net.clear_param_diffs()
    assert all((blob.diff == 0).all() for blobs in net.params.values() for blob in blobs)


def test_type_errors_name_the_input_by_its_position():
    tops = L.DummyData(ntop=2, shape=[dict(dim=[3]), dict(dim=[3])])
    for inputs, place in (([tops], 0), ([tops[0], "x"], 1)):
        with pytest.raises(TypeError) as caught:
            L.Silence(*inputs, ntop=0)
        assert str(caught.value) == f"Silence input {place} is not a Top (type is {type(inputs[place])})"
    L.Silence(*tops, ntop=0)


def test_infogain_takes_no_gradient_from_its_probabilities():
    net = caffe.Net("""force_backward: true
        layer { name: "in" type: "Input" top: "x" top: "label" top: "H" input_param {
          shape { dim: 4 dim: 3 } shape { dim: 4 } shape { dim: 1 dim: 1 dim: 3 dim: 3 } } }
        layer { name: "scale" type: "Scale" bottom: "x" top: "s" scale_param { filler { value: 1 } } }
        layer { name: "loss" type: "InfogainLoss" bottom: "s" bottom: "label" bottom: "H" top: "loss" top: "prob"
          loss_weight: 1 loss_weight: 0 propagate_down: true propagate_down: false propagate_down: false }""",
                    caffe.TRAIN)
    rng = np.random.default_rng(3)
    net.blobs["x"].data, net.blobs["H"].data = rng.standard_normal((4, 3)), rng.random((1, 1, 3, 3))
    net.blobs["label"].data = [0, 2, 1, 2]
    net.forward()
    diffs = []
    for value in (0, 7):
        net.blobs["prob"].diff = value * rng.standard_normal((4, 3))
        net.backward(start="loss", end="loss")
        diffs.append(net.blobs["s"].diff.copy())
    assert np.abs(diffs[0]).max() > 0.01
    np.testing.assert_array_equal(*diffs)
