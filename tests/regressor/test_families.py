"""The families of the regressor: what was published of each, counted in the nets that the templates make; and each
trains for a few steps and is the same network as one ONNX graph."""
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import deeplandmark.caffe as caffe
from deeplandmark.__main__ import main
from deeplandmark.caffe import TEST, Net
from deeplandmark.caffe.files.prototxt import read_solver
from deeplandmark.caffe.logs.log import SilentLog
from deeplandmark.caffe.solvers import get_solver
from deeplandmark.faces import FIVE_POINTS
from deeplandmark.faces.points import FACE_88, IBUG_68
from deeplandmark.models.families import family_of, settings_of
from deeplandmark.regressor.engines import OnnxEngine, TorchEngine
from deeplandmark.regressor.families import FAMILIES
from deeplandmark.training.templates import render, template_folder
from tests.helpers.drawn_lists import drawn_lists

VGG_16 = [f"conv{stage}_{i}" for stage, count in ((1, 2), (2, 2), (3, 3), (4, 3), (5, 3)) for i in range(1, count + 1)]


def net_of(name, points, **variables):
    """(deploy net of a family, its row)"""
    (network,) = family_of(name).networks(points)
    return Net(render(network, "deploy", folder=template_folder(), variant=name, variables=variables), TEST), network


def multiply_adds(net):
    """Of the convolutions and fully connected layers, of one picture, by the shapes of the blobs alone."""
    total = 0
    for name, layer in zip(net._layer_names, net.layers):
        blobs = [blob.data.shape for blob in layer.blobs]
        top = net.blobs[net.top_names[name][0]].data.shape if layer.type in ("Convolution", "InnerProduct") else ()
        if layer.type == "Convolution":
            total += int(np.prod(blobs[0])) * top[2] * top[3]
        elif layer.type == "InnerProduct":
            total += int(np.prod(blobs[0]))
    return total


def counts(net):
    """(all numbers of the caffemodel, those that are learnt)."""
    every = sum(blob.data.size for blobs in net.params.values() for blob in blobs)
    statistics = sum(blob.data.size for name, blobs in net.params.items() if name.endswith("_bn") for blob in blobs)
    return every, every - statistics


def test_mobilenetv2():
    net, network = net_of("mobilenetv2", IBUG_68)
    assert counts(net)[0] == 354109 and round(multiply_adds(net) / 1e6, 2) == 8.39
    assert network.size == (64, 64) and network.channels == 3
    leaky = [layer.param.relu_param.negative_slope for layer in net.layers if layer.type == "ReLU"]
    assert len(leaky) == 1 + 2 * 6 + 2 and set(np.float32(leaky)) == {np.float32(0.01)}
    assert [name for name in net._layer_names if "noise" in name] == []          # in training alone
    assert sum(layer.type == "Eltwise" for layer in net.layers) == 3             # blocks 2, 4 and 6


def test_vgg_shadow():
    """4.04 million weights. The 565 million multiply-adds that are told of it are those of a colour input."""
    net, network = net_of("vgg_shadow", IBUG_68)
    assert round(counts(net)[0] / 1e6, 2) == 4.04 and network.size == (70, 60) and network.channels == 1
    first = 64 * 9 * 70 * 60
    assert round((multiply_adds(net) + 2 * first) / 1e6) == 565 and round(multiply_adds(net) / 1e6) == 560
    assert [layer.type for layer in net.layers].count("Dropout") == 1


def test_mobilenet():
    net, network = net_of("mobilenet", FACE_88)
    assert counts(net)[1] == 228222 and round(multiply_adds(net) / 1e6, 1) == 16.2 and network.size == (160, 160)
    whole, _ = net_of("mobilenet", FACE_88, alpha=1)
    assert round(counts(whole)[1] / 1e6, 2) == 2.04 and round(multiply_adds(whole) / 1e6) == 156
    deep, _ = net_of("mobilenet", FACE_88, shallow=0)
    # Five more blocks of int(512 alpha) maps: depthwise, pointwise, and gain and bias of each.
    assert counts(deep)[1] - counts(net)[1] == 5 * (153 * 9 + 153 * 153 + 4 * 153)


def test_mobilenetv2_block8():
    for head in ("dense", "convolution"):
        net, network = net_of("mobilenetv2_block8", IBUG_68, head=head)
        assert counts(net)[1] == 412392 and round(multiply_adds(net) / 1e6, 1) == 143.7, head
        assert network.size == (224, 224) and net.blobs["block8"].data.shape == (1, 64, 14, 14)
        assert net.blobs["fc2"].data.shape == (1, 136)


def test_compact():
    """At most 2 MB as ONNX, for either set of points."""
    for points, weights in ((IBUG_68, 414032), (FACE_88, 419192)):
        net, network = net_of("compact", points)
        assert counts(net)[0] == weights and round(multiply_adds(net) / 1e6) == 22
        assert network.size == (96, 96) and network.channels == 1


def test_san():
    """Two equal streams, of the picture and of the mean of its styles; an answer of each, and that of both together."""
    net, network = net_of("san", IBUG_68)
    assert counts(net)[1] == 351628 + 9 and round(multiply_adds(net) / 1e6) == 25
    shapes = {name: [blob.data.shape for blob in blobs] for name, blobs in net.params.items()}
    assert all(shapes[f"original_{part}"] == shapes[f"mean_style_{part}"] for part in ("conv1", "conv5", "maps"))
    assert net.blobs["maps"].data.shape == (1, 68, 16, 16)
    net.blobs["data"].data = np.random.default_rng(2).uniform(-0.1, 1.1, (1, 3, 64, 64)).astype(np.float32)
    net.forward()
    picture = net.blobs["picture"].data
    np.testing.assert_allclose(net.blobs["aggregated"].data, np.mean([net.blobs[name].data for name in (
        "picture", "grey", "light", "dark", "sketch")], 0), atol=1e-6)
    np.testing.assert_allclose(net.blobs["light"].data, np.sqrt(picture), atol=1e-6)
    for blob in (*network.earlier, "fc2"):
        assert net.blobs[blob].data.shape == (1, 136) and np.abs(net.blobs[blob].data).max() < 1.6


def test_vggface_transfer():
    """VGG-16's convolutions under their names, none of them learnt; the mean colour of VGG-Face is taken out."""
    net, _ = net_of("vggface_transfer", FACE_88)
    shapes = {name: blobs[0].data.shape for name, blobs in net.params.items()}
    assert list(shapes) == ["centred", *VGG_16, "fc1", "fc2"]
    assert sum(net.params[name][k].data.size for name in VGG_16 for k in (0, 1)) == 14714688
    assert shapes["fc1"] == (1024, 512 * 5 * 5) and shapes["fc2"] == (176, 1024)
    learnt = [param for layer in net.layers for param in layer.param.param if param.lr_mult]
    assert len(learnt) == 4
    net.blobs["data"].data = np.full((1, 3, 160, 160), 100, np.float32)
    net.forward(end="centred")
    np.testing.assert_allclose(net.blobs["centred"].data[0, :, 0, 0], [6.406, -4.7624, -29.1863], rtol=1e-5)


# ------------------------------------------------------------------------------------------------- training and export
SETTINGS = {"mobilenetv2": ("--set coarse_weight=2",), "vgg_shadow": (), "mobilenet": (), "mobilenetv2_block8": (),
            "vggface_transfer": ("--set weights=VGG_FACE.caffemodel",), "san": ("--set width=4", "--set joined=8"),
            "dan_stage": (), "mdm": ()}
KEPT = {"vggface_transfer": {"centred", *VGG_16}, "san": {"grey"}, "dan_stage": {"mean_shape"},
        "mdm": {"mean_shape"}}          # layers whose weights are given
LAST = {"san": "maps", "dan_stage": "s1_move", "mdm": "t4_move"}    # that learn, where it is not the usual one


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Twelve coloured faces of five points, two points of the first hidden."""
    drawn_lists(monkeypatch, tmp_path, colour=True, hidden=(1, 2))
    return tmp_path


def small_vgg(folder):
    """Templates whose VGG has 8 maps at most, and a file of weights for it: as good a test as one of 60 MB."""
    shutil.copytree(template_folder(), folder, ignore=shutil.ignore_patterns("*.prototxt"))
    path = Path(folder, "regressor", "vggface_transfer_net.prototxt.template")
    path.write_text(path.read_text().replace("(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)",
                                             "(4, 2), (4, 2), (8, 3), (8, 3), (8, 3)"))
    (network,) = family_of("vggface_transfer").networks(FIVE_POINTS)
    net = Net(render(network, "deploy", folder=folder, variant="vggface_transfer"), TEST, seed=77)
    net.save("VGG_FACE.caffemodel")
    return net.params["conv3_2"][0].data.copy()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_few_steps_and_the_graph(name, pictures):
    """By its own data, losses and solver, in this process; torch and ONNX Runtime agree on the result."""
    given = small_vgg("t")
    settings, iterations = settings_of(name), 3
    plan = " ".join((f"--set iterations={iterations} --set batch_size=4 --set test_batch_size=1", *SETTINGS[name]))
    template = Path("t/adam_solver.prototxt.template")
    template.write_text(template.read_text().replace("[iterations * effort, 20] | max", "iterations").replace(
        "test_iter: {{ 10 if level == 1 else 20 }}", "test_iter: 1"))
    for line in (f"generate --variant {name} --templates t {plan} --train train --model model",
                 f"prepare 1 --variant {name} --data pictures --out train --jobs 1"):
        assert main(line.split()) == 0, line
    before, solver = trained("prototxt/1_face_solver.prototxt")
    solver.net.save("model/1_face.caffemodel")
    shutil.copy("prototxt/1_face_deploy.prototxt", "model/1_face.prototxt")
    settings.save("model")
    assert main("export --model model model/regressor.onnx".split()) == 0

    image = cv2.imread("pictures/3.png") if settings.channels == 3 else cv2.imread("pictures/3.png", 0)
    boxes = np.array([[60.0, 70, 200, 210], [-10, 20, 90, 120]])
    graph, by_torch = (engine.run(image, boxes)[0] for engine in (OnnxEngine("model/regressor.onnx"),
                                                                  TorchEngine("model")))
    assert np.isfinite(graph).all() and np.abs(graph - by_torch).max() < 1e-4 * np.ptp(by_torch)
    moved = {layer: max(np.abs(blob.data - old).max() for blob, old in zip(blobs, before[layer]))
             for layer, blobs in solver.net.params.items()}
    assert moved[LAST.get(name, "fc2")] > 0 and all(np.isfinite(change) for change in moved.values())
    frozen = {layer for layer, change in moved.items() if change == 0}
    assert frozen == KEPT.get(name, set())
    if name == "vggface_transfer":
        np.testing.assert_array_equal(solver.net.params["conv3_2"][0].data, given)


def trained(solver_file):
    """(the blobs before the first step, the solver after the last)"""
    torch.manual_seed(0)
    solver = get_solver(solver_file, log=SilentLog())
    before = {layer: [blob.data.copy() for blob in blobs] for layer, blobs in solver.net.params.items()}
    solver.solve()
    return before, solver


def test_the_losses_of_the_families_by_loops():
    """From points x1 y1 x2 y2 ... of the h5 files: groups, the size of each face, and hidden points."""
    rng = np.random.default_rng(3)
    for name, points in (("mobilenetv2", IBUG_68), ("vgg_shadow", FACE_88), ("mobilenet", FACE_88)):
        text = render(family_of(name).networks(points)[0], "train", folder=template_folder(), variant=name,
                      variables={"contour_weight": 0.5, "main_weight": 2, "coarse_weight": 3})
        k = len(points)
        losses = text[text.index('layer { name: "target"'):text.index('  name: "error"')].rpartition("layer {")[0]
        inputs = "".join(f'layer {{ name: "{blob}" type: "Input" top: "{blob}" input_param {{ shape {{ dim: 3 dim: '
                         f"{2 * k} }} }} }}" for blob in ("fc2", "landmark"))
        net = Net(inputs + losses, caffe.TRAIN)
        answer, truth = rng.uniform(-0.5, 0.5, (2, 3, k, 2)).astype(np.float32)
        truth[1, 5] = truth[2, 20] = np.nan
        (weight,) = net.layers[-1].param.loss_weight or (1.0,)
        found = weight * float(net.forward(fc2=answer.reshape(3, -1), landmark=truth.reshape(3, -1))["loss"])
        expected = loss_by_loops(name, answer.astype(np.float64), truth.astype(np.float64))
        assert found == pytest.approx(expected, rel=1e-4)


def loss_by_loops(name, answer, truth):
    corners = [point - 1 for point in (18, 22, 23, 27, 28, 32, 36, 37, 40, 43, 46, 49, 55)]
    total, count = 0.0, truth.shape[1]
    for face in range(len(truth)):
        known = np.where(np.isnan(truth[face]), answer[face], truth[face])
        if count == 68:
            left, right = (known[36] + known[39]) / 2, (known[42] + known[45]) / 2
            size = np.hypot(*(left - right))
        else:
            size = np.hypot(*np.ptp(known, axis=0)) if name == "vgg_shadow" else count     # MSE: a mean of 2k values
        for point in range(count):
            weight = 1.0 if count != 68 else 3.0 if point in corners else 0.5 if point < 17 else 2.0
            for axis in range(2):
                if not np.isnan(truth[face, point, axis]):
                    total += weight * (answer[face, point, axis] - truth[face, point, axis]) ** 2 / size
    return total / len(truth) / 2


def test_the_published_solvers():
    """What the originals' files and code say; how long two of them trained is not known."""
    found = {family.name: read_solver(render(family.networks(FIVE_POINTS)[0], "solver", folder=template_folder(),
                                             variant=family.name, recipe="full")) for family in FAMILIES}
    for name in ("mobilenetv2", "vgg_shadow"):
        p = found[name]
        assert (p.type, p.lr_policy) == ("Adam", "inv")
        assert (p.base_lr, p.gamma, p.power, p.weight_decay) == pytest.approx((1e-4, 1e-5, 0.75, 5e-4))
    for name in ("mobilenet", "vggface_transfer"):
        assert (found[name].type, found[name].lr_policy) == ("Adam", "fixed")
        assert found[name].base_lr == pytest.approx(1e-3)
    p = found["mobilenetv2_block8"]
    assert (p.type, p.max_iter, list(p.stepvalue)) == ("AMSGrad", 120000, [50000, 90000])
    assert [p.base_lr, *p.step_lr] == pytest.approx([1e-3, 2e-4, 1e-4])
    assert list(found["vggface_transfer"].weights) == ["VGG_FACE.caffemodel"] and not found["mobilenet"].weights
