"""The published cascade as one graph: the torch cascade's answers, for every size and number of faces."""
import subprocess
import sys

import cv2
import numpy as np
import onnxruntime
import pytest

from deeplandmark import Cascade
from deeplandmark.cascade.confidence.confidence import point_confidence
from deeplandmark.cascade.onnx import export_cascade
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.networks.model_folder import fingerprint
from deeplandmark.networks.published import ONNX_FILE, model_at
from tests.helpers.onnx_cascades import TOLERANCE_PX, assert_same, picture


@pytest.fixture(scope="module")
def by_torch():
    return Cascade.load("wide", backend="torch")


@pytest.fixture(scope="module")
def by_onnx(tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "cascade.onnx"
    export_cascade(model_at("wide"), path)
    return Cascade.load(path)


def test_the_published_graph_is_that_of_the_published_networks():
    """After weights have changed: deeplandmark export --model deeplandmark/published/NAME .../NAME/cascade.onnx"""
    for name, size in (("best", 4.5), ("wide", 10), ("light", 1.4)):
        folder = model_at(name)
        assert fingerprint(folder) == Cascade.load(folder / ONNX_FILE)._engine.fingerprint
        assert Cascade.load(name).backend == "onnx"
        assert (folder / ONNX_FILE).stat().st_size < size * 2 ** 20


def test_synthetic_faces(by_torch):
    published = Cascade.load("wide")
    for seed in range(12):
        image, _, box = draw_face(np.random.default_rng(seed))
        assert_same(published.locate(image, [box.as_array()]), by_torch.locate(image, [box.as_array()]))


@pytest.mark.parametrize("boxes", [
    [[60, 40, 160, 140]],
    [[60, 40, 160, 140], [-20, -10, 70, 90], [150, 120, 260, 230.5], [10, 10, 30, 35], [100.3, 100, 104.1, 104]],
    [[-400, -300, 900, 700]],               # the border, repeated, is most of it
    [[400, 50, 460, 110], [-90, 20, -30, 80], [20, -900, 80, -840]],       # beside the picture
    [[10, 20, 200, 90], [10, 20, 60, 220]],                                # not square
])
def test_boxes_of_all_kinds(by_torch, by_onnx, boxes):
    image = picture()
    tolerance_px = max(TOLERANCE_PX, 2e-5 * np.ptp(boxes))       # of a box of 1,300 pixels float32 leaves little more
    for level in (1, 2, 3):
        assert_same(by_onnx.locate(image, boxes, level), by_torch.locate(image, boxes, level), tolerance_px)


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (3, 7), (64, 8), (61, 9)])
def test_small_pictures(by_torch, by_onnx, size):
    image = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)
    boxes = [[0, 0, 9, 9], [-3, -2, 40, 41]]
    assert_same(by_onnx.locate(image, boxes), by_torch.locate(image, boxes))


@pytest.mark.parametrize("colour", [0, 3, 201, 255])
def test_a_patch_of_one_colour_is_near_zeros(by_onnx, colour):
    """Whatever the colour, the size of the box and so what rounding leaves."""
    faces = by_onnx.locate(np.full((40, 50), colour, np.uint8),
                           [[5, 5, 25, 25], [10, 10, 20, 20], [-300, 5, -150, 155]])
    in_box = (faces.points - [[[5, 5]], [[10, 10]], [[-300, 5]]]) / [[[20, 20]], [[10, 10]], [[150, 150]]]
    assert np.allclose(in_box, in_box[0], atol=0.005)


@pytest.mark.parametrize("looks", [1, "auto"])
def test_where_there_is_nothing_to_see_nothing_is_sure(looks):
    image, _, box = draw_face(np.random.default_rng(7))
    image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    there = box.as_array()
    half = np.full((image.shape[0], 2 * image.shape[1]), 90, np.uint8)
    half[:, :image.shape[1]] = image                             # and nothing beside the face
    beside = there + [image.shape[1], 0, image.shape[1], 0]
    for backend in ("onnx", "torch"):
        cascade = Cascade.load(model_at("wide"), backend)
        for colour in (0, 127, 255):
            nothing = cascade.locate(np.full_like(image, colour), [there], looks=looks)
            assert (nothing.confidence == 0).all()
        both = cascade.locate(half, [there, beside], looks=looks)
        assert (both.confidence[0] > 0.5).all() and (both.confidence[1] == 0).all()


def test_large_windows_strip_by_strip(by_torch, by_onnx):
    image = cv2.resize(picture(), (1500, 1300), interpolation=cv2.INTER_CUBIC)
    boxes = [[100, 60, 1350, 1200], [700, 300, 1300, 930], [40, 50, 90, 99]]
    assert_same(by_onnx.locate(image, boxes), by_torch.locate(image, boxes))


@pytest.mark.parametrize("boxes", [
    [[900, 700, 960, 760]], [[30, -20, 130, 80]], [[1380, 900, 1500, 1020], [1200, 990, 1290, 1080]],
    [[1600, 300, 1700, 400]], [[300, -500, 400, -400]], [[10, 10, 90, 90], [1200, 900, 1300, 1000]]])
def test_of_a_large_picture_only_the_faces_are_looked_at(by_torch, by_onnx, boxes):
    image = np.tile(picture(500, 700), (2, 2))
    image += np.arange(image.size, dtype=np.int64).reshape(image.shape).astype(np.uint8) // 8
    assert_same(by_onnx.locate(image, boxes), by_torch.locate(image, boxes))


def test_no_face(by_onnx):
    for level in (1, 2, 3):
        faces = by_onnx.locate(picture(), np.zeros((0, 4)), level)
        assert faces.points.shape == (0, 5, 2) and faces.levels.shape == (0, level, 5, 2)
        assert faces.confidence.shape == (0, 5)


def test_many_faces_in_parts_keep_their_order(by_onnx):
    rng = np.random.default_rng(2)
    corner = rng.uniform(-20, 200, (300, 2))
    boxes = np.hstack([corner, corner + rng.uniform(10, 120, (300, 1))])
    together, some = by_onnx.locate(picture(), boxes), rng.choice(300, 5, replace=False)
    assert_same(Cascade.load("wide", threads=3).locate(picture(), boxes), together)
    for i in some:
        alone = by_onnx.locate(picture(), boxes[i:i + 1])
        assert np.abs(alone.levels[0] - together.levels[i]).max() < TOLERANCE_PX
        assert np.abs(alone.confidence[0] - together.confidence[i]).max() < 1e-3


def test_weights_in_float16_take_half_the_file(by_onnx, tmp_path):
    export_cascade(model_at("wide"), tmp_path / "whole.onnx")
    export_cascade(model_at("wide"), tmp_path / "half.onnx", half=True)
    assert (tmp_path / "half.onnx").stat().st_size < 0.55 * (tmp_path / "whole.onnx").stat().st_size
    image, boxes = picture(), [[84, 92, 161, 169]]
    difference_px = np.abs(Cascade.load(tmp_path / "half.onnx").predict(image, boxes) - by_onnx.predict(image, boxes))
    assert 0 < difference_px.max() < 0.2


def test_mirrored_averaging(by_torch, tmp_path):
    export_cascade(model_at("wide"), tmp_path / "mirrored.onnx", mirror=True)
    image, boxes = picture(), np.array([[60, 40, 160, 140], [150.5, 100, 280, 220]])
    back = image.shape[1] - 1
    plain = by_torch.locate(image, boxes)
    other = by_torch.locate(np.ascontiguousarray(image[:, ::-1]), np.stack([back - boxes[:, 2], boxes[:, 1],
                                                                           back - boxes[:, 0], boxes[:, 3]], 1))
    swap = list(by_torch.settings.points.mirror)
    found = Cascade.load(tmp_path / "mirrored.onnx").locate(image, boxes)
    expected = (plain.levels + other.levels[:, :, swap] * [-1, 1] + [back, 0]) / 2
    assert np.abs(found.levels - expected).max() < TOLERANCE_PX
    assert np.abs(found.first - (plain.first + other.first[:, swap] * [-1, 1] + [back, 0]) / 2).max() < TOLERANCE_PX
    assert np.abs(found.spread - (plain.spread + other.spread[:, :, swap]) / 2).max() < TOLERANCE_PX


def test_a_level_less_is_the_beginning_of_all_levels(by_onnx):
    image, boxes = picture(), [[60, 40, 160, 140], [100, 90, 180, 170]]
    whole = by_onnx.locate(image, boxes)
    for level in (1, 2):
        part = by_onnx.locate(image, boxes, level)
        assert np.array_equal(part.levels, whole.levels[:, :level]) and np.array_equal(part.points, part.levels[:, -1])
        expected = point_confidence(part.levels, part.spread, [100, 80], by_onnx.settings.confidence)
        assert np.abs(part.confidence - expected).max() < 1e-6


@pytest.mark.process
def test_prediction_needs_neither_torch_nor_onnx():
    code = ("import sys\nfor name in ('torch', 'onnx', 'google', 'h5py', 'matplotlib'): sys.modules[name] = None\n"
            "import numpy as np\nfrom deeplandmark import Cascade\n"
            "print(Cascade.load().predict(np.zeros((50, 50), np.uint8), [[5, 5, 40, 40]]).shape)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "(1, 5, 2)", done.stderr


def test_the_graph_alone():
    """As somebody would run it who has only the file."""
    session = onnxruntime.InferenceSession(str(model_at("wide") / ONNX_FILE))
    image, boxes = picture(), np.array([[60, 40, 160, 140]], np.float32)
    levels, first = session.run(["levels", "first"], {"image": image, "boxes": boxes})
    expected = Cascade.load("wide").locate(image, boxes)
    assert np.allclose(levels, expected.levels, atol=1e-4) and np.allclose(first, expected.first, atol=1e-4)
    none = session.run(["levels", "spread", "confidence", "first"], {"image": image, "boxes": boxes[:0]})
    assert [array.shape for array in none] == [(0, 3, 5, 2), (0, 3, 5), (0, 5), (0, 5, 2)]
