"""The benchmark runs every way once and prints what it measured; how long it took is nobody's business here."""
import numpy as np
import pytest

from deeplandmark.caffe.benchmark import run, training
from deeplandmark.caffe.benchmark.nets import NETS, mobilenet_v1, openpose, resnet50
from deeplandmark.caffe.files.prototxt import read_net
from deeplandmark.caffe.tools.command_line import main


def test_a_table(monkeypatch, capsys):
    monkeypatch.setitem(run.NETS, "small", lambda batch: mobilenet_v1(batch, width=16, size=64, classes=5))
    assert main(["benchmark", "small", "--batch", "2", "--rounds", "1"]) == 0
    row = capsys.readouterr().out.splitlines()[-1].split(" | ")
    assert row[:2] == ["| small", "2"] and all(float(cell.split()[0]) > 0 for cell in row[2:4])
    assert float(row[-1].rstrip(" |")) < 1e-5


@pytest.mark.parametrize("net", [lambda batch: mobilenet_v1(batch, width=16, size=64, classes=5),
                                 lambda batch: resnet50(batch, width=16, size=64, classes=5),
                                 lambda batch: openpose(batch, 48, 40, maps=16)])
def test_steps_of_training(monkeypatch, capsys, net):
    """The solver and plain PyTorch train the same net: they have the same losses."""
    monkeypatch.setitem(run.NETS, "small", net)
    assert main(["benchmark", "small", "--training", "--batch", "2", "--rounds", "1"]) == 0
    row = capsys.readouterr().out.splitlines()[-1].split(" | ")
    assert row[:2] == ["| small", "2"] and all(float(cell.split()[0]) > 0 for cell in row[2:4])
    assert float(row[-1].rstrip(" |")) < 1e-3
    solver, plain = training._ways(training.for_training(net(2))).values()
    np.testing.assert_allclose(solver(), plain(), rtol=1e-3)


@pytest.mark.parametrize("arguments, reason", [(["LeNet"], "unknown net 'LeNet'"), (["--batch", "0"], "at least 1")])
def test_refused(arguments, reason, capsys):
    assert main(["benchmark", *arguments]) == 1
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("name, millions", [
    ("AlexNet", 61.0), ("VGG-16", 138.4), ("GoogLeNet", 7.0), ("ResNet-50", 25.6), ("MobileNet", 4.2),
    ("MobileNetV2", 3.5), ("SqueezeNet", 1.24)])
def test_nets_have_as_many_weights_as_is_published(name, millions):
    """Counted from the definition, without making the nets."""
    count, shapes = 0, {"data": (3, None)}
    for layer in read_net(NETS[name](1)).layer:
        bottoms = [shapes[b] for b in layer.bottom]
        top = bottoms[0] if bottoms else shapes["data"]
        if layer.type == "Convolution":
            p = layer.convolution_param
            count += p.num_output * (top[0] // p.group * p.kernel_size[0] ** 2 + p.bias_term)
            top = (p.num_output, None)
        elif layer.type == "Concat":
            top = (sum(b[0] for b in bottoms), None)
        elif layer.type == "InnerProduct":
            cells = {"AlexNet": 36, "VGG-16": 49}.get(name, 1) if top[1] is None else 1
            count += layer.inner_product_param.num_output * (top[0] * cells + 1)
            top = (layer.inner_product_param.num_output, 1)
        elif layer.type == "Scale":
            count += 2 * top[0]
        for blob in layer.top:
            shapes[blob] = top
    assert count / 1e6 == pytest.approx(millions, rel=0.02)


def test_opencv_5_has_no_importer(monkeypatch):
    import cv2
    monkeypatch.delattr(cv2.dnn, "readNetFromCaffe", raising=False)
    assert not run.has_importer()
