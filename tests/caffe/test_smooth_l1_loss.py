"""SmoothL1Loss against a loop in float64, alone and in a stack."""
import numpy as np
import pytest
import torch

import deeplandmark.caffe as caffe
from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.stacked.nets import StackedNets


def definition(bottoms, sigma, dims="dim: 6 dim: 5"):
    inputs = "".join(f'layer {{ name: "{b}" type: "Input" top: "{b}" input_param {{ shape {{ {dims} }} }} }}'
                     for b in bottoms)
    return "force_backward: true " + inputs + f"""layer {{ name: "l" type: "SmoothL1Loss" top: "loss"
        {' '.join(f'bottom: "{b}"' for b in bottoms)} smooth_l1_loss_param {{ sigma: {sigma} }} }}"""


def by_loop(a, b, sigma, inside=None, outside=None):
    """Loss and gradient to a."""
    total, gradient = 0.0, np.zeros(a.shape)
    for i in np.ndindex(a.shape):
        w_in = 1.0 if inside is None else inside[i]
        w_out = 1.0 if outside is None else outside[i]
        x = w_in * (float(a[i]) - float(b[i]))
        small = abs(x) < 1 / sigma ** 2
        total += w_out * (0.5 * (sigma * x) ** 2 if small else abs(x) - 0.5 / sigma ** 2)
        gradient[i] = w_out * w_in * (sigma ** 2 * x if small else np.sign(x))
    return total / len(a), gradient / len(a)


@pytest.mark.parametrize("sigma", [0.5, 1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_value_and_gradients(sigma, weighted):
    rng = np.random.default_rng(5)
    names = ["a", "b", "inside", "outside"][:4 if weighted else 2]
    values = {name: rng.normal(size=(6, 5)).astype(np.float32) for name in names}
    net = caffe.Net(definition(names, sigma), caffe.TRAIN)
    found = net.forward(**values)["loss"]
    loss, gradient = by_loop(values["a"], values["b"], sigma, values.get("inside"), values.get("outside"))
    assert found == pytest.approx(loss, rel=1e-5)
    net.backward()
    assert np.allclose(net.blobs["a"].diff, gradient, atol=1e-6)
    assert np.allclose(net.blobs["b"].diff, -gradient, atol=1e-6)


def test_what_is_refused():
    with pytest.raises(NetError, match="2 bottoms, or 4"):
        caffe.Net(definition(["a", "b", "c"], 1), caffe.TRAIN)
    with pytest.raises(NetError, match="sigma must be above 0"):
        caffe.Net(definition(["a", "b"], 0), caffe.TRAIN)


def test_a_stack_has_the_losses_of_its_nets(tmp_path):
    import h5py
    rng = np.random.default_rng(6)
    nets = []
    for g in range(3):
        with h5py.File(tmp_path / f"{g}.h5", "w") as file:
            file["data"], file["landmark"] = rng.normal(size=(8, 4)), rng.normal(size=(8, 2))
        (tmp_path / f"{g}.txt").write_text(str(tmp_path / f"{g}.h5"))
        nets.append(caffe.Net(f"""
            layer {{ name: "data" type: "HDF5Data" top: "data" top: "landmark"
                     hdf5_data_param {{ source: "{tmp_path / f'{g}.txt'}" batch_size: 8 }} }}
            layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
                     inner_product_param {{ num_output: 2 weight_filler {{ type: "xavier" }} }} }}
            layer {{ name: "loss" type: "SmoothL1Loss" bottom: "fc" bottom: "landmark" top: "loss"
                     smooth_l1_loss_param {{ sigma: 1.5 }} }}""", caffe.TRAIN, seed=g))
    alone = [float(net.forward()["loss"]) for net in nets]
    for net in nets:
        net.clear_param_diffs()
        net.backward()
    diffs = [net.params["fc"][0].diff.copy() for net in nets]
    stack = StackedNets(nets)
    stack.clear_param_diffs()
    assert np.allclose(stack.forward_backward(), alone, rtol=1e-5)
    assert np.allclose(torch.stack([p.grad for p in [stack.params[0]]])[0], diffs, atol=1e-6)
