"""CFAN: what each of its turns trains, and all of them through the commands."""
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from deeplandmark.__main__ import main
from deeplandmark.caffe import TEST, Net
from deeplandmark.faces import FIVE_POINTS, Annotation, write_list
from deeplandmark.faces.points import IBUG_68
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.models.families import family_of
from deeplandmark.regressor.engines import OnnxEngine, TorchEngine
from deeplandmark.training.templates import render, template_folder

TURNS = range(1, 5)


LOSS = """layer { name: "truth" type: "DummyData" top: "truth"
  dummy_data_param { shape { dim: 1 dim: 10 } data_filler { type: "constant" value: 0.3 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "fc2" bottom: "truth" top: "loss" }"""


def net_of(turn, points=FIVE_POINTS, more="", **variables):
    """The deploy net of a turn, and more layers."""
    (network,) = family_of("cfan").networks(points)
    text = render(network, "deploy", folder=template_folder(), variant="cfan", turn=turn, variables=variables)
    return Net(text + more, TEST, seed=4)


def shapes(net):
    return {name: blobs[0].data.shape for name, blobs in net.params.items()}


def test_the_layout():
    """SeetaFace's two nets of 640, 400 and 10 numbers; by default two hidden layers of each stage."""
    found = shapes(net_of(4, hidden="400"))
    assert found == {"mean_shape": (1, 10), "s1_hidden1": (400, 640), "s1_move": (10, 400), "s2_hidden1": (400, 640),
                     "s2_move": (10, 400)}
    net = net_of(4, IBUG_68)
    found = shapes(net)
    assert found["s2_hidden1"] == (256, 8704) and found["s2_hidden2"] == (128, 256) and found["s2_move"] == (136, 128)
    assert net.blobs["coarse"].data.shape == (1, 1, 80, 80) and net.blobs["data"].data.shape == (1, 1, 140, 140)
    assert shapes(net_of(1, hidden="30,20"))["s1_decoder2"] == (30, 20)


def test_what_learns_in_which_turn():
    learnt = [{layer.name for layer in net_of(turn).layers if any(param.lr_mult for param in layer.param.param)}
              for turn in TURNS]
    of_stage = [{f"s{s}_hidden1", f"s{s}_hidden2", f"s{s}_move"} for s in (1, 2)]
    decoders = [{f"s{s}_decoder1", f"s{s}_decoder2"} for s in (1, 2)]
    assert learnt == [of_stage[0] | decoders[0], of_stage[0], of_stage[1] | decoders[1], of_stage[1]]


def test_a_hidden_layer_that_learns_to_decode_hears_of_nothing_else():
    """Gradients of the answer end in the last layer, those of each decoder in its hidden layer."""
    for turn, s in ((1, "s1"), (3, "s2")):
        reached = {}
        for top in ("loss", f"{s}_decoder1_loss", f"{s}_decoder2_loss"):
            net = net_of(turn, more=LOSS)
            net.blobs["data"].data = np.random.default_rng(1).normal(0, 1, (1, 1, 140, 140)).astype(np.float32)
            net.forward()
            net.backward(**{name: np.full_like(net.blobs[name].data, name == top) for name in net.outputs})
            reached[top] = {name for name, blobs in net.params.items() if np.abs(blobs[0].diff).max() > 0}
        assert reached == {"loss": {f"{s}_move"}, f"{s}_decoder1_loss": {f"{s}_hidden1", f"{s}_decoder1"},
                           f"{s}_decoder2_loss": {f"{s}_hidden2", f"{s}_decoder2"}}


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Twelve faces of five points, two points of the first hidden."""
    monkeypatch.chdir(tmp_path)
    Path("pictures").mkdir()
    faces = []
    for i in range(12):
        image, five, box = draw_face(np.random.default_rng(i))
        cv2.imwrite(f"pictures/{i}.png", image)
        faces.append(Annotation(Path(f"pictures/{i}.png"), box, five, "train", i))
    faces[0].landmark_px[1:3] = np.nan
    write_list("pictures/trainImageList.txt", faces)
    return tmp_path


@pytest.mark.process
@pytest.mark.slow
def test_all_turns_and_the_graph(pictures):
    shutil.copytree(template_folder(), "t", ignore=shutil.ignore_patterns("*.prototxt"))
    template = Path("t/adam_solver.prototxt.template")
    template.write_text(template.read_text().replace("[iterations * effort, 20] | max", "3").replace(
        "test_iter: {{ 10 if level == 1 else 20 }}", "test_iter: 1"))
    for line in ("generate --variant cfan --templates t --set hidden=12,6 --set batch_size=4 --set test_batch_size=1 "
                 "--train train --model model", "prepare 1 --variant cfan --data pictures --out train --jobs 1",
                 "train 1 --variant cfan --train train --model model --log log --jobs 1",
                 "export --model model model/regressor.onnx"):
        assert main(line.split()) == 0, line
    weights = [Path(f"model/1_face_turn{turn}/trained.caffemodel") for turn in TURNS[:-1]] + [
        Path("model/1_face.caffemodel")]
    nets = [Net(f"prototxt/{name}_deploy.prototxt", str(file), TEST) for name, file in zip(
        ("1_face_turn1", "1_face_turn2", "1_face_turn3", "1_face"), weights)]
    for layer in ("s1_hidden1", "s1_hidden2", "s1_move"):
        assert np.abs(nets[0].params[layer][0].data - nets[1].params[layer][0].data).max() > 0
    for layer in ("s1_hidden1", "s1_move", "mean_shape"):
        np.testing.assert_array_equal(nets[1].params[layer][0].data, nets[3].params[layer][0].data)
    assert np.abs(nets[2].params["s2_hidden1"][0].data - nets[3].params["s2_hidden1"][0].data).max() > 0

    image, boxes = cv2.imread("pictures/3.png", 0), np.array([[60.0, 70, 200, 210], [-10, 20, 90, 120]])
    graph, by_torch = (engine.run(image, boxes)[0] for engine in (OnnxEngine("model/regressor.onnx"),
                                                                  TorchEngine("model")))
    assert np.isfinite(graph).all() and np.abs(graph - by_torch).max() < 1e-4 * np.ptp(by_torch)
