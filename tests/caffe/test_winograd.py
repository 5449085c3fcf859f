"""Winograd's convolutions: torch's own in float64 is the truth."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deeplandmark.caffe as caffe
from deeplandmark.caffe.layers import winograd

NET = """
input: "data" input_shape {{ dim: {n} dim: 64 dim: {height} dim: {width} }}
layer {{ name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param {{ num_output: 128 kernel_size: 3 {pad}
  weight_filler {{ type: "msra" }} bias_filler {{ type: "uniform" min: -1 max: 1 }} }} }}
layer {{ name: "r" type: "ReLU" bottom: "a" top: "a" }}
layer {{ name: "b" type: "Convolution" bottom: "a" top: "b" convolution_param {{ num_output: 64 kernel_size: 3 pad: 1
  weight_filler {{ type: "msra" }} }} }}
"""


def net(n=2, height=22, width=17, pad="pad: 1"):
    return caffe.Net(NET.format(n=n, height=height, width=width, pad=pad), caffe.TEST, seed=3)


def truth(net, data, pad=(1, 1)):
    """What the net answers, in float64."""
    a, b = (([torch.from_numpy(blob.data.copy()).double() for blob in net.params[name]]) for name in "ab")
    x = F.relu(F.conv2d(torch.from_numpy(data).double(), *a, padding=pad))
    return F.conv2d(x, *b, padding=1).numpy()


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


@pytest.fixture
def anywhere(monkeypatch):
    """As on a processor where it pays; returns how many convolutions were computed so."""
    count, convolve = [0], winograd.convolve

    def counted(*arguments):
        found = convolve(*arguments)
        count[0] += found is not None
        return found
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(winograd, "convolve", counted)
    return count


@pytest.fixture(autouse=True)
def small_ones_too(monkeypatch):
    monkeypatch.setattr(winograd, "_LEAST_PRODUCTS", 0)


@given(st.integers(1, 3), st.integers(9, 40), st.integers(9, 40), st.tuples(*[st.integers(0, 3)] * 2), st.booleans(),
       st.integers(0, 2 ** 16))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_size_and_padding(n, height, width, pad, biased, seed):
    x, weight, bias = (torch.from_numpy(noise(shape, seed + i))
                       for i, shape in enumerate([(n, 5, height, width), (7, 5, 3, 3), (7,)]))
    found = winograd.convolve(x.contiguous(memory_format=torch.channels_last), winograd.transformed(weight),
                              bias if biased else None, pad)
    wanted = F.conv2d(x.double(), weight.double(), bias.double() if biased else None, padding=pad)
    if found is None:
        assert n * -(-wanted.shape[2] // 4) * -(-wanted.shape[3] // 4) < 16
        return
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_not_a_number_stays_within_its_tile():
    """As with OpenCV: a cell without a value spoils the answers of the tiles that see it, no others."""
    x = torch.zeros(1, 5, 32, 32).contiguous(memory_format=torch.channels_last)
    x[0, 2, 17, 13] = float("nan")
    found = winograd.convolve(x, winograd.transformed(torch.ones(3, 5, 3, 3)), None, (1, 1))
    rows, columns = torch.where(found.isnan().any(1)[0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (16, 19, 12, 15)


@pytest.mark.parametrize("shape", [(1, 22, 17), (3, 16, 16), (1, 60, 90)])
@pytest.mark.parametrize("pad", [(0, 0), (1, 1), (2, 0)])
def test_a_net_computes_so(anywhere, shape, pad):
    wide = net(*shape, pad="pad_h: {} pad_w: {}".format(*pad))
    data = noise(wide.blobs["data"].data.shape)
    found = wide.forward(data=data)["b"]
    wanted = truth(wide, data, pad)
    assert anywhere == [2] and np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()
    assert np.abs(wide.blobs["a"].data).min() == 0               # layer by layer: Caffe's values
    assert anywhere == [2]


def test_new_weights_and_new_shapes_count_at_once(anywhere):
    changing = net()
    data = noise((2, 64, 22, 17))
    first = changing.forward(data=data)["b"].copy()
    changing.params["a"][0].data[...] *= 0.5
    changing.params["a"][1].data[...] *= 0.5
    assert np.allclose(changing.forward(data=data)["b"], first / 2, atol=1e-5 * np.abs(first).max())
    changing.params["b"][0].data[0] = 0
    assert not changing.forward(data=data)["b"][:, 0].any()
    changing.blobs["data"].reshape(1, 64, 30, 30)
    data = noise((1, 64, 30, 30))
    wanted = truth(changing, data)
    assert np.abs(changing.forward(data=data)["b"] - wanted).max() < 1e-5 * np.abs(wanted).max()
    assert anywhere == [8]


@pytest.mark.parametrize("capability", ["DEFAULT", "AVX512"])
def test_other_processors_are_left_alone(monkeypatch, capability):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert not any(winograd.pays(node.layer) for node in net().graph.nodes if node.type == "Convolution")


def test_other_convolutions_are_left_alone(anywhere):
    assert [winograd.pays(node.layer) for node in net().graph.nodes if node.type == "Convolution"] == [True, True]
    for change in ("stride: 2", "dilation: 2", "group: 2", "num_output: 32", "kernel_size: 5"):
        text = NET.format(n=1, height=30, width=30, pad=change)
        if "num_output" in change:
            text = text.replace("num_output: 128 ", "", 1)
        if "kernel_size" in change:
            text = text.replace("kernel_size: 3 ", "", 1)
        layers = [node.layer for node in caffe.Net(text, caffe.TEST).graph.nodes if node.type == "Convolution"]
        assert not winograd.pays(layers[0]), change
