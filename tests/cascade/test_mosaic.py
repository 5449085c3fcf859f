"""Faces of many pictures in one: the same answers as one by one, in fewer calls."""
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplandmark import Cascade
from deeplandmark.cascade.mosaic import LONGEST, mosaic, taken_apart, tile_of
from deeplandmark.cascade.onnx import export_cascade
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.networks.published import model_at


@pytest.fixture(scope="module")
def cascade():
    return Cascade.load("wide")


def faces(count):
    for seed in range(count):
        image, _, box = draw_face(np.random.default_rng(seed))
        yield cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), [box.as_array()]


def assert_same(found, alone, tolerance=0.01):
    for name in ("levels", "first", "spread"):
        assert getattr(found, name).shape == getattr(alone, name).shape
        assert np.abs(getattr(found, name) - getattr(alone, name)).max(initial=0) < tolerance
    assert np.abs(found.confidence - alone.confidence).max(initial=0) < 2e-3


def test_a_chunk_of_small_faces_is_one_call(cascade, monkeypatch):
    calls, run = [], cascade._engine._run
    monkeypatch.setattr(cascade._engine, "_run", lambda image, boxes: calls.append(len(boxes)) or run(image, boxes))
    found = list(cascade.locate_many(iter(list(faces(20))), jobs=1))
    assert calls == [16, 4]
    for each, (image, boxes) in zip(found, faces(20), strict=True):
        assert_same(each, cascade.locate(image, boxes))


def test_few_pictures_are_shared_between_the_threads(cascade, monkeypatch):
    calls, run = [], cascade._engine._run
    monkeypatch.setattr(cascade._engine, "_run", lambda image, boxes: calls.append(len(boxes)) or run(image, boxes))
    list(cascade.locate_many(list(faces(8)), jobs=4))
    assert calls == [2, 2, 2, 2]


@pytest.mark.parametrize("level", [1, 2])
def test_lower_levels(cascade, level):
    for each, (image, boxes) in zip(cascade.locate_many(faces(3), level), faces(3), strict=True):
        assert_same(each, cascade.locate(image, boxes, level))


def test_faces_looked_at_mirrored_as_well(tmp_path):
    export_cascade(model_at("wide"), tmp_path / "mirrored.onnx", mirror=True)
    mirrored = Cascade.load(tmp_path / "mirrored.onnx")
    for each, (image, boxes) in zip(mirrored.locate_many(faces(3)), faces(3), strict=True):
        assert_same(each, mirrored.locate(image, boxes))


def test_pictures_of_several_faces_of_none_and_of_large_ones(cascade):
    image, (box,) = next(faces(1))
    large = np.kron(image, np.ones((9, 9), np.uint8))
    pictures = [(image, [box, box + 3, box * 0.9]), (image, []), (large, [box * 9]), (image, [box - 2])]
    assert tile_of(large, box[None] * 9, 0.3) is None and tile_of(image, np.zeros((0, 4)), 0.3) is None
    for each, (picture, boxes) in zip(cascade.locate_many(pictures), pictures, strict=True):
        assert_same(each, cascade.locate(picture, boxes))


@given(left=st.floats(-20, 150), top=st.floats(-20, 120), width=st.floats(30, 160), tall=st.floats(0.7, 1.4))
@settings(max_examples=15, deadline=None)
def test_boxes_over_the_edge(cascade, left, top, width, tall):
    image, _ = next(faces(1))
    box = [[left, top, left + width, top + tall * width]]
    pictures = [next(faces(1)), (image, box), (image[:190, 9:], box)]
    for each, (picture, boxes) in zip(cascade.locate_many(pictures, jobs=1), pictures, strict=True):
        assert_same(each, cascade.locate(picture, boxes), 1e-4 * max(width, 100))


@given(seed=st.integers(0, 2 ** 32 - 1))
@settings(max_examples=30, deadline=None)
def test_a_tile_shows_the_picture_with_its_border_repeated(seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, rng.integers(1, 60, 2), dtype=np.uint8)
    corner = rng.uniform(-80, 80, (rng.integers(1, 4), 2))
    boxes = np.hstack([corner, corner + rng.uniform(1, 60, corner.shape)])
    tile = tile_of(image, boxes, 0.3)
    assert max(tile.image.shape) <= LONGEST and (tile.boxes + np.tile(tile.corner, 2) == pytest.approx(boxes))
    rows, columns = (np.arange(size) + start for size, start in zip(tile.image.shape, tile.corner[::-1].astype(int)))
    assert (tile.image == image[rows.clip(0, len(image) - 1)][:, columns.clip(0, image.shape[1] - 1)]).all()
    # All that a face may see: 0.3 of its box on each side, and the pixels that cutting averages there.
    reach = 0.3 * (boxes[:, 2:] - boxes[:, :2]) + 1
    assert (boxes[:, :2] - reach > tile.corner).all()
    assert (boxes[:, 2:] + reach < tile.corner + tile.image.shape[::-1]).all()


def test_a_tile_too_long_on_either_side_is_none():
    image = np.zeros((900, 900), np.uint8)
    for box in ([5, 5, 25, 800], [5, 5, 800, 25]):
        assert tile_of(image, np.array([box], float), 0.1) is None


def test_a_mosaic_taken_apart_gives_the_places_in_the_pictures():
    tiles = [tile_of(image, np.array(boxes), 0.3) for image, boxes in faces(5)]
    _, boxes = mosaic(tiles)
    levels = boxes.reshape(5, 1, 2, 2)                           # as if the corners of the boxes had been found
    for (found, first), (_, expected) in zip(taken_apart(tiles, levels, levels[:, 0]), faces(5), strict=True):
        assert found.ravel() == pytest.approx(np.ravel(expected)) and (first == found[:, 0]).all()
