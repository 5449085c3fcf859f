"""Net as pycaffe users know it: blobs, ranges of layers, whole-graph runs, sharing."""
import copy

import numpy as np
import pytest
import torch

import deeplandmark.caffe as caffe

NET = """
name: "small" force_backward: true
layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 4 dim: 6 } shape { dim: 4 dim: 3 } } }
layer { name: "fc1" type: "InnerProduct" bottom: "data" top: "fc1"
  param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "fc1" top: "fc1" }
layer { name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "aux" type: "Power" bottom: "fc1" top: "aux" power_param { power: 2 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "fc2" bottom: "label" top: "loss" loss_weight: 0.5 }
"""


@pytest.fixture
def net():
    net = caffe.Net(NET, caffe.TRAIN, seed=0)
    rng = np.random.default_rng(0)
    net.blobs["data"].data[...] = rng.standard_normal((4, 6))
    net.blobs["label"].data[...] = rng.standard_normal((4, 3))
    return net


def test_names(net):
    assert net._layer_names == ["data", "fc1", "relu1", "fc1_relu1_0_split", "fc2", "aux", "loss"]
    assert list(net.blobs) == ["data", "label", "fc1", "fc1_relu1_0_split_0", "fc1_relu1_0_split_1", "fc2", "aux",
                               "loss"]
    assert net.inputs == ["data", "label"] and net.outputs == ["aux", "loss"]
    assert net.bottom_names["fc2"] == ["fc1_relu1_0_split_0"] and net.top_names["relu1"] == ["fc1"]
    assert list(net.params) == ["fc1", "fc2"] and net.params["fc1"][0].shape == (5, 6)
    assert net.layers[1].type == "InnerProduct" and len(net.layer_dict["fc1"].blobs) == 2
    assert (net.params_lr, net.params_weight_decay) == ([1, 2, 1, 1], [1, 0, 1, 1])
    assert net.output_loss_weights == [0, 0.5]
    fc1 = net.blobs["fc1"]
    assert (fc1.num, fc1.channels, fc1.height, fc1.width, fc1.count) == (4, 5, 1, 1, 20)


def test_views_share_memory(net):
    view, weight = net.blobs["fc2"].data, net.params["fc2"][0].data
    net.forward()
    assert view.any()
    weight[...] = 0
    net.params["fc2"][1].data = [1, 2, 3]
    net.forward()
    np.testing.assert_array_equal(view, [[1, 2, 3]] * 4)


def test_range_of_layers(net):
    whole = {name: array.copy() for name, array in net.forward(blobs=["fc2"]).items()}
    assert set(whole) == {"aux", "loss", "fc2"}
    net.blobs["fc1"].data[...] = 0
    assert not net.forward(start="fc1_relu1_0_split", end="aux")["aux"].any()
    np.testing.assert_array_equal(net.forward(start="fc1")["loss"], whole["loss"])


def test_backward_from_assigned_diffs(net):
    net.forward()
    net.clear_param_diffs()
    net.blobs["fc2"].diff[...] = 1
    found = net.backward(start="fc2", end="fc2")
    weight = net.params["fc2"][0]
    np.testing.assert_allclose(found["fc1_relu1_0_split_0"], np.tile(weight.data.sum(0), (4, 1)), rtol=1e-5)
    np.testing.assert_allclose(net.params["fc2"][1].diff, [4, 4, 4])
    net.backward(start="fc2", end="fc2")
    np.testing.assert_allclose(net.params["fc2"][1].diff, [8, 8, 8])             # accumulates


def test_whole_graph_agrees_with_layers(net):
    net.clear_param_diffs()
    net.forward()
    net.blobs["aux"].diff[...] = 0
    net.backward()
    layered = [blob.diff.copy() for blobs in net.params.values() for blob in blobs]
    loss = float(net.blobs["loss"].data)
    net.clear_param_diffs()
    assert net.forward_backward() == pytest.approx(0.5 * loss, rel=1e-6)
    for found, expected in zip((p.grad.numpy() for p in net.learnable_params), layered):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    net.forward_backward()
    np.testing.assert_allclose(net.learnable_params[0].grad, 2 * layered[0], rtol=1e-5, atol=1e-7)


def test_blobs_show_the_last_whole_graph_run(net):
    net.forward_backward()
    first = net.blobs["fc2"].data.copy()
    net.blobs["data"].data[...] *= 2
    net.forward_backward()
    assert np.abs(net.blobs["fc2"].data - first).max() > 1e-3
    outputs, loss = net.forward_loss()
    assert set(outputs) == {"aux", "loss"} and loss == pytest.approx(0.5 * float(outputs["loss"]))


def test_new_batch_size(net):
    net.blobs["data"].reshape(7, 6)
    net.blobs["label"].reshape(7, 3)
    net.reshape()
    assert net.blobs["fc2"].shape == (7, 3)
    assert net.forward()["aux"].shape == (7, 5)
    assert net.forward_backward() >= 0


def test_forward_all_pads_the_last_batch(net):
    x = np.random.default_rng(1).standard_normal((10, 6)).astype(np.float32)
    module = caffe.to_torch(net.to_proto())
    found = net.forward_all(blobs=["fc2"], data=x, label=np.zeros((10, 3)))
    assert found["fc2"].shape == (10, 3)
    np.testing.assert_allclose(found["aux"], module(data=torch.from_numpy(x), label=torch.zeros(10, 3))["aux"].detach(),
                               rtol=1e-5)


def test_module_is_an_ordinary_module(net):
    module = caffe.to_torch(NET, phase=caffe.TRAIN)
    assert list(module.state_dict()) == ["fc1.0", "fc1.1", "fc2.0", "fc2.1"]
    module.load_state_dict(net.module.state_dict())
    x = torch.randn(9, 6, requires_grad=True)
    outputs = module(data=x, label=torch.zeros(9, 3))
    outputs["aux"].sum().backward()
    assert x.grad.abs().sum() > 0 and module.fc1.blobs[0].grad is not None


def test_share_with(net):
    other = caffe.Net(NET, caffe.TEST, seed=5)
    other.share_with(net)
    net.params["fc1"][0].data[...] = 3
    assert (other.params["fc1"][0].data == 3).all()
    other.params["fc1"][0].diff[...] = 1
    assert not net.params["fc1"][0].diff.any()


def test_seed_repeats():
    nets = [caffe.Net(NET, caffe.TRAIN, seed=9) for _ in range(2)]
    np.testing.assert_array_equal(nets[0].params["fc1"][0].data, nets[1].params["fc1"][0].data)
    for _ in range(2):
        caffe.set_random_seed(4)
        nets.append(caffe.Net(NET, caffe.TRAIN))
    np.testing.assert_array_equal(nets[2].params["fc1"][0].data, nets[3].params["fc1"][0].data)


def test_shared_params_accumulate_in_the_owner():
    net = caffe.Net("""
        layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 2 dim: 2 dim: 8 } } }
        layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" } param { name: "b" lr_mult: 0 }
          inner_product_param { num_output: 2 axis: 2 } }
        layer { name: "c" type: "InnerProduct" bottom: "a" top: "c"
          param { name: "w" share_mode: PERMISSIVE } inner_product_param { num_output: 4 bias_term: false } }
        layer { name: "sum" type: "Power" bottom: "c" top: "sum" loss_weight: 1 }""", caffe.TRAIN)
    assert len(net.learnable_params) == 2 and net.params_lr == [1, 0]
    assert net.params["a"][0].shape == (2, 8) and net.params["c"][0].shape == (4, 4)
    net.params["c"][0].data = np.eye(4)
    np.testing.assert_array_equal(net.params["a"][0].data, np.eye(4).reshape(2, 8))
    net.blobs["x"].data = np.arange(32).reshape(2, 2, 8)
    net.forward_backward()
    np.testing.assert_array_equal(net.params["a"][0].diff.reshape(4, 4), net.params["c"][0].diff)
    assert net.params["a"][0].diff.any() and not net.params["a"][1].diff.any()   # lr_mult 0


def test_propagate_down_false_stops_the_gradient():
    net = caffe.Net("""
        layer { name: "data" type: "Input" top: "x" top: "y" input_param { shape { dim: 2 dim: 4 } } }
        layer { name: "a" type: "InnerProduct" bottom: "x" top: "a"
          inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
        layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" propagate_down: false
          inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
        layer { name: "loss" type: "EuclideanLoss" bottom: "b" bottom: "y" }""", caffe.TRAIN, seed=0)
    assert net.outputs == []                                                     # an automatic top is none
    net.blobs["x"].data = np.ones((2, 4))
    assert net.forward_backward() > 0
    assert not net.params["a"][0].diff.any() and net.params["b"][0].diff.any()
    net.clear_param_diffs()
    net.forward()
    net.backward()
    assert not net.params["a"][0].diff.any() and net.params["b"][0].diff.any()


def test_memory_data():
    net = caffe.Net("""layer { name: "m" type: "MemoryData" top: "data" top: "landmark"
        memory_data_param { batch_size: 2 channels: 1 height: 3 width: 3 } transform_param { scale: 0.00390625 } }""",
                    caffe.TEST)
    with pytest.raises(caffe.NetError, match="set_input_arrays"):
        net.forward()
    data = np.arange(36, dtype=np.float32).reshape(4, 1, 3, 3)
    net.set_input_arrays(data, np.arange(4))
    np.testing.assert_array_equal(net.forward()["data"], data[:2])
    np.testing.assert_array_equal(net.forward()["data"], data[2:])
    with pytest.raises(caffe.NetError, match="multiple of batch_size 2"):
        net.set_input_arrays(data[:3], np.arange(3))
    module = caffe.to_torch(net.to_proto())
    assert list(module(data=torch.ones(5, 1, 3, 3))) == ["data"]                 # landmark was not given


def test_clearing_diffs_keeps_the_last_run_and_replaced_buffers(net):
    net.forward_backward()
    net.learnable_params[0].grad = torch.ones_like(net.learnable_params[0])      # as StackedNets does
    net.clear_param_diffs()
    assert not net.params["fc1"][0].diff.any() and net.blobs["fc2"].data.any()
    net.forward_backward()
    kept = net.blobs["fc2"].data.copy()
    net.to_proto()
    np.testing.assert_array_equal(net.blobs["fc2"].data, kept)


def test_module_can_be_copied(net):
    module = copy.deepcopy(net.module)
    module.fc1.blobs[0].data.zero_()
    assert net.params["fc1"][0].data.any()
    x = torch.ones(2, 6)
    assert not module(data=x, label=torch.zeros(2, 3))["aux"].any()
