"""A net as an ordinary torch module: state_dict, copies, number types, devices, autograd, export."""
import copy
import io
import warnings

import numpy as np
import pytest
import torch

import deeplandmark.caffe as caffe

NET = """layer { name: "x" type: "Input" top: "x" top: "y" input_param { shape { dim: 4 dim: 2 dim: 8 dim: 8 }
           shape { dim: 4 } } }
layer { name: "conv" type: "LocallySharedConvolution" bottom: "x" top: "conv" local_share_param { p: 2 q: 2 }
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "prelu" type: "PReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" }
layer { name: "fc1" type: "InnerProduct" bottom: "pool" top: "fc1" param { name: "w" } param { lr_mult: 2 }
  inner_product_param { num_output: 36 weight_filler { type: "xavier" } } }
layer { name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2" param { name: "w" } param { lr_mult: 2 }
  inner_product_param { num_output: 36 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc2" bottom: "y" top: "loss" }"""


def make(seed, phase=caffe.TEST):
    caffe.set_random_seed(seed)
    module = caffe.to_torch(NET, phase=phase)
    for statistic in module.norm.blobs[1:]:
        statistic.data.fill_(1)                                  # variance and factor; 0 would blow everything up
    return module


def inputs(dtype=torch.float32):
    rng = np.random.default_rng(0)
    return {"x": torch.from_numpy(rng.standard_normal((4, 2, 8, 8))).to(dtype), "y": torch.tensor([3.0, 0, 35, 7])}


def saved(thing):
    stream = io.BytesIO()
    torch.save(thing, stream)
    stream.seek(0)
    return stream


def test_state_dict_round_trip():
    module, other = make(1), make(2)
    assert module(**inputs())["loss"] != other(**inputs())["loss"]
    assert not other.load_state_dict(torch.load(saved(module.state_dict()), weights_only=True)).missing_keys
    torch.testing.assert_close(other(**inputs()), module(**inputs()), rtol=0, atol=0)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda module: torch.load(saved(module), weights_only=False)])
def test_copies_are_whole_and_apart(again):
    module = make(1)
    expected = module(**inputs())
    other = again(module)
    assert list(other.state_dict()) == list(module.state_dict())
    assert other.fc1.blobs[0] is other.fc2.blobs[0] is not module.fc1.blobs[0]
    with torch.no_grad():
        other.fc1.blobs[0].zero_()
    torch.testing.assert_close(module(**inputs()), expected, rtol=0, atol=0)
    assert other(**inputs())["loss"] != expected["loss"]


def test_number_types():
    module, wide = make(1), make(1).double()
    loss = wide(**inputs(torch.float64))["loss"]
    assert loss.dtype == torch.float64
    torch.testing.assert_close(loss.float(), module(**inputs())["loss"], rtol=1e-5, atol=1e-6)


def test_to_another_device_keeps_shared_parameters():
    devices = ["meta", *(["cuda"] if torch.cuda.is_available() else [])]
    for device in devices:
        module = make(1).to(device)
        assert module.fc1.blobs[0] is module.fc2.blobs[0] and module.fc1.blobs[0].device.type == device
        assert {p.device.type for p in module.graph.params.learnable} == {device}
        found = module(**{name: x.to(device) for name, x in inputs().items()})["loss"]
        assert found.device.type == device
        if device == "cuda":
            torch.testing.assert_close(found.cpu(), make(1)(**inputs())["loss"], rtol=1e-4, atol=1e-5)


def test_autograd_agrees_with_differences():
    module = make(1).double()
    x = inputs(torch.float64)
    weight = module.fc1.blobs[0]
    weight.requires_grad_()                                      # in TEST Caffe asks for no gradient of its own
    loss = module(**x)["loss"]
    gradient, = torch.autograd.grad(loss, weight)
    for place in ((0, 0), (7, 20), (35, 35)):
        losses = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                weight[place] += step
                losses.append(module(**x)["loss"].item())
                weight[place] -= step
        assert gradient[place].item() == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-5, abs=1e-8)


def test_trains_with_a_torch_optimiser():
    module = make(1, caffe.TRAIN)
    optimiser = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.05)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = module(**inputs())["loss"]
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.5 * losses[0]


def test_torch_export():
    module = make(1).requires_grad_(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                          # torch's own, about types to come
        exported = torch.export.export(module, (), inputs()).module()
    torch.testing.assert_close(exported(**inputs())["loss"], module(**inputs())["loss"])
