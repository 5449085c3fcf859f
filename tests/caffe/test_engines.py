"""Forward of a whole net in TEST, by torch's module or ONNX Runtime: blobs are what the layers one by one give."""
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.benchmark.nets import NETS
from deeplandmark.caffe.mode import MODE

NET = """name: "small"
layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv" convolution_param { num_output: 4 kernel_size: 3 pad: 1
  weight_filler { type: "gaussian" std: 0.3 } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true filler { value: 2 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "half" type: "Power" bottom: "pool" top: "half" power_param { scale: 0.5 } }
layer { name: "sum" type: "Eltwise" bottom: "pool" bottom: "half" top: "sum" }
layer { name: "ip" type: "InnerProduct" bottom: "sum" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }"""
BOTH = pytest.mark.parametrize("engine", ["torch", "onnxruntime"])


def make(engine=None, text=NET, phase=caffe.TEST):
    """A net with statistics; without an engine one whose layers run one by one, because somebody watches."""
    net = caffe.Net(text, phase, seed=3, **({"engine": engine} if engine else {}))
    rng = np.random.default_rng(1)
    for layer in net.layers:
        if layer.type == "BatchNorm":
            for blob, start in zip(layer.blobs, (0, 1, 1)):
                blob.data = start + rng.random(blob.shape) * (blob.count > 1)
    if engine is None:
        net.after_forward(lambda index: None)
    return net


def fed(net, seed=0):
    name = net.inputs[0]
    net.blobs[name].data = np.random.default_rng(seed).standard_normal(net.blobs[name].shape)
    return net


def assert_same(net, other, names=None):
    for name in names or other.blobs:
        wanted = other.blobs[name].data
        np.testing.assert_allclose(net.blobs[name].data, wanted, atol=1e-5 * max(1, np.abs(wanted).max()), err_msg=name)


@BOTH
@pytest.mark.parametrize("first", ["conv", "pool", "sum", "ip", "x"])
def test_every_blob_in_any_order(engine, first):
    net, other = make(engine), make()
    for seed in range(3):
        for each in (net, other):
            fed(each, seed).forward()
        assert_same(net, other, ["prob"])
        if seed:
            assert_same(net, other, [first])
    assert_same(net, other)


@BOTH
def test_a_view_taken_once_follows_every_forward(engine):
    net, other = make(engine), make()
    view = net.blobs["conv"].data
    for seed in range(2):
        for each in (net, other):
            fed(each, seed).forward()
        np.testing.assert_allclose(view, other.blobs["conv"].data, atol=1e-5)
    assert net.blobs["conv"].data is not view and np.shares_memory(net.blobs["conv"].data, view)


@BOTH
def test_the_next_input_is_not_mixed_into_the_last_forward(engine):
    net, other = fed(make(engine)), fed(make())
    net.forward()
    other.forward()
    fed(net, 7)
    assert_same(net, other, ["conv", "sum"])
    np.testing.assert_array_equal(net.blobs["x"].data, fed(make(), 7).blobs["x"].data)
    net.forward()
    fed(other, 7).forward()
    assert_same(net, other)


@BOTH
def test_weights_that_change(engine, tmp_path):
    net, other, third = make(engine), make(), make()
    view = net.params["ip"][0].data
    changes = [
        lambda n: n.params["conv"][0].data.__imul__(2), lambda n: n.params["scale"][1].data.fill(0.3),
        lambda n: setattr(n.params["ip"][1], "data", np.arange(5)), lambda n: n.copy_from(third.to_proto()),
        lambda n: n.params["ip"][0].reshape(5, 80)]
    for change in changes:
        change(net)
        change(other)
        fed(net).forward()
        fed(other).forward()
        assert_same(net, other, ["prob"])
    view *= -1                                                   # a view of long ago
    other.params["ip"][0].data *= -1
    net.forward()
    other.forward()
    assert_same(net, other, ["prob"])
    net.share_with(third)
    third.params["ip"][0].data *= 3
    net.forward()
    fed(third).forward()
    assert_same(net, third, ["prob"])


@BOTH
def test_other_shapes(engine):
    net, other = make(engine, NET.split('layer { name: "ip"')[0]), make(None, NET.split('layer { name: "ip"')[0])
    for shape in ((1, 3, 12, 7), (3, 3, 9, 8), (1, 3, 12, 7)):
        for each, reshapes in ((net, shape[0] == 3), (other, True)):
            each.blobs["x"].reshape(*shape)
            if reshapes:
                each.reshape()
            fed(each).forward()
        assert_same(net, other, ["sum"])
    assert_same(net, other)


@BOTH
@pytest.mark.parametrize("looks", [[], ["conv"], ["x", "ip"]])
def test_backward_behind_it(engine, looks):
    """Also of layers in place, whose bottom is no longer there."""
    net, other = (make(each, "force_backward: true " + NET) for each in (engine, None))
    for seed in range(2):
        for each in (net, other):
            fed(each, seed).forward()
            for name in looks:
                each.blobs[name].data.sum()
            each.blobs["prob"].diff = np.random.default_rng(4).standard_normal((2, 5))
            each.backward()
        np.testing.assert_allclose(net.blobs["x"].diff, other.blobs["x"].diff, atol=1e-5)
    np.testing.assert_allclose(net.params["conv"][0].diff, other.params["conv"][0].diff, atol=1e-4)


@BOTH
def test_parts_and_further_blobs(engine):
    net, other = fed(make(engine)), fed(make())
    wanted = other.forward(blobs=["pool", "conv"])
    found = net.forward(blobs=["pool", "conv"])
    for name in ("pool", "conv", "prob"):
        np.testing.assert_allclose(found[name], wanted[name], atol=1e-5)
    net, rng = fed(make(engine)), np.random.default_rng(8)
    net.forward()
    for each in (net, other):
        each.blobs["sum"].data = np.random.default_rng(8).standard_normal((2, 4, 5, 4))
    np.testing.assert_allclose(net.forward(start="ip")["prob"], other.forward(start="ip")["prob"], atol=1e-5)
    rows = rng.standard_normal((5, 3, 9, 8))
    np.testing.assert_allclose(make(engine).forward_all(x=rows)["prob"], make().forward_all(x=rows)["prob"], atol=1e-5)


def test_a_layer_that_writes_into_the_input():
    net = fed(caffe.Net(NET.split('layer { name: "conv"')[0] + 'layer { name: "r" type: "ReLU" bottom: "x" top: "x" }',
                        caffe.TEST))
    wanted = np.maximum(net.blobs["x"].data, 0)
    np.testing.assert_array_equal(net.forward()["x"], wanted)


def test_layers_with_a_state_run_once():
    """An LSTM goes on from its last step: it may not run twice for one forward."""
    text = """layer { name: "in" type: "Input" top: "x" top: "cont" input_param { shape { dim: 2 dim: 3 dim: 4 }
        shape { dim: 2 dim: 3 } } } layer { name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "h"
        recurrent_param { num_output: 3 weight_filler { type: "gaussian" } } }
        layer { name: "y" type: "TanH" bottom: "h" top: "y" }"""
    net, other = fed(make("torch", text)), fed(make(None, text))
    for each in (net, other):
        each.blobs["cont"].data = 1
    for _ in range(3):
        net.forward()
        other.forward()
        assert_same(net, other, ["h", "y"])


@pytest.mark.parametrize("change, phase, reason", [
    (lambda text: text, caffe.TRAIN, "nets in TEST"),
    (lambda text: text.replace('"Softmax" bottom: "ip"', '"SoftmaxWithLoss" bottom: "ip" bottom: "half"'), caffe.TEST,
     "labels of shape|no data layers, losses"),
    (lambda text: text.replace('type: "Power"', 'type: "Python" python_param { module: "math" layer: "L" }'),
     caffe.TEST, "math")])
def test_nets_that_onnx_runtime_cannot_run(change, phase, reason):
    with pytest.raises(caffe.NetError, match=reason):
        make("onnxruntime", change(NET), phase)


def test_an_unknown_engine_and_one_for_the_process(monkeypatch):
    with pytest.raises(caffe.NetError, match="unknown engine 'tensorrt' .known: torch, onnxruntime."):
        caffe.Net(NET, caffe.TEST, engine="tensorrt")
    monkeypatch.setattr(MODE, "engine", "torch")
    caffe.set_engine("onnxruntime")
    fast, slow = (fed(caffe.Net(NET, caffe.TEST, seed=3, engine=engine)) for engine in (None, "torch"))
    assert type(fast._fast.engine).__name__ == "OnnxEngine"
    np.testing.assert_allclose(fast.forward()["prob"], slow.forward()["prob"], atol=1e-6)


def test_a_public_net():
    proto = NETS["MobileNetV2"](2, width=16, size=32, classes=7)
    net, other = (fed(make(engine, proto)) for engine in ("onnxruntime", None))
    for each in (net, other):
        each.forward()
    assert_same(net, other, other.outputs)
    assert_same(net, other)
