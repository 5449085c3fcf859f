"""Nets run as one stack learn what they would learn one by one."""
import numpy as np
import pytest
import torch

from deeplandmark.caffe.logs.log import SilentLog
from deeplandmark.caffe.net import Net
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.solvers import get_solver
from deeplandmark.caffe.solvers.group import SolverGroup
from deeplandmark.caffe.stacked.functions import MaxPooling
from deeplandmark.caffe.stacked.layers import NotStackable
from deeplandmark.caffe.stacked.nets import StackedNets

DATA = """
layer {{ name: "data" type: "HDF5Data" top: "data" top: "landmark"
         hdf5_data_param {{ source: "{source}" batch_size: 6 shuffle: true }} }}
"""
PAPER = """
layer { name: "conv1" type: "LocallySharedConvolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }
        local_share_param { p: 2 q: 3 } }
layer { name: "tanh1" type: "TanH" bottom: "conv1" top: "conv1" }
layer { name: "abs1" type: "AbsVal" bottom: "conv1" top: "abs1" }
layer { name: "pool1" type: "Pooling" bottom: "abs1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "scale1" type: "LocallySharedScale" bottom: "pool1" top: "pool1" local_share_param { p: 2 q: 3 } }
layer { name: "tanh1b" type: "TanH" bottom: "pool1" top: "pool1" }
"""
ORIGINAL = """
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" param { lr_mult: 1 } param { lr_mult: 2 }
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "flat1" type: "Flatten" bottom: "pool" top: "flat1" }
layer { name: "flat2" type: "Flatten" bottom: "conv1" top: "flat2" }
layer { name: "pool1b" type: "Concat" bottom: "flat1" bottom: "flat2" top: "pool1" }
"""
HEAD = """
layer { name: "fc1" type: "InnerProduct" bottom: "pool1" top: "fc1"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "sigmoid" type: "Sigmoid" bottom: "fc1" top: "fc1" }
layer { name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2"
        inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "fc2" bottom: "landmark" top: "loss" }
"""


@pytest.fixture(params=[PAPER, ORIGINAL], ids=["paper", "original"])
def definitions(request, tmp_path):
    """Text of three nets of one structure, each with its own data."""
    import h5py
    rng = np.random.default_rng(3)
    texts = []
    for g in range(3):
        with h5py.File(tmp_path / f"{g}.h5", "w") as file:
            file["data"] = rng.normal(size=(20, 1, 10, 14)).astype(np.float32)
            file["landmark"] = rng.normal(size=(20, 2)).astype(np.float32)
        (tmp_path / f"{g}.txt").write_text(str(tmp_path / f"{g}.h5"))
        texts.append(DATA.format(source=tmp_path / f"{g}.txt") + request.param + HEAD)
    return texts


def new_nets(definitions):
    return [Net(text, caffe_pb2.TRAIN, seed=seed) for seed, text in enumerate(definitions)]


def test_losses_and_gradients_are_those_of_the_nets_alone(definitions):
    alone, together = new_nets(definitions), new_nets(definitions)
    stack = StackedNets(together)
    for _ in range(2):                                           # diffs accumulate
        losses = stack.forward_backward()
        expected = [net.forward_backward() for net in alone]
    assert losses.tolist() == pytest.approx(expected, rel=1e-5)
    for net, other in zip(alone, together):
        for p, q in zip(net.learnable_params, other.learnable_params):
            assert torch.allclose(p.grad, q.grad, rtol=1e-4, atol=1e-5 * float(p.grad.abs().max()))


def _once_then_nothing(run):
    run()
    return lambda: None


def _cannot(run):
    raise RuntimeError("operation not permitted when stream is capturing")


@pytest.mark.parametrize("record, refusal", [
    (lambda run: run, None), (_once_then_nothing, "other losses or gradients"), (_cannot, "not permitted")])
def test_a_recorded_pass_is_as_good_as_an_ordinary_one(definitions, record, refusal):
    plain, recorded = StackedNets(new_nets(definitions)), StackedNets(new_nets(definitions), record=record)
    for k in range(4):
        assert torch.equal(recorded.forward_backward(), plain.forward_backward())
        assert all(map(torch.equal, (p.grad for p in recorded.params), (p.grad for p in plain.params)))
        assert torch.equal(recorded.outputs_of(1)["loss"], plain.outputs_of(1)["loss"])
        if k == 1:                                               # otherwise diffs accumulate
            plain.clear_param_diffs(), recorded.clear_param_diffs()
    assert recorded.refusal is None if refusal is None else refusal in recorded.refusal


def test_maps_in_bfloat16_give_nearly_the_same_losses_and_gradients(definitions):
    exact, rough = StackedNets(new_nets(definitions)), StackedNets(new_nets(definitions), torch.bfloat16)
    losses, close = exact.forward_backward(), rough.forward_backward()
    assert close.dtype == torch.float32 and torch.allclose(close, losses, rtol=0.02)
    for p, q in zip(exact.params, rough.params):
        assert q.grad.dtype == torch.float32
        assert torch.cosine_similarity(p.grad.flatten(), q.grad.flatten(), 0) > 0.98     # pooling may take another cell


def test_a_group_of_solvers_trains_as_each_alone(definitions, tmp_path):
    def solvers(folder):
        return [get_solver(caffe_pb2.SolverParameter(
            net_param=_message(text), type="Adam", base_lr=0.01, momentum=0.9, momentum2=0.999, lr_policy="poly",
            power=1, max_iter=40, display=10, snapshot=20, random_seed=g, snapshot_prefix=f"{tmp_path}/{folder}{g}/"),
            log=SilentLog()) for g, text in enumerate(definitions)]
    alone, together = solvers("alone"), solvers("together")
    for solver in alone:
        solver.solve()
    SolverGroup(together).solve()
    for g, (one, other) in enumerate(zip(alone, together)):
        assert other.iter == 40
        for p, q in zip(one.net.learnable_params, other.net.learnable_params):
            assert torch.allclose(p, q, rtol=1e-3, atol=1e-4 * float(p.detach().abs().max()))
        assert (tmp_path / f"together{g}" / "_iter_40.solverstate").exists()


def test_a_solver_whose_loss_is_not_finite_leaves_the_group(definitions, tmp_path):
    solvers = [get_solver(caffe_pb2.SolverParameter(
        net_param=_message(text), base_lr=0.01, max_iter=60, random_seed=g, lr_policy="fixed",
        snapshot_prefix=f"{tmp_path}/s{g}/"), log=SilentLog()) for g, text in enumerate(definitions)]
    group = SolverGroup(solvers)
    solvers[1].net.learnable_params[0].data.fill_(float("nan"))
    group.solve()
    assert list(group.failures) == [solvers[1]]
    assert not list((tmp_path / "s1").glob("*")) and (tmp_path / "s0" / "_iter_60.caffemodel").exists()


@pytest.mark.parametrize("absolute", [False, True])
def test_pooling_of_equal_numbers_and_zeros_is_that_of_torch(absolute):
    x = torch.randint(-2, 3, (2, 7, 3, 5, 8), generator=torch.Generator().manual_seed(0)).float()
    x[:, :2, :, :3] = 0                                          # a window of zeros: |x| has no slope there
    x.requires_grad_()
    y = MaxPooling.apply(x, (2, 3), True, absolute)              # rounds up: 7 x 5 -> 4 x 2
    maps = x.permute(0, 2, 4, 1, 3).flatten(0, 1)                # (G*C, N, H, W)
    expected = torch.nn.functional.max_pool2d(maps.abs() if absolute else maps, (2, 3), ceil_mode=True)
    expected = expected.unflatten(0, (2, 3)).permute(0, 3, 1, 4, 2)
    assert torch.equal(y, expected)
    dy = torch.arange(1.0, y.numel() + 1).view_as(y)
    assert torch.equal(*(torch.autograd.grad(top, x, dy)[0] for top in (y, expected)))


def test_nets_that_differ_are_refused(definitions):
    nets = new_nets(definitions[:1]) + new_nets([definitions[1].replace("num_output: 5", "num_output: 6")])
    with pytest.raises(NotStackable, match="differ"):
        StackedNets(nets)
    dropout = definitions[0].replace('type: "Sigmoid"', 'type: "Dropout"')
    with pytest.raises(NotStackable, match="Dropout"):
        StackedNets(new_nets([dropout]))


def _message(text):
    from google.protobuf import text_format
    return text_format.Parse(text, caffe_pb2.NetParameter())
