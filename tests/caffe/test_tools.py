"""The tools beside the `caffe` program: what they write, one-line errors, no half-written files."""
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.files.model_file import read_binaryproto, read_caffemodel
from deeplandmark.caffe.files.prototxt import parse_text, read_net
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.tools.command_line import TOOLS, VERBS, main

DATA = Path(__file__).parents[1] / "data/caffe/solvers"
V1 = """
name: "old" input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1 blobs_lr: 2
  convolution_param { num_output: 4 kernel_size: 3 } }
layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
layers { name: "prob" type: SOFTMAX bottom: "conv" top: "prob" }
"""


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    for folder in ("nets", "data", "init"):
        shutil.copytree(DATA / folder, tmp_path / folder)
    (tmp_path / "old.prototxt").write_text(V1)
    monkeypatch.chdir(tmp_path)


def test_upgrade_net_proto_text(capsys):
    assert main(["upgrade_net_proto_text", "old.prototxt", "new.prototxt"]) == 0
    new = parse_text(Path("new.prototxt").read_text(), caffe_pb2.NetParameter())
    assert not new.layers and not new.input and [layer.type for layer in new.layer] == [
        "Input", "Convolution", "ReLU", "Softmax"]
    assert [spec.lr_mult for spec in new.layer[1].param] == [1, 2]
    assert new == read_net("old.prototxt")
    assert "latest" not in capsys.readouterr().out
    assert main(["upgrade_net_proto_text", "new.prototxt", "newer.prototxt"]) == 0
    assert "File already in latest proto format: new.prototxt" in capsys.readouterr().out
    assert Path("newer.prototxt").read_bytes() == Path("new.prototxt").read_bytes()


def test_upgrade_net_proto_binary():
    old = parse_text(V1, caffe_pb2.NetParameter())
    old.layers[0].blobs.add(num=4, channels=3, height=3, width=3, data=range(108))
    old.layers[0].blobs.add(num=1, channels=1, height=1, width=4, data=range(4))
    Path("old.caffemodel").write_bytes(old.SerializeToString())
    assert main(["upgrade_net_proto_binary", "old.caffemodel", "new.caffemodel"]) == 0
    new = read_caffemodel("new.caffemodel")
    assert new.layer[1].type == "Convolution" and list(new.layer[1].blobs[0].data) == list(range(108))


def test_upgrade_solver_proto_text():
    Path("solver.prototxt").write_text('net: "a" solver_type: ADAGRAD base_lr: 0.5')
    assert main(["upgrade_solver_proto_text", "solver.prototxt", "new.prototxt"]) == 0
    text = Path("new.prototxt").read_text()
    assert 'type: "AdaGrad"' in text and "solver_type" not in text


@pytest.mark.parametrize("name, start", [("a.dot", b"digraph"), ("a.svg", None), ("a.png", b"\x89PNG")])
def test_draw_net(name, start):
    assert main(["draw_net", "nets/net.prototxt", name, "--rankdir", "TB", "--phase", "TRAIN"]) == 0
    data = Path(name).read_bytes()
    assert data.startswith(start) if start else b"<svg" in data


def test_parse_log():
    assert main(["parse_log", str(DATA.parent / "logs/train.log"), "out"]) == 0
    assert Path("out/train.log.train").read_text().startswith("NumIters,Seconds,LearningRate,loss")


@pytest.mark.parametrize("name", ["f.h5", "f.npz"])
def test_extract_features(name):
    arguments = ["extract_features", "init/net.caffemodel", "nets/net.prototxt", "fc1,loss", name, "3"]
    assert main(arguments) == 0
    net = caffe.Net("nets/net.prototxt", "init/net.caffemodel", caffe.TEST)
    wanted = np.concatenate([net.forward(blobs=["fc1"])["fc1"].copy() for _ in range(3)])
    if name == "f.h5":
        with h5py.File(name) as file:
            found = {key: file[key][()] for key in file}
    else:
        found = dict(np.load(name))
    np.testing.assert_array_equal(found["fc1"], wanted)
    assert found["loss"].shape == (3,)


def test_compute_image_mean(capsys):
    lmdb = pytest.importorskip("lmdb")
    pictures = np.random.default_rng(0).integers(0, 256, (7, 3, 4, 5)).astype(np.uint8)
    with lmdb.open("db") as environment, environment.begin(write=True) as transaction:
        for i, picture in enumerate(pictures):
            transaction.put(b"%08d" % i, caffe.io.array_to_datum(picture, i).SerializeToString())
    assert main(["compute_image_mean", "db", "mean.binaryproto"]) == 0
    mean = read_binaryproto("mean.binaryproto")
    assert mean.shape == (1, 3, 4, 5)
    np.testing.assert_allclose(mean[0], pictures.mean(0), rtol=1e-6)
    assert f"mean_value channel [2]: {pictures[:, 2].mean():g}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments, reason", [
    (["upgrade_net_proto_text", "missing.prototxt", "o"], "missing.prototxt"),
    (["upgrade_net_proto_text", "init/net.caffemodel", "o"], "is not text"),
    (["upgrade_net_proto_text", "nets/net.prototxt", "no/folder"], "no/"),
    (["upgrade_net_proto_binary", "nets/net.prototxt", "o"], "not a binary NetParameter"),
    (["upgrade_solver_proto_text", "nets/net.prototxt", "o"], "nets/net.prototxt:1"),
    (["draw_net", "nets/net.prototxt", "picture"], "extension"),
    (["draw_net", "missing.prototxt", "o.svg"], "missing.prototxt"),
    (["parse_log", "nets/net.prototxt", "out"], "no iteration found"),
    (["extract_features", "init/net.caffemodel", "nets/net.prototxt", "fc9", "o.h5", "1"], "no blob 'fc9'"),
    (["extract_features", "init/net.caffemodel", "nets/net.prototxt", "fc1", "o.txt", "1"], ".h5 or .npz"),
    (["extract_features", "init/net.caffemodel", "nets/net.prototxt", "fc1", "o.h5", "0"], "one batch"),
    (["compute_image_mean", "missing_db", "o"], "missing_db"),
])
def test_one_clear_line(arguments, reason, capfd):
    before = sorted(os.listdir("."))
    assert main(arguments) == 1
    message = capfd.readouterr().err
    assert reason in message and message.startswith(f"{arguments[0]}: ") and message.count("\n") == 1
    assert [name for name in sorted(os.listdir(".")) if name != "out"] == before


@pytest.mark.parametrize("name", TOOLS)
def test_help_and_wrong_arguments(name, capsys):
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0 and f"deeplandmark caffe {name}" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        main([name, "--no-such-flag"])
    assert end.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_help_of_the_program_names_each_verb_and_tool_in_a_line(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert end.value.code == 0 and max(map(len, lines)) <= 110
    assert all(sum(line.startswith(f"  {name} ") for line in lines) == 1 for name in (*VERBS, *TOOLS))
