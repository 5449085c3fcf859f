"""A saved folder of the original's kind, weights drawn by chance, against its rules written again with cv2 and Net.

Flat, without cascade.json, EN and NM; the nets begin with a MemoryData layer and have `landmark` as an output, too.
"""
import json

import cv2
import numpy as np
import pytest

from deeplandmark import Cascade, evaluate
from deeplandmark.caffe import TEST
from deeplandmark.caffe.net import Net
from deeplandmark.faces import read_grey
from deeplandmark.training.templates import generate
from tests.helpers.fake_cascade import faces_of, synthetic_list

NAMES = ["1_F", *(f"{level}_{point}{k}" for level in (2, 3) for point in ("LE", "RE", "N", "LM", "RM") for k in (1, 2))]
HALF_SIDES = {2: (0.16, 0.18), 3: (0.11, 0.12)}
MEMORY_DATA = """layer {{
  name: "data"
  type: "MemoryData"
  top: "data"
  top: "landmark"
  transform_param {{ scale: 0.00390625 }}
  memory_data_param {{ batch_size: 1 channels: 1 height: {size} width: {size} }}
}}
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """(the saved folder, {name: Net} of the same networks with a plain input)."""
    base = tmp_path_factory.mktemp("original")
    generate(base / "prototxt", variant="original")
    folder = base / "saved"
    folder.mkdir()
    nets = {}
    for i, name in enumerate(NAMES):
        path = base / "prototxt" / f"{name}_deploy.prototxt"
        net = nets[name] = Net(str(path), TEST, seed=i + 1)
        centred(net)
        net.save(str(folder / f"{name}.caffemodel"))
        body = path.read_text()[path.read_text().index('layer {\n  name: "conv1"'):]
        text = MEMORY_DATA.format(size=net.blobs["data"].data.shape[2]) + body
        (folder / f"{name}.prototxt").write_text(text)
    return folder, nets


def centred(net):
    """Answers scatter about the middle of the frame, as a trained network's do."""
    weight, bias = net.params["fc2"]
    weight.data[...] *= 0.2
    bias.data[...] = 0.5


def answer(net, image, window):
    """x, y in 0..1 of what the original sees of a window: cut at truncated edges, resized, normalised by itself."""
    left, top, right, bottom = window
    height, width = image.shape
    part = image[max(int(top), 0):min(int(bottom), height - 1) + 1, max(int(left), 0):min(int(right), width - 1) + 1]
    size = net.blobs["data"].data.shape[2]
    patch = cv2.resize(part, (size, size)).astype(np.float64)
    net.blobs["data"].data[...] = (patch - patch.mean()) / patch.std()
    return net.forward()["fc2"].reshape(-1, 2)


def located(nets, image, box):
    """Points after levels 1, 2 and 3: (3, 5, 2)."""
    left, top, right, bottom = box
    size = np.array([right - left, bottom - top])
    window = (left - 0.05 * size[0], top - 0.05 * size[1], right + 0.05 * size[0], bottom + 0.05 * size[1])
    levels = [[left, top] + answer(nets["1_F"], image, window) * size]
    for level in (2, 3):
        points = []
        for start, name in zip(levels[-1], ("LE", "RE", "N", "LM", "RM")):
            found = []
            for k, half_side in enumerate(HALF_SIDES[level], 1):
                corner = start - half_side * size
                net = nets[f"{level}_{name}{k}"]
                in_patch = answer(net, image, (*corner, *(start + half_side * size)))[0]
                found.append(corner + in_patch * 2 * half_side * size)
            points.append(np.mean(found, axis=0))
        levels.append(np.array(points))
    return np.array(levels)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return faces_of(synthetic_list(tmp_path_factory.mktemp("faces"), 3))


def test_a_saved_folder_is_run_by_the_originals_rules(original, faces):
    folder, nets = original
    cascade = Cascade.load(folder)
    for face in faces:
        image, box = read_grey(face.path), face.bbox.as_array()
        expected = located(nets, image, box)
        found = cascade.locate(image, box[None])
        assert np.abs(np.diff(expected, axis=0)).max() > 0.5     # the levels do move the points
        np.testing.assert_allclose(found.levels[0], expected, atol=2e-3)
        np.testing.assert_allclose(found.first[0], expected[0], atol=2e-3)


def test_evaluate_reports_it(original, faces, tmp_path, capsys):
    folder, nets = original
    data = faces[0].path.parent
    assert evaluate.main(["--model", str(folder), "--data", str(data), "--json", str(tmp_path / "table.json")]) == 0
    assert "this model, level 3" in capsys.readouterr().out
    levels = json.loads((tmp_path / "table.json").read_text())["levels"]
    errors = [np.linalg.norm(located(nets, read_grey(face.path), face.bbox.as_array()) - face.landmark_px, axis=2)
              / face.bbox.width for face in faces]
    for i, expected in enumerate(np.mean(errors, axis=0), 1):
        np.testing.assert_allclose(levels[str(i)]["mean"], expected, rtol=1e-3)
