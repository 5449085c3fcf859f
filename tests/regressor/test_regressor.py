"""The regressor: a colour network of 112 x 112 for 68 points at once, through the same commands as a cascade."""
import csv
import json
import pickle
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from deeplandmark import find, load
from deeplandmark.__main__ import main
from deeplandmark.detectors import GivenBoxes
from deeplandmark.faces.alignment import ARCFACE, similarity_to
from deeplandmark.faces.box import BBox
from deeplandmark.faces.datasets.annotation import Annotation
from deeplandmark.faces.datasets.picture_list import read_list, write_list
from deeplandmark.faces.points import FIVE_POINTS, IBUG_68
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.models.families import settings_of
from deeplandmark.regressor.engines import UNKNOWN, OnnxEngine, TorchEngine
from deeplandmark.regressor.regressor import Regressor
from deeplandmark.training.templates import template_folder
from deeplandmark.web.finder import Finder
from deeplandmark.web.limits import Limits
from deeplandmark.web.upload import Upload

pytestmark = [pytest.mark.process, pytest.mark.slow]  # one network is trained for all of them

SEED = 5
SMALL = """{%- import "macros.prototxt.template" as net -%}
{{ net.conv_relu("conv1", "data", s=5, n=8, stride=4) }}
{{ net.conv_relu("conv2", "conv1", s=3, n=16, stride=2) }}
{{ net.conv_relu("conv3", "conv2", s=3, n=32, stride=2) }}
{{ net.inner_product("fc1", "conv3", n=64) }}
{{- net.relu("relu_fc1", "fc1") }}
{{- net.inner_product("fc2", "fc1", n=num_output) }}
"""


def sixty_eight(five, rng=np.random.default_rng(SEED)):  # noqa: B008 - the same weights for every face
    """68 points that move with the five, left with left: (k, 2) to (68, 2)."""
    if not hasattr(sixty_eight, "weights"):
        weights = rng.dirichlet(np.ones(5), 68)
        sixty_eight.weights = (weights + weights[list(IBUG_68.mirror)][:, list(FIVE_POINTS.mirror)]) / 2
    return sixty_eight.weights @ five


def draw_pictures(folder, count, list_name, first):
    """Faces in boxes moved by up to a sixth of their side, so that there is something to find."""
    faces = []
    for i in range(first, first + count):
        rng = np.random.default_rng(i)
        grey, five, box = draw_face(rng)
        dx, dy = rng.uniform(-1, 1, 2) * box.width / 6
        box = BBox(box.left + dx, box.top + dy, box.right + dx, box.bottom + dy)
        path = folder / f"{i}.png"
        cv2.imwrite(str(path), cv2.applyColorMap(grey, cv2.COLORMAP_BONE))
        faces.append(Annotation(path, box, sixty_eight(five), list_name, i))
    write_list(folder / f"{list_name}ImageList.txt", faces)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with coloured faces of 68 points, templates of a smaller network, and what the commands made of them."""
    print("seed", SEED)
    folder = tmp_path_factory.mktemp("regressor")
    pictures = folder / "pictures"
    pictures.mkdir()
    draw_pictures(pictures, 60, "train", 0)
    draw_pictures(pictures, 10, "test", 60)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("DEEPLANDMARK_DATA", raising=False)
        shutil.copytree(template_folder(), "t", ignore=shutil.ignore_patterns("*.prototxt"))
        Path("t/regressor/face112_net.prototxt.template").write_text(SMALL)
        train = Path("t/train.prototxt.template")
        train.write_text(train.read_text().replace("batch_size | default(64)", "batch_size | default(16)", 1))
        solver = Path("t/adam_solver.prototxt.template")
        solver.write_text(re.sub("test_iter: .*", "test_iter: 1", solver.read_text()))
        which = "--variant face112 --points 68"
        plan = "--set iterations=500 --set base_lr=0.003"
        for line in (f"generate {which} --templates t {plan} --train train --model model",
                     f"prepare 1 {which} --data pictures --out train --jobs 1",
                     f"train 1 {which} --train train --model model --log log",
                     "export --model model model/regressor.onnx", "calibrate --model model --data pictures"):
            assert main(line.split()) == 0, line
    return folder


@pytest.fixture
def here(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    return workplace


def faces(list_name):
    return read_list(Path("pictures", f"{list_name}ImageList.txt"), 68)


def test_it_has_learnt(here, capsys):
    """Better by two fifths than the mean shape, on faces it has not seen, measured by `evaluate`."""
    assert main(["evaluate", "--model", "model", "--data", "pictures", "--json", "table.json"]) == 0
    assert "level 1" in capsys.readouterr().out
    test, train = faces("test"), faces("train")
    mean_shape = np.mean([face.bbox.project(face.landmark_px) for face in train], axis=0)
    regressor = Regressor.load("model")
    errors = {"net": [], "mean shape": []}
    for face in test:
        found = regressor.locate(face.path, [face.bbox.as_array()]).points[0]
        for name, points in (("net", found), ("mean shape", face.bbox.reproject(mean_shape))):
            errors[name].append(np.linalg.norm(points - face.landmark_px, axis=1).mean() / face.bbox.width)
    assert np.mean(errors["net"]) < 0.6 * np.mean(errors["mean shape"]), errors


def test_what_the_folder_says(here):
    regressor = Regressor.load("model")
    assert regressor.points == IBUG_68 and regressor.settings.channels == 3
    assert regressor.settings.network.size == (112, 112) and len(regressor.settings.networks) == 1
    confidence = regressor.locate(faces("test")[0].path, [[20, 20, 120, 120]]).confidence
    assert confidence.shape == (1, 68) and (0 < confidence).all() and (confidence < 1).all()
    fitted = regressor.settings.confidence
    assert len(fitted.weights) > 1 and 0 < fitted.lost <= fitted.sure < 1
    for values in (fitted.bias, fitted.slope):                   # a point and its mirror image are one thing
        assert np.allclose(values, np.array(values)[list(IBUG_68.mirror)], rtol=1e-4)
    assert (regressor.locate(np.full((90, 90, 3), 9, np.uint8), [[9, 9, 80, 80]]).confidence == 0).all()


@pytest.mark.parametrize("box", [(30, 40, 90, 100), (-20, -30, 70, 60), (60.5, 31.25, 300, 290), (5, 5, 11, 12)])
def test_the_graph_and_torch_agree(here, box):
    """Also where the box reaches over the edge, is much larger than the input, or much smaller."""
    image = cv2.imread(str(faces("test")[0].path))
    boxes = np.array([box, [20, 30, 120, 130]], np.float64)
    graph, torch = OnnxEngine("model/regressor.onnx"), TorchEngine("model")
    (points, confidence), expected = graph.run(image, boxes), torch.run(image, boxes)
    assert np.abs(points - expected[0]).max() < 0.005 and np.abs(confidence - expected[1]).max() < 1e-3
    assert [found.shape for found in graph.run(image, np.zeros((0, 4)))] == [(0, 68, 2), (0, 68)]


def test_further_looks(here):
    """At a face on its side they end where an upright face's do; alone or among many, and by both engines."""
    face = faces("test")[0]
    upright, box = cv2.imread(str(face.path)), face.bbox.as_array()
    last, side = upright.shape[0] - 1, box[2] - box[0]
    turned, middle = np.ascontiguousarray(np.rot90(upright, -1)), (box[:2] + box[2:]) / 2
    middle = np.array([last - middle[1], middle[0]])
    boxes = np.array([[*(middle - side / 2), *(middle + side / 2)]])
    regressor, by_torch = Regressor.load("model"), Regressor.load("model", backend="torch")
    expected = regressor.locate(upright, box[None], looks=2).points[0]
    expected = np.stack([last - expected[:, 1], expected[:, 0]], axis=1)
    found = regressor.locate(turned, boxes, looks=2, angles=[90])
    assert found.looks[0] >= 2 and np.abs(found.points[0] - expected).mean() < 0.02 * side
    (many,) = regressor.locate_many([(turned, boxes, [90])], looks=2)
    assert np.allclose(many.points, found.points, rtol=0, atol=1e-3)
    assert np.abs(by_torch.predict(turned, boxes, 2, [90]) - found.points).max() < 0.02 * side
    assert regressor.locate(turned, boxes).looks.tolist() == [1] and regressor.looks == (1, 2, "auto")
    with pytest.raises(ValueError, match="looks is 1, 2 or 'auto', found 3"):
        regressor.locate(turned, boxes, looks=3)


def test_several_threads_many_pictures_and_a_pickle_give_the_same(here):
    regressor = Regressor.load("model", threads=2)
    pictures = [(face.path, face.bbox.as_array()[None]) for face in faces("test")]
    many = [found.points for found in regressor.locate_many(pictures)]
    copy = pickle.loads(pickle.dumps(regressor))
    for (path, boxes), points in zip(pictures, many):
        assert np.array_equal(regressor.locate(path, boxes).points, points)
        assert np.array_equal(copy.predict(path, boxes), points)
    both = np.concatenate([boxes for _, boxes in pictures[:2]])
    assert regressor.locate(pictures[0][0], both).points.shape == (2, 68, 2)


def test_detect_align_and_find_run_with_it(here, capsys):
    """As with a cascade; what only a cascade has is refused in words."""
    face = faces("test")[0]
    box = face.bbox.as_array()
    which = ["--looks", "1", "--model", "model", f"--boxes={','.join(map(str, box))}", str(face.path)]
    assert main(["detect", *which, "--csv", "points.csv", "--out", "drawn"]) == 0
    (row,) = csv.DictReader(Path("points.csv").read_text().splitlines())
    found = find(face.path, detector=GivenBoxes([box]), model="model", looks=1)
    expected = Regressor.load("model").predict(face.path, [box])
    assert np.allclose(found.points, expected, rtol=0, atol=1e-3) and found.points.shape == (1, 68, 2)
    assert np.allclose([[float(row[f"{axis}{i}"]) for axis in "xy"] for i in range(1, 69)], expected[0], atol=0.006)
    assert main(["align", *which, "--out", "crops", "--transforms", "crops.jsonl"]) == 0
    matrix = json.loads(Path("crops.jsonl").read_text())["matrix"]
    assert np.allclose(matrix, similarity_to(IBUG_68.to_five(expected[0]), ARCFACE.points), atol=1e-3)
    capsys.readouterr()
    assert main(["detect", *which, "--level", "2"]) == 1
    assert capsys.readouterr().err == "detect: --level 2: the model model has no levels\n"
    assert main(["export", "--model", "model", "--half", "half.onnx"]) == 1
    assert capsys.readouterr().err == "export: --half: model is a regressor, which has no such option\n"


def test_the_web_page_sees_a_single_level(here):
    face = faces("test")[0]
    finder = Finder(load("model"), None, Limits())
    model = finder.model()
    assert model["levels"] == [1] and model["half_sides"] == {} and len(model["points"]) == 68
    (answer,) = finder.find(Upload(face.path.read_bytes(), face.bbox.as_array()[None]))["faces"]
    assert answer["levels"] == [answer["points"]] and len(answer["points"]) == len(answer["confidence"]) == 68


def test_a_graph_of_another_network_is_not_used(here, tmp_path):
    shutil.copytree("model", tmp_path / "model")
    described = tmp_path / "model" / "model.json"
    described.write_text(described.read_text() + "\n")
    with pytest.warns(UserWarning, match="was made of another network"):
        assert isinstance(Regressor.load(tmp_path / "model")._engine, TorchEngine)
    (tmp_path / "model" / "1_face.caffemodel").unlink()
    (tmp_path / "model" / "1_face.prototxt").unlink()
    assert Regressor.load(tmp_path / "model").points == IBUG_68   # the exported graph alone is enough


def test_what_is_no_regressor_is_refused(here, tmp_path):
    for path, text in ((tmp_path, "it has no model.json"), (tmp_path / "no.onnx", "neither a model folder nor")):
        with pytest.raises(ValueError, match=text):
            Regressor.load(path)
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(ValueError, match="not a model that ONNX Runtime can read"):
        Regressor.load(tmp_path / "bad.onnx")
    other = onnx.load("model/regressor.onnx")
    del other.metadata_props[:]
    onnx.save(other, tmp_path / "other.onnx")
    with pytest.raises(ValueError, match="not a regressor exported by this version"):
        Regressor.load(tmp_path / "other.onnx")


def test_an_uncalibrated_one_knows_nothing(tmp_path):
    settings = settings_of("face112", FIVE_POINTS)
    assert settings.confidence is None and 0 < UNKNOWN < 1
    settings.save(tmp_path)
    assert type(settings).load(tmp_path) == settings
