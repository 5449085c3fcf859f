"""The cascade at work: shapes, levels, odd pictures and boxes, threads; real faces where they are at hand."""
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from deeplandmark import Cascade, Faces
from deeplandmark.caffe import TEST
from deeplandmark.caffe.net import Net
from deeplandmark.cascade.settings import PAPER_SETTINGS
from deeplandmark.cascade.torch_engine import TorchEngine, average, load_modules
from deeplandmark.detectors import Detections
from deeplandmark.faces.datasets.picture_list import read_list
from deeplandmark.faces.errors import PictureError
from deeplandmark.faces.metrics import failure_rate
from deeplandmark.measuring.evaluation import evaluate, spread
from deeplandmark.networks.published import model_at
from deeplandmark.networks.windows import see, windows_of
from deeplandmark.training.templates import generate
from deeplandmark.work.in_order import in_chunks


@pytest.fixture(scope="module")
def cascade():
    return Cascade.load("wide")


@pytest.fixture(scope="module")
def picture():
    rng = np.random.default_rng(0)
    return cv2.GaussianBlur(rng.integers(0, 256, (200, 240), dtype=np.uint8), (0, 0), 3)


BOXES = np.array([[60, 40, 160, 140], [-20, -10, 70, 90], [150, 120, 260, 230.5]])


def test_shapes_and_types(cascade, picture):
    faces = cascade.locate(picture, BOXES)
    assert faces.points.shape == faces.first.shape == (3, 5, 2) and faces.levels.shape == (3, 3, 5, 2)
    assert faces.confidence.shape == (3, 5) and ((faces.confidence > 0) & (faces.confidence <= 1)).all()
    assert all(array.dtype == np.float32 for array in (faces.points, faces.confidence, faces.levels, faces.first))
    assert np.array_equal(faces.points, faces.levels[:, -1])
    assert isinstance(faces, Faces) and np.array_equal(faces.boxes, BOXES.astype(np.float32)) and faces.scores is None
    empty = cascade.locate(picture, np.zeros((0, 4)))
    assert empty.points.shape == (0, 5, 2) and empty.levels.shape == (0, 3, 5, 2) and empty.confidence.shape == (0, 5)


def test_a_face_does_not_depend_on_its_company(cascade, picture):
    together = cascade.predict(picture, BOXES)
    alone = np.concatenate([cascade.predict(picture, [box]) for box in BOXES])
    assert np.allclose(together, alone, atol=1e-3)
    for level in (1, 2, 3):
        assert np.allclose(cascade.predict(picture, BOXES, level=level),
                           cascade.locate(picture, BOXES).levels[:, level - 1])


def test_level_1_is_the_mean_of_the_networks_that_see_a_point(cascade, picture):
    """Each network run by itself, as pycaffe would."""
    folder, box = model_at("wide"), BOXES[:1]
    total, count = np.zeros((5, 2)), np.zeros(5)
    for network in cascade.settings.of_level(1):
        net = Net(str(folder / f"{network.full_name}.prototxt"), str(folder / f"{network.full_name}.caffemodel"), TEST)
        window = windows_of(network, box, None)[0]
        net.blobs["data"].data[...] = see(network, picture, window, cascade.settings)
        answer = net.forward()["fc2"].reshape(-1, 2) / cascade.settings.encoding.scale + 0.5
        total[list(network.points)] += answer * 100 + box[0, :2]
        count[list(network.points)] += 1
    assert count.tolist() == [2, 2, 3, 2, 2]
    assert np.allclose(cascade.predict(picture, box, level=1)[0], total / count[:, None], atol=1e-3)


def test_colour_is_read_as_opencv_gives_it(cascade, picture):
    colour = cv2.merge([picture, picture, picture])
    assert np.allclose(cascade.predict(colour, BOXES), cascade.predict(picture, BOXES), atol=0.2)


@pytest.mark.parametrize("image, boxes, message", [
    (np.full((9, 9), 9, np.float32), [[0, 0, 5, 5]], "uint8"), (np.zeros((9, 9, 5), np.uint8), [[0, 0, 5, 5]], "uint8"),
    (np.zeros((0, 9), np.uint8), [[0, 0, 5, 5]], "picture"), (np.zeros((9, 9), np.uint8), [[0, 0, 5]], "boxes are"),
    (np.zeros((9, 9), np.uint8), [[5, 0, 5, 5]], "no area"),
    (np.zeros((9, 9), np.uint8), [[0, 0, 5, np.nan]], "no area"),
    (np.zeros((9, 9), np.uint8), [[50, 40, 30, 30]], "not x, y, width, height"),
    (np.zeros((9, 9), np.uint8), [0, 0, 5, 5], r"one face is \[\[left, top, right, bottom\]\]"),
    (np.zeros((9, 9), np.uint8), ["0,0,5,5"], "boxes are .n, 4.: .* found list \\['0,0,5,5'"),
    (np.zeros((9, 9), np.uint8), [[0, 0, 5, 5], [1, 2]], "boxes are"),
    (np.zeros((9, 9), np.uint8), Detections.of([[0, 0, 5, 5]], [1]), "found Detections: pass its .boxes"),
    (np.zeros((9, 9), np.uint8), None, "boxes are .* found None")])
def test_what_cannot_be_used_is_refused(cascade, image, boxes, message):
    with pytest.raises(ValueError, match=message):
        cascade.locate(image, boxes)


def test_boxes_that_are_no_numbers_at_all(cascade, picture):
    for boxes in ({"left": 1}, [object()], cascade.locate(picture, BOXES)):
        with pytest.raises(TypeError, match="boxes are .* found"):
            cascade.locate(picture, boxes)


def test_other_kinds_of_picture(cascade, picture, tmp_path):
    expected = cascade.predict(picture, BOXES)
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    for image in (tmp_path / "a.png", str(tmp_path / "a.png"), picture[..., None], picture / 255,
                  torch.from_numpy(picture), Image.fromarray(picture)):
        assert np.array_equal(cascade.predict(image, BOXES), expected)
        (found,) = cascade.predict_many([(image, BOXES)])
        assert np.allclose(found, expected, rtol=0, atol=2e-3)


def test_odd_pictures_give_finite_points(cascade):
    for image in (np.zeros((1, 1), np.uint8), np.full((50, 3000), 255, np.uint8), np.zeros((300, 300, 3), np.uint8)):
        assert np.isfinite(cascade.predict(image, [[-50, -50, 40, 40]])).all()


def test_several_threads_get_the_same_answers(cascade, picture):
    expected = cascade.predict(picture, BOXES)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: cascade.predict(picture, BOXES), range(12)))
    assert all(np.allclose(points, expected, atol=1e-4) for points in found)


def many(folder, count):
    """Pictures in files and in memory, in turn, with their boxes."""
    for i in range(count):
        image = np.roll(cv2.resize(np.random.default_rng(i).integers(0, 256, (20, 20), dtype=np.uint8), (120, 100)), i)
        cv2.imwrite(str(folder / f"{i}.png"), image)
        yield (image if i % 2 else folder / f"{i}.png"), BOXES[:1 + i % 3] / 2


def test_points_are_means_of_the_networks_that_see_them():
    """And the spread their mean distance from it, told point by point in plain numbers."""
    one, other = (replace(PAPER_SETTINGS.networks[0], name=name, points=points) for name, points in (
        ("A", (0, 1, 2)), ("B", (2, 0))))
    answers = [(one, np.array([[[0.0, 0], [5, 5], [10, 10]]])), (other, np.array([[[10.0, 14], [6, 8]]]))]
    mean, distance = average(answers, (1, 3, 2))
    np.testing.assert_allclose(mean, [[[3, 4], [5, 5], [10, 12]]])
    np.testing.assert_allclose(distance, [[5, 0, 2]])


def test_what_f_says_alone_is_kept(picture):
    settings, modules = load_modules(model_at("wide"))
    boxes = np.array(BOXES, np.float64)
    found = TorchEngine(settings, modules).run(picture, boxes, 1)
    only_f = {network: module for network, module in modules.items() if network.name == "F"}
    alone = TorchEngine(settings, only_f).run(picture, boxes, 1)
    np.testing.assert_allclose(found.first, alone.levels[:, 0], atol=1e-4)
    assert np.abs(found.first - found.levels[:, 0]).max() > 0.01


def test_many_pictures_come_in_order(cascade, tmp_path):
    pictures = list(many(tmp_path, 20))
    expected = [cascade.predict(cv2.imread(str(tmp_path / f"{i}.png"), 0), boxes)
                for i, (_, boxes) in enumerate(pictures)]
    for jobs in (1, 3):
        found = list(cascade.predict_many(pictures, jobs=jobs))
        # Faces of sixteen pictures at a time, in one: the same but for rounding.
        assert len(found) == 20 and all(np.allclose(*pair, rtol=0, atol=2e-3) for pair in zip(found, expected))
    assert list(cascade.predict_many([])) == []
    assert next(cascade.locate_many(pictures, level=1)).levels.shape[1] == 1


def test_of_many_pictures_few_are_in_memory(cascade, tmp_path):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield np.zeros((60, 60), np.uint8), BOXES[:1] / 2
    found = cascade.predict_many(endless(), jobs=2)
    for _ in range(30):
        next(found)
    assert 30 <= taken <= 32 + 2 * 2 * 16
    found.close()


def test_large_pictures_in_memory_are_not_taken_ahead_by_the_dozen(cascade):
    chunks = list(in_chunks([5, 1, 1, 9, 1], 3, weight=lambda item: item, most=6))
    assert chunks == [[5, 1, 1], [9], [1]]
    taken = 0

    def large():
        nonlocal taken
        while True:
            taken += 1
            yield np.zeros((3000, 3000), np.uint8), BOXES[:1]
    found = cascade.predict_many(large(), jobs=2)
    next(found)
    found.close()
    assert taken <= 6


def test_what_the_stream_raises_comes_after_what_it_gave(cascade, picture):
    def breaking():
        yield from [(picture, BOXES)] * 3
        raise OSError("the camera is gone")
    found = cascade.predict_many(breaking())
    assert [len(next(found)) for _ in range(3)] == [3, 3, 3]
    with pytest.raises(OSError, match="the camera is gone"):
        next(found)


def test_of_many_pictures_some_are_bad(cascade, tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    good = np.zeros((60, 60), np.uint8), BOXES[:1] / 2
    pictures = [good, (tmp_path / "text.jpg", BOXES), (tmp_path / "missing.jpg", BOXES), (good[0], [[5, 5, 5, 9]]),
                good]
    found = list(cascade.predict_many(pictures, errors="yield"))
    assert [type(each) for each in found] == [np.ndarray, PictureError, PictureError, ValueError, np.ndarray]
    assert "missing.jpg: no such picture" in str(found[2])
    odd = [good, None, good, (3, BOXES), (good[0], {}), good]
    assert [type(each).__name__ for each in cascade.predict_many(odd, errors="yield")] == [
        "ndarray", "TypeError", "ndarray", "TypeError", "TypeError", "ndarray"]
    raising = cascade.predict_many(pictures)
    next(raising)
    with pytest.raises(PictureError, match="text.jpg"):
        next(raising)
    with pytest.raises(ValueError, match="'raise' or 'yield'"):
        next(cascade.predict_many(pictures, errors="ignore"))


def copy_of_model(folder, leave_out=""):
    folder.mkdir()
    for path in model_at("wide").iterdir():
        if path.is_file() and path.suffix != ".onnx" and not (leave_out and path.name.startswith(leave_out)):
            shutil.copy(path, folder)
    return folder


def test_levels_begin_at_one(cascade, picture):
    with pytest.raises(ValueError, match="levels begin at 1, found 0"):
        cascade.locate(picture, BOXES, level=0)


def test_folders_that_are_not_whole(tmp_path, picture):
    with pytest.raises(ValueError, match="no 1_F.prototxt"):
        Cascade.load(tmp_path)
    with pytest.raises(ValueError, match="3_N2.prototxt is missing"):
        Cascade.load(copy_of_model(tmp_path / "a", "3_N2"))
    two_levels = Cascade.load(copy_of_model(tmp_path / "b", "3_"))
    assert two_levels.locate(picture, BOXES).levels.shape == (3, 2, 5, 2)
    damaged = copy_of_model(tmp_path / "c")
    (damaged / "2_N1.caffemodel").write_bytes(b"\x08\x96")
    with pytest.raises(ValueError, match="2_N1.caffemodel"):
        Cascade.load(damaged)


def test_a_folder_of_the_originals(tmp_path, picture):
    """Flat, without cascade.json, EN and NM; its deploy nets begin with MemoryData and have `landmark` as an output."""
    generate(tmp_path / "prototxt", variant="original")
    folder = tmp_path / "saved"
    folder.mkdir()
    for path in (tmp_path / "prototxt").glob("*_deploy.prototxt"):
        name = path.name.removesuffix("_deploy.prototxt")
        if name in ("1_EN", "1_NM"):
            continue
        net = Net(str(path), TEST, seed=1)
        net.save(str(folder / f"{name}.caffemodel"))
        body = path.read_text().split("\n}\n", 1)[1]
        size = net.blobs["data"].data.shape[2]
        (folder / f"{name}.prototxt").write_text(f'''layer {{ name: "in" type: "MemoryData" top: "data" top: "landmark"
            transform_param {{ scale: 0.00390625 }}
            memory_data_param {{ batch_size: 1 channels: 1 height: {size} width: {size} }} }}\n{body}''')
    original = Cascade.load(folder)
    faces = original.locate(picture, BOXES)
    assert faces.levels.shape == (3, 3, 5, 2) and np.array_equal(faces.first, faces.levels[:, 0])
    assert original.settings.cutting == "truncate"


@pytest.mark.skipif(not Path(os.environ.get("DEEPLANDMARK_DATA", "none"), "testImageList.txt").exists(),
                    reason="DEEPLANDMARK_DATA names no folder with the real pictures")
def test_real_faces(cascade):
    faces = spread(read_list(Path(os.environ["DEEPLANDMARK_DATA"]) / "testImageList.txt"), 300)
    result = evaluate(cascade, faces)
    means = result.errors.mean((0, 2))
    assert means[0] > means[1] > means[2] and means[2] < 0.014
    assert failure_rate(result.errors[:, 2]).mean() < 0.025
