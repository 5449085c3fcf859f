"""VisibleTarget: losses that never see the values that are not known, against loops over those that are."""
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.stacked.nets import StackedNets

LOSSES = {"EuclideanLoss": "", "SmoothL1Loss": "smooth_l1_loss_param { sigma: 2 }"}


def definition(loss, shapes=((6, 4), (6, 4))):
    inputs = "".join(f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ '
                     f'{" ".join(f"dim: {n}" for n in shape)} }} }} }}' for name, shape in zip("ab", shapes))
    return f"""force_backward: true {inputs}
        layer {{ name: "t" type: "VisibleTarget" bottom: "a" bottom: "b" top: "t" }}
        layer {{ name: "l" type: "{loss}" bottom: "a" bottom: "t" top: "loss" {LOSSES.get(loss, "")} }}"""


def one(loss, x):
    """Loss of one difference, and its slope."""
    if loss == "EuclideanLoss":
        return x * x / 2, x
    return (2 * x * x, 4 * x) if abs(x) < 0.25 else (abs(x) - 0.125, np.sign(x))


@pytest.mark.parametrize("loss", LOSSES)
def test_value_and_gradient_of_what_is_known(loss):
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 6, 4)).astype(np.float32)
    b[rng.random((6, 4)) < 0.4] = np.nan
    total, gradient = 0.0, np.zeros((6, 4))
    for i in np.ndindex(6, 4):
        if not np.isnan(b[i]):
            value, slope = one(loss, float(a[i]) - float(b[i]))
            total, gradient[i] = total + value / 6, slope / 6
    net = caffe.Net(definition(loss), caffe.TRAIN)
    assert float(net.forward(a=a, b=b)["loss"]) == pytest.approx(total, rel=1e-5)
    net.backward()
    assert np.allclose(net.blobs["a"].diff, gradient, atol=1e-6) and 0.2 < np.isnan(b).mean() < 0.6


def test_shapes_must_fit():
    with pytest.raises(NetError, match="prediction and target differ in size"):
        caffe.Net(definition("EuclideanLoss", ((6, 4), (6, 3))), caffe.TRAIN)


def test_a_stack_has_the_losses_of_its_nets(tmp_path):
    import h5py
    rng, nets = np.random.default_rng(6), []
    for g in range(3):
        labels = rng.normal(size=(8, 4))
        labels[rng.random((8, 4)) < 0.3] = np.nan
        with h5py.File(tmp_path / f"{g}.h5", "w") as file:
            file["data"], file["landmark"] = rng.normal(size=(8, 5)), labels
        (tmp_path / f"{g}.txt").write_text(str(tmp_path / f"{g}.h5"))
        text = f"""layer {{ name: "data" type: "HDF5Data" top: "data" top: "landmark"
            hdf5_data_param {{ source: "{tmp_path}/{g}.txt" batch_size: 8 }} }}
            layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param {{ num_output: 4
                weight_filler {{ type: "xavier" }} }} }}
            layer {{ name: "t" type: "VisibleTarget" bottom: "fc" bottom: "landmark" top: "t" }}
            layer {{ name: "l" type: "SmoothL1Loss" bottom: "fc" bottom: "t" top: "loss"
                smooth_l1_loss_param {{ sigma: 2 }} }}"""
        nets.append([caffe.Net(text, caffe.TRAIN, seed=g) for _ in range(2)])
    losses = StackedNets([net for net, _ in nets]).forward_backward()
    expected = [net.forward_backward() for _, net in nets]
    assert losses.tolist() == pytest.approx(expected, rel=1e-5) and np.isfinite(expected).all()
    for net, other in nets:
        for p, q in zip(net.learnable_params, other.learnable_params):
            assert np.allclose(p.grad, q.grad, rtol=1e-4, atol=1e-6)
