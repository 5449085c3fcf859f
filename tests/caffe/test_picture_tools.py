"""classify and detect: what they write against Classifier, Detector and numbers made by hand; their one-line errors."""
import csv
import os
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import torch

import deeplandmark.caffe as caffe
from deeplandmark.caffe.tools.command_line import main

# The mean of each channel as the net sees it, B, G and R: what preparing a picture comes to can be told by hand.
MEANS = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: CHANNELS dim: 8 dim: 8 } } }
layer { name: "means" type: "Pooling" bottom: "data" top: "means" pooling_param { pool: AVE global_pooling: true } }
layer { name: "out" type: "InnerProduct" bottom: "means" top: "out"
  inner_product_param { num_output: CHANNELS bias_term: false } }
"""
CONV = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 3 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 5 kernel_size: 8 weight_filler { type: "gaussian" std: 0.01 } } }
layer { name: "prob" type: "Softmax" bottom: "conv" top: "prob" }
"""
RED, GREY = (200, 20, 40), (100, 100, 100)                       # R, G, B
NET = ["--model_def", "means.prototxt", "--pretrained_model", "means.caffemodel"]
CONVOLVED = ["--model_def", "conv.prototxt", "--pretrained_model", "conv.caffemodel"]


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, channels in (("means", 3), ("grey", 1)):
        Path(f"{name}.prototxt").write_text(MEANS.replace("CHANNELS", str(channels)))
        net = caffe.Net(f"{name}.prototxt", caffe.TEST)
        net.params["out"][0].data[...] = np.eye(channels)
        net.save(f"{name}.caffemodel")
    Path("conv.prototxt").write_text(CONV)
    caffe.Net("conv.prototxt", caffe.TEST, seed=3).save("conv.caffemodel")
    rng = np.random.default_rng(8)
    os.mkdir("pictures")
    for name in "bca":
        cv2.imwrite(f"pictures/{name}.png", rng.integers(0, 256, (20, 30, 3)).astype(np.uint8))
    cv2.imwrite("red.png", np.full((260, 300, 3), RED[::-1], np.uint8))    # only smaller: enlarging darkens the edge
    halves = np.full((20, 30, 3), RED[::-1], np.uint8)
    halves[:, 15:] = GREY
    cv2.imwrite("halves.png", halves)


def test_classify_prepares_a_picture_as_told():
    np.save("mean.npy", np.stack([np.full((4, 5), mean) for mean in (10, 20, 30.)]))
    assert main(["classify", "red.png", "plain", *NET]) == 0
    np.testing.assert_allclose(np.load("plain.npy"), [RED[::-1]], rtol=1e-5)
    assert main(["classify", "red.png", "all.npy", *NET, "--mean_file", "mean.npy", "--channel_swap", "1,0,2",
                 "--raw_scale", "510", "--input_scale", "0.5", "--center_only", "--images_dim", "8,9"]) == 0
    np.testing.assert_allclose(np.load("all.npy"), [[20 - 5, 200 - 10, 40 - 15]], rtol=1e-5)


def test_classify_takes_caffe_s_mean_pictures():
    mean = np.stack([np.full((4, 5), mean) for mean in (10, 20, 30.)])
    blob = caffe.proto.caffe_pb2.BlobProto(num=1, channels=3, height=4, width=5, data=mean.ravel().tolist())
    Path("mean.binaryproto").write_bytes(blob.SerializeToString())
    assert main(["classify", "red.png", "out.npy", *NET, "--mean_file", "mean.binaryproto"]) == 0
    np.testing.assert_allclose(np.load("out.npy"), [[30, 0, 170]], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("center_only", [False, True])
def test_classify_a_folder_as_the_classifier_does(center_only, capsys):
    arguments = ["classify", "pictures", "out.npy", *CONVOLVED, "--ext", "png", "--images_dim", "10,12"]
    assert main(arguments + ["--center_only"] * center_only) == 0
    classifier = caffe.Classifier("conv.prototxt", "conv.caffemodel", image_dims=(10, 12), raw_scale=255,
                                  channel_swap=(2, 1, 0))
    pictures = [caffe.io.load_image(f"pictures/{name}.png") for name in "abc"]
    wanted = classifier.predict(pictures, not center_only)
    np.testing.assert_array_equal(np.load("out.npy"), wanted)
    assert wanted.shape == ((3, 5, 1, 1) if center_only else (3, 5)) and wanted.std(0).max() > 1e-3
    assert "Classifying 3 inputs." in capsys.readouterr().out


def test_classify_arrays():
    np.save("in.npy", np.random.default_rng(0).random((5, 9, 9, 3)))
    assert main(["classify", "in.npy", "out.npy", *CONVOLVED]) == 0
    classifier = caffe.Classifier("conv.prototxt", "conv.caffemodel", image_dims=(256, 256), raw_scale=255,
                                  channel_swap=(2, 1, 0))
    np.testing.assert_array_equal(np.load("out.npy"), classifier.predict(np.load("in.npy")))


def test_classify_with_a_net_of_one_channel():
    assert main(["classify", "red.png", "out.npy", "--model_def", "grey.prototxt", "--pretrained_model",
                 "grey.caffemodel", "--channel_swap", ""]) == 0
    np.testing.assert_allclose(np.load("out.npy"), [[0.2125 * 200 + 0.7154 * 20 + 0.0721 * 40]], rtol=1e-5)


def test_classify_prints_the_best_classes(capsys):
    Path("labels.txt").write_text("n3 fox, red fox\nn1 sea\nn2 grass, lawn, turf\n")
    assert main(["classify", "red.png", "out.npy", *NET, "--print_results", "--labels_file", "labels.txt"]) == 0
    assert "\nred.png: fox 200.00000, sea 40.00000, grass 20.00000\n" in capsys.readouterr().out
    assert main(["classify", "red.png", "out.npy", *NET, "--print_results"]) == 0
    assert "\nred.png: 2 200.00000, 0 40.00000, 1 20.00000\n" in capsys.readouterr().out


WINDOWS = "xmin, ymin, xmax, ymax, filename, note\n"
ROWS = [("halves.png", (0, 0, 20, 15)), ("red.png", (3, 4, 11, 13)), ("halves.png", (2, 15, 12, 30)),
        ("halves.png", (0, 9, 20, 21))]


@pytest.fixture
def windows():
    Path("windows.csv").write_text(WINDOWS + "".join(
        f"{left}, {top}, {right}.0, {bottom}, {name}, x\n" for name, (top, left, bottom, right) in ROWS))
    return ["detect", "windows.csv"]


def test_detect_scores_windows(windows):
    np.save("mean.npy", np.zeros((3, 1, 1)))
    assert main([*windows, "out.csv", *NET, "--context_pad", "0", "--mean_file", "mean.npy"]) == 0
    rows = list(csv.reader(Path("out.csv").read_text().splitlines()))
    assert rows[0] == ["filename", "ymin", "xmin", "ymax", "xmax", "class0", "class1", "class2"]
    assert [(row[0], tuple(map(int, row[1:5]))) for row in rows[1:]] == [ROWS[0], ROWS[2], ROWS[3], ROWS[1]]
    half = (np.array(RED[::-1]) + GREY) / 2
    np.testing.assert_allclose(np.array([row[5:] for row in rows[1:]], float), [RED[::-1], GREY, half, RED[::-1]],
                               rtol=1e-5)


@pytest.mark.parametrize("pad", [0, 2])
def test_detect_writes_what_the_detector_finds(windows, pad, capsys):
    np.save("mean.npy", np.array([30., 20, 10]))
    settings = [*CONVOLVED, "--context_pad", str(pad), "--mean_file", "mean.npy", "--input_scale", "0.5"]
    assert main([*windows, "out.h5", *settings]) == 0
    assert "Processed 4 windows" in capsys.readouterr().out
    detector = caffe.Detector("conv.prototxt", "conv.caffemodel", mean=np.array([30., 20, 10]), input_scale=0.5,
                              raw_scale=255, channel_swap=(2, 1, 0), context_pad=pad)
    wanted = detector.detect_windows([("halves.png", [window for name, window in ROWS if name == "halves.png"]),
                                      ("red.png", [ROWS[1][1]])])
    with h5py.File("out.h5") as file:
        assert sorted(file) == ["filename", "prediction", "xmax", "xmin", "ymax", "ymin"]
        assert [name.decode() for name in file["filename"]] == [row["filename"] for row in wanted]
        places = np.stack([file[name][()] for name in ("ymin", "xmin", "ymax", "xmax")], 1)
        np.testing.assert_array_equal(places, [row["window"] for row in wanted])
        np.testing.assert_array_equal(file["prediction"][()], [row["prediction"] for row in wanted])
    assert main([*windows, "out.csv", *settings]) == 0           # the same to the last bit
    rows = list(csv.reader(Path("out.csv").read_text().splitlines()))[1:]
    np.testing.assert_array_equal(np.array([row[5:] for row in rows], np.float32), [r["prediction"] for r in wanted])


def test_detect_takes_names_that_are_no_utf_8():
    name = os.fsdecode(b"\xff.png")
    os.rename("red.png", name)
    Path("windows.csv").write_bytes(b"\xef\xbb\xbffilename,ymin,xmin,ymax,xmax\n\xff.png,0,0,5,5\n")
    for output in ("out.csv", "out.h5"):
        assert main(["detect", "windows.csv", output, *NET, "--context_pad", "1"]) == 0
    assert Path("out.csv").read_bytes().splitlines()[1].startswith(b"\xff.png,0,0,5,5,")
    with h5py.File("out.h5") as file:
        assert file["filename"][0] == b"\xff.png"


def test_gpu(capfd):
    """Where there is none that is an error; either way nets that are built later live where they did before."""
    status = main(["classify", "red.png", "out.npy", *NET, "--gpu"])
    assert caffe.Net("means.prototxt", caffe.TEST).device.type == "cpu"
    if torch.cuda.is_available():
        assert status == 0
        np.testing.assert_allclose(np.load("out.npy"), [RED[::-1]], rtol=1e-3)
    else:
        assert status == 1 and capfd.readouterr().err.startswith("classify: no GPU can be used here")


@pytest.mark.parametrize("files, arguments, reason", [
    ({}, ["classify", "missing.jpg", "o.npy"], "missing.jpg: not found"),
    ({}, ["classify", "pictures", "o.npy"], "pictures: no *.jpg in this folder"),
    ({}, ["classify", "means.prototxt", "o.npy"], "means.prototxt: is no picture"),
    ({}, ["classify", "red.png", "no/o.npy"], "no/o.npy"),
    ({}, ["classify", "red.png", "o.npy", "--images_dim", "9"], "--images_dim takes a height and a width, found 1"),
    ({}, ["classify", "red.png", "o.npy", "--images_dim", "4,9"], "crops of 8 x 8"),
    ({}, ["classify", "red.png", "o.npy", "--images_dim", "4,9", "--center_only"], "a crop of (8, 8)"),
    ({}, ["classify", "red.png", "o.npy", "--channel_swap", "1,0"], "must name 3 channels"),
    ({}, ["classify", "red.png", "o.npy", "--channel_swap", "3,1,0"], "must name 3 channels"),
    ({}, ["classify", "red.png", "o.npy", "--mean_file", "no.npy"], "no.npy: cannot be read as .npy: No such file"),
    ({"m.npy": np.zeros((2, 2))}, ["classify", "red.png", "o.npy", "--mean_file", "m.npy"], "m.npy: a mean has"),
    ({"m.npy": np.zeros(2)}, ["classify", "red.png", "o.npy", "--mean_file", "m.npy"], "2 channels, the input has 3"),
    ({"in.npy": np.zeros((9, 9, 3))}, ["classify", "in.npy", "o.npy"], "in.npy: pictures have the shape"),
    ({"in.npy": np.zeros((2, 9, 9, 4))}, ["classify", "in.npy", "o.npy"], "a picture has 4 channels"),
    ({"in.npy": np.array(["a"])}, ["classify", "in.npy", "o.npy"], "in.npy: holds no array of numbers"),
    ({"in.npy": np.array([{}])}, ["classify", "in.npy", "o.npy"], "in.npy: cannot be read as .npy"),
    ({"in.npy": b"\x93NUMPY"}, ["classify", "in.npy", "o.npy"], "in.npy: cannot be read as .npy"),
    ({"in.npy": np.zeros((0, 9, 9, 3))}, ["classify", "in.npy", "o.npy"], "in.npy: "),
    ({"l": b"a b\nc\n"}, ["classify", "red.png", "o.npy", "--labels_file", "l"], "l:2: expected an id and a name"),
    ({"l": b"a b\n"}, ["classify", "red.png", "o.npy", "--labels_file", "l", "--print_results"], "the net 3"),
    ({"a.txt": b"red.png"}, ["detect", "a.txt", "o.h5"], "selective search is a MATLAB program"),
    ({}, ["detect", "a.csv", "o.h5", "--crop_mode", "selective_search"], "selective search is a MATLAB program"),
    ({}, ["detect", "a.csv", "o.h5"], "No such file or directory: 'a.csv'"),
    ({"a.csv": b""}, ["detect", "a.csv", "o.h5"], "a.csv:1: expected the columns filename, ymin"),
    ({"a.csv": b"filename,xmin\n"}, ["detect", "a.csv", "o.h5"], "found 'filename, xmin'"),
    ({"a.csv": b"filename,ymin,xmin,ymax,xmax\n"}, ["detect", "a.csv", "o.h5"], "no windows"),
    ({"a.csv": b"filename,ymin,xmin,ymax,xmax\nred.png,1,1,5\n"}, ["detect", "a.csv", "o.h5"],
     "a.csv:2: xmax must be a whole number of pixels, found ''"),
    ({"a.csv": b"filename,ymin,xmin,ymax,xmax\nred.png,1,1.5,5,5\n"}, ["detect", "a.csv", "o.h5"], "a.csv:2: xmin"),
    ({"a.csv": b"filename,ymin,xmin,ymax,xmax\nred.png,1,1,5,301\n"},
     ["detect", "a.csv", "o.h5", "--context_pad", "0"], "red.png: window (1, 1, 5, 301) is empty or reaches beyond"),
    ({"a.csv": b"filename,ymin,xmin,ymax,xmax\nno.png,1,1,5,5\n"}, ["detect", "a.csv", "o.h5", "--context_pad", "0"],
     "no.png: not found"),
    ({"a.csv": b"filename,ymin,xmin,ymax,xmax\nred.png,1,1,5,5\n"}, ["detect", "a.csv", "o.h5"], "context_pad 16"),
    ({"a.csv": b"filename,ymin,xmin,ymax,xmax\nred.png,1,1,5,5\n"}, ["detect", "a.csv", "o.txt"], ".csv or .h5"),
])
def test_one_clear_line(files, arguments, reason, capfd):
    for name, content in files.items():
        if isinstance(content, bytes):
            Path(name).write_bytes(content)
        else:
            np.save(name, content)
    before = sorted(os.listdir("."))
    assert main([*arguments, *NET]) == 1
    message = capfd.readouterr().err
    assert reason in message and message.startswith(f"{arguments[0]}: ") and message.count("\n") == 1
    assert sorted(os.listdir(".")) == before


@pytest.mark.parametrize("arguments", [["--images_dim", "a,b"], ["--channel_swap", "-1,0,1"], ["--raw_scale", "nan"],
                                       ["--input_scale", "x"], ["--crop_mode", "center_only"]])
def test_wrong_arguments_are_named(arguments, capsys):
    tool = "detect" if arguments[0] == "--crop_mode" else "classify"
    with pytest.raises(SystemExit) as end:
        main([tool, "red.png", "o", *NET, *arguments])
    message = capsys.readouterr().err
    assert end.value.code == 2 and arguments[0] in message and message.count("\n") == 1


def test_pictures_are_taken_when_it_is_their_turn():
    """So that a folder or a list of any length needs no more memory than a batch."""
    class Watched(caffe.Detector):
        batches = 0

        def forward_all(self, *arguments, **inputs):
            self.batches += 1
            return super().forward_all(*arguments, **inputs)

    def pictures():
        for i in range(5):
            assert detector.batches >= i - 1
            yield "red.png", [(0, 0, 9, 9)] * 4

    detector = Watched("means.prototxt", "means.caffemodel")
    assert len(detector.detect_windows(pictures())) == 20 and detector.batches == 5
