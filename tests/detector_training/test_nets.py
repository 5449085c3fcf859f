"""The networks of MTCNN from their templates: sizes, any input size of P, one training step of each task."""
import math

import h5py
import numpy as np
import pytest
from google.protobuf import text_format

import deeplandmark.caffe as caffe
from deeplandmark.detector_training.nets import KINDS, NETS, O_NET, P_NET, R_NET, generate, render

by_name = pytest.mark.parametrize("net", NETS, ids=lambda net: net.name)


def multiply_adds(net):
    """Of one run: every output value of a convolution or fully connected layer takes one for each of its weights."""
    total = 0
    for name, blobs in net.params.items():
        weights = blobs[0].data
        if weights.ndim > 1:
            out = net.blobs[name].data.shape
            total += weights[0].size * math.prod(out[1:])
    return total


@pytest.mark.parametrize("net, weights, millions", [(P_NET, 6632, 0.045), (R_NET, 100178, 1.53), (O_NET, 389040, 12.9)],
                         ids=lambda value: getattr(value, "name", None))
def test_sizes_are_those_of_the_public_nets(net, weights, millions):
    built = caffe.Net(render(net, "deploy"), caffe.TEST)
    assert sum(blob.data.size for blobs in built.params.values() for blob in blobs) == weights
    built.forward(data=np.zeros((1, 3, net.size, net.size), np.float32))
    assert multiply_adds(built) / 1e6 == pytest.approx(millions, rel=0.02)
    assert set(built.outputs) == {"prob1", net.heads["box"], *[net.heads["points"]] * net.deploys_points}


def test_p_sees_every_second_window_of_a_picture_of_any_size():
    built = caffe.Net(render(P_NET, "deploy"), caffe.TEST, seed=3)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, 31, 47)).astype(np.float32)
    built.blobs["data"].reshape(*image.shape)
    built.reshape()
    maps = {name: value.copy() for name, value in built.forward(data=image).items()}
    assert maps["prob1"].shape == (1, 2, 11, 19)                 # ceil((31 - 2) / 2) - 4, rounded up
    windows = [(row, column) for row in range(10) for column in range(18)]
    built.blobs["data"].reshape(len(windows), 3, 12, 12)
    built.reshape()
    alone = built.forward(data=np.concatenate(
        [image[:, :, 2 * row:2 * row + 12, 2 * column:2 * column + 12] for row, column in windows]))
    for name, map_ in maps.items():
        np.testing.assert_allclose([map_[0, :, row, column] for row, column in windows], alone[name][:, :, 0, 0],
                                   atol=1e-5)


def write_samples(folder, net, rng, rows=24):
    labels = dict(zip(KINDS, (1, -1, -2, 0)))
    for name, label in {**labels, "test": None}.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            end = "" if label is None else f"_{name}"
            file[f"pixels{end}"] = rng.integers(0, 256, (rows, 3, net.size, net.size), dtype=np.uint8)
            file[f"label{end}"] = np.resize([1, -1, -2, 0], rows) if label is None else np.full(rows, label)
            file[f"box{end}"], file[f"points{end}"] = rng.normal(0, 0.1, (rows, 4)), rng.uniform(0, 1, (rows, 10))
        (folder / f"{name}.txt").write_text(f"{folder / name}.h5\n")


@by_name
def test_a_training_net_learns_its_three_tasks(net, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train" / net.name).mkdir(parents=True)
    (tmp_path / "model" / net.name).mkdir(parents=True)
    write_samples(tmp_path / "train" / net.name, net, np.random.default_rng(7))
    generate(nets=[net], variables={"batch": 8, "test_batch_size": 24, "iterations": 20})
    solver = caffe.get_solver(f"prototxt/{net.name}_solver.prototxt")
    built = solver.net
    losses = {name: float(value) for name, value in built.forward().items()}
    assert built.blobs["pixels"].data.shape == (48, 3, net.size, net.size)
    assert np.bincount(built.blobs["label"].data.astype(int) + 2).tolist() == [8, 8, 24, 8]
    np.testing.assert_allclose(built.blobs["data"].data, (built.blobs["pixels"].data - 127.5) / 128, atol=1e-6)
    assert set(losses) == {"loss_class", "loss_box", "loss_points"} and min(losses.values()) > 0
    before = {name: blobs[0].data.copy() for name, blobs in built.params.items()}
    solver.step(1)
    assert all((before[name] != blobs[0].data).any() for name, blobs in built.params.items())
    tested = solver.test_nets[0].forward()
    assert 0 <= float(tested["accuracy"]) <= 1


@by_name
def test_the_weights_of_the_tasks(net):
    parameters = caffe.proto.caffe_pb2.NetParameter()
    text_format.Parse(render(net, "train"), parameters)
    weights = {layer.name: layer.loss_weight[0] for layer in parameters.layer if layer.loss_weight}
    assert weights == {"loss_class": 1, "loss_box": 0.5, "loss_points": 1 if net is O_NET else 0.5}
    [ohem] = [layer.row_selection_param.keep for layer in parameters.layer if layer.name == "loss_class"]
    assert ohem == pytest.approx(0.7)


def test_what_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no template has a variable iteratons"):
        generate(tmp_path, variables={"iteratons": 3})
    with pytest.raises(ValueError, match="recipe 'slow': there are fast, full"):
        render(P_NET, "solver", recipe="slow")
