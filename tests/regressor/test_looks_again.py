"""Networks that look again at their own answer: what they are made of, and a training in turns from end to end."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from deeplandmark.__main__ import main
from deeplandmark.caffe import TEST, Net
from deeplandmark.caffe.io import array_to_blobproto, blobproto_to_array
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.faces import FIVE_POINTS
from deeplandmark.faces.points import FACE_88, IBUG_68
from deeplandmark.models.families import family_of
from deeplandmark.regressor.engines import OnnxEngine, TorchEngine
from deeplandmark.training.templates import render, template_folder
from tests.helpers.drawn_lists import drawn_lists


def net_of(name, points=IBUG_68, turn=None, **variables):
    (network,) = family_of(name).networks(points)
    return Net(render(network, "deploy", folder=template_folder(), variant=name, variables=variables, turn=turn), TEST)


def test_dan_as_published():
    """Each stage: eight convolutions, a hidden layer of 256; the feature picture has 56 x 56 numbers."""
    net = net_of("dan", width=64, hidden=256, shrink=1)
    shapes = {name: blobs[0].data.shape for name, blobs in net.params.items()}
    maps = [64, 64, 128, 128, 256, 256, 512, 512]
    for stage, seen in (("s1", 1), ("s2", 3)):
        convolutions = [shapes[f"{stage}_conv{block}_{i}"] for block in range(1, 5) for i in (1, 2)]
        assert convolutions == [(n, m, 3, 3) for n, m in zip(maps, [seen, *maps])]
        assert shapes[f"{stage}_fc1"] == (256, 512 * 7 * 7) and shapes[f"{stage}_move"] == (136, 256)
    assert shapes["s2_known"] == (56 * 56, 256) and net.blobs["s2_seen"].data.shape == (1, 3, 112, 112)


def test_dan_moves_the_mean_shape_and_turns_back():
    """With stages that move nothing the answer is the mean shape, whatever the transform between them."""
    net = net_of("dan", FIVE_POINTS, width=2)
    mean = np.array([[-0.4, -0.3, 0.4, -0.3, 0, 0.1, -0.3, 0.5, 0.3, 0.5]], np.float32)
    net.params["mean_shape"][0].data = mean
    for blob in (*net.params["s1_move"], *net.params["s2_move"]):
        blob.data = np.zeros_like(blob.data)
    for name in net.params:
        if name.endswith("_bn"):                                  # of one never trained it is 0, and maps overflow
            net.params[name][3].data = np.ones_like(net.params[name][3].data)
    net.blobs["data"].data = np.random.default_rng(0).normal(size=(1, 1, 112, 112)).astype(np.float32)
    np.testing.assert_allclose(net.forward()["fc2"], mean, atol=1e-6)
    net.params["s1_move"][1].data = np.tile([0.3, -0.2], 5).astype(np.float32)     # stage 2 sees it shifted back
    net.forward()
    np.testing.assert_allclose(net.blobs["fc2"].data, mean + net.params["s1_move"][1].data, atol=1e-6)
    np.testing.assert_allclose(net.blobs["s2_points"].data, mean, atol=1e-6)


@pytest.mark.parametrize("patch, second, last", [(14, 4, 2), (30, 12, 6), (15, 5, 3)])
def test_mdm_sees_patches_with_their_middles(patch, second, last):
    net = net_of("mdm", FACE_88, patch=patch, maps=3)
    assert net.blobs["t1_conv2"].data.shape == (88, 3, second, second)
    assert net.blobs["t4_both"].data.shape == (88, 6, last, last)
    net.blobs["data"].data = np.random.default_rng(0).normal(size=(1, 1, 112, 112)).astype(np.float32)
    net.forward()
    offset = (second - last) // 2
    wanted = np.maximum(net.blobs["t2_conv2"].data[:, :, offset:offset + last, offset:offset + last], 0)
    np.testing.assert_array_equal(net.blobs["t2_both"].data[:, :3], wanted)
    steps = [net.blobs[name].data for name in ("mean", "step_1", "step_2", "step_3", "fc2")]
    moves = [net.blobs[f"t{number}_move"].data for number in range(1, 5)]
    np.testing.assert_allclose(steps[-1], steps[0] + np.sum(moves, axis=0), atol=1e-6)


def test_the_steps_of_mdm_share_their_weights():
    net = net_of("mdm")
    for layer in ("conv1", "conv2", "look", "move"):
        weights = [net.params[f"t{number}_{layer}"][0].data for number in range(1, 5)]
        weights[0][...] = 0.5
        assert all((other == 0.5).all() for other in weights), layer
    assert {name for name in net.params if name.endswith("recall")} == {f"t{number}_recall" for number in (2, 3, 4)}


def test_the_second_stage_of_mobilenetv2_is_of_the_first_ones_kind():
    """Twice the numbers of mobilenetv2, and the mean face; each stage's points are told by the first's layers alone."""
    net = net_of("mobilenetv2_stage2")
    sizes = {name: sum(blob.data.size for blob in blobs) for name, blobs in net.params.items()}
    assert sizes.pop("mean_shape") == 136 and sum(sizes.values()) == 2 * 354109
    assert {name.replace("s1_", "s2_").replace("stage_1", "stage_2") for name in sizes} == {
        name for name in sizes if name.startswith("s2_") or name == "stage_2"}
    first = set(net_of("mobilenetv2_stage2", turn=1).params)
    assert first == {"mean_shape", *(name for name in sizes if name.startswith("s1_") or name == "stage_1")}


def test_what_stage_2_finds_is_turned_back():
    """Where stage 1 answers the mean face turned and shrunk, stage 2, which answers the mean face, agrees."""
    net = net_of("mobilenetv2_stage2")
    random = np.random.default_rng(4)
    mean = random.uniform(-0.3, 0.3, (68, 2))
    tilted = (mean @ [[0.8, 0.3], [-0.3, 0.8]] + [0.02, -0.05]).astype(np.float32)
    net.params["mean_shape"][0].data = mean.reshape(1, -1).astype(np.float32)
    for layer, answer in (("stage_1", tilted), ("stage_2", mean)):
        weights, bias = net.params[layer]
        weights.data, bias.data = np.zeros_like(weights.data), answer.ravel().astype(np.float32)
    for name in net.params:
        if name.endswith("_bn"):
            for blob in net.params[name][1:]:
                blob.data = np.ones_like(blob.data)
    net.blobs["data"].data = random.normal(size=(1, 3, 64, 64)).astype(np.float32)
    np.testing.assert_allclose(net.forward()["fc2"].reshape(-1, 2), tilted, atol=1e-5)


@pytest.mark.slow
@pytest.mark.process
def test_stage_1_stays_while_stage_2_learns(tmp_path, monkeypatch):
    run = begin(tmp_path, monkeypatch)
    own = "--variant mobilenetv2_stage2 --train train --model model"
    run(f"generate {own} --set iterations=12 --set batch_size=4 --set test_batch_size=1",
        "prepare 1 --variant mobilenetv2_stage2 --data pictures --out train --jobs 1",
        f"train 1 {own} --log log --jobs 2")
    first, both = (weights(f"model/{name}.caffemodel") for name in ("1_face_turn1/trained", "1_face"))
    assert all((a == b).all() for name in first for a, b in zip(first[name], both[name]))
    assert (both["s2_conv1_bn"][2] > 0).all() and np.abs(both["s2_fc1"][0]).max() > 0
    net = caffe_pb2.NetParameter.FromString(Path("model/1_face.caffemodel").read_bytes())
    (stage_1,) = [layer for layer in net.layer if layer.name == "stage_1"]
    for blob, values in zip(stage_1.blobs, (0.01 * both["stage_1"][0], both["mean_shape"][0])):     # as if learnt
        blob.CopyFrom(array_to_blobproto(values.reshape(blob.shape.dim)))
    Path("model/1_face.caffemodel").write_bytes(net.SerializeToString())
    run("export --model model model/regressor.onnx")
    same_graph(1)


@pytest.mark.slow
@pytest.mark.process
def test_trained_in_turns(tmp_path, monkeypatch, capsys):
    """Stage 1; stage 2, while stage 1 stays as it is; both. The graph is the same network, and what is done stays."""
    run = begin(tmp_path, monkeypatch)
    own = "--variant dan --train train --model model"
    plan = "--set iterations=20 --set width=2 --set batch_size=4 --set test_batch_size=1"
    run(f"generate {own} {plan}", "prepare 1 --variant dan --data pictures --out train --jobs 1",
        f"train 1 {own} --log log --jobs 2")
    turns = [weights(f"model/{name}.caffemodel") for name in ("1_face_turn1/trained", "1_face_turn2/trained", "1_face")]
    targets = weights("train/1_face/mean_shape.caffemodel")["mean_shape"]
    for found in turns:
        np.testing.assert_array_equal(found["mean_shape"][0], targets[0])
    stage_1 = [name for name in turns[0] if name != "mean_shape"]
    assert all((a == b).all() for name in stage_1 for a, b in zip(turns[0][name], turns[1][name]))
    learnt = [name for name in turns[1] if name != "mean_shape" and not name.endswith("_bn")]
    assert all((a != b).any() for name in learnt for a, b in zip(turns[1][name], turns[2][name]))
    assert all((a == b).all() for name in turns[1] if name.endswith("_bn")
               for a, b in zip(turns[1][name], turns[2][name]))
    assert {path.stem for path in Path("log").glob("*.log")} == {"1_face", "1_face_turn1", "1_face_turn2"}

    run("export --model model model/regressor.onnx")
    same_graph(0)

    done = [path.stat().st_mtime_ns for path in sorted(Path("model").glob("*/_iter_*"))]
    run(f"train 1 {own} --log log --jobs 2")
    assert [path.stat().st_mtime_ns for path in sorted(Path("model").glob("*/_iter_*"))] == done
    state = Path("model/1_face_turn1/state.json")
    assert json.loads(state.read_text())["done"] and json.loads(Path("model/model.json").read_text())["networks"][0][
        "turns"] == 3
    Path("model/1_face_turn1/trained.caffemodel").write_bytes(Path("model/1_face.caffemodel").read_bytes())
    run(f"train 1 {own} --log log --jobs 2")                     # what stood on other weights is trained anew
    assert Path("model/1_face_turn2.previous").is_dir() and not Path("model/1_face_turn1.previous").exists()


def begin(folder, monkeypatch):
    """A few drawn faces in the folder `pictures` of the one that everything is done in; what runs command lines."""
    drawn_lists(monkeypatch, folder)

    def run(*lines):
        for line in lines:
            assert main(line.split()) == 0, line
    return run


def same_graph(colour):
    """The exported graph and the net itself answer the same."""
    image, boxes = cv2.imread("pictures/3.png", colour), np.array([[60.0, 70, 200, 210], [-10, 20, 90, 120]])
    graph, by_torch = (engine.run(image, boxes)[0] for engine in (OnnxEngine("model/regressor.onnx"),
                                                                  TorchEngine("model")))
    assert np.isfinite(graph).all() and np.abs(graph - by_torch).max() < 1e-4 * np.ptp(by_torch)


def weights(path):
    """{layer: its blobs}"""
    net = caffe_pb2.NetParameter.FromString(Path(path).read_bytes())
    return {layer.name: [blobproto_to_array(blob) for blob in layer.blobs] for layer in net.layer if layer.blobs}
