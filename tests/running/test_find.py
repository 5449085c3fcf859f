"""`deeplandmark.find`: one picture or many, of any kind, in one call."""
import multiprocessing
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import deeplandmark
from deeplandmark import Cascade, Faces, find
from deeplandmark.detectors import GivenBoxes, HaarDetector, load_detector
from deeplandmark.faces.errors import FacesError, PictureError
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.networks.published import default_model

SEEDS = (4, 17, 20)   # of synthetic faces that the Haar cascades see


def face(seed=4):
    """(picture, points (5, 2), box (4,))."""
    image, landmark_px, box = draw_face(np.random.default_rng(seed))
    return image, landmark_px, box.as_array()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three faces and a wall, one of them in a folder below."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "z").mkdir()
    for seed, name in zip(SEEDS, ("a.png", "b.png", "z/c.png")):
        cv2.imwrite(str(folder / name), face(seed)[0])
    cv2.imwrite(str(folder / "wall.png"), np.full((90, 120), 128, np.uint8))
    return folder


def test_a_face_and_where_it_is():
    image, truth, box = face()
    faces = find(image)
    assert isinstance(faces, Faces) and len(faces) == 1
    assert np.abs(faces.points[0] - truth).max() < 0.15 * (box[2] - box[0])
    detected = load_detector().detect(image)
    assert np.array_equal(faces.boxes, detected.boxes) and np.array_equal(faces.scores, detected.scores)
    alone = Cascade.load().locate(image, detected.boxes)
    assert np.allclose(faces.points, alone.points, rtol=0, atol=1e-3) and faces.levels.shape == (1, 3, 5, 2)
    (one,) = faces
    assert np.array_equal(one.points, faces.points[0]) and one.score == faces.scores[0]


def test_a_wall_has_none():
    faces = find(np.full((90, 120), 128, np.uint8))
    assert len(faces) == 0 and faces.points.shape == (0, 5, 2) and faces.scores.shape == (0,)


def test_pictures_of_every_kind(folder):
    image = face()[0]
    expected = find(image).points
    rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    for given in (folder / "a.png", str(folder / "a.png"), image / 255, Image.fromarray(rgb),
                  torch.from_numpy(rgb).permute(2, 0, 1), np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])):
        assert np.allclose(find(given).points, expected, rtol=0, atol=1e-3), type(given)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    # The detector sees colours: of a grey picture it finds the same face a little elsewhere.
    assert np.allclose(find(grey).points, find(np.dstack([grey] * 3)).points, rtol=0, atol=1e-3)
    assert np.allclose(find(grey).points, expected, rtol=0, atol=4)


def test_a_folder_and_a_glob(folder, monkeypatch):
    found = dict(find(folder))
    names = ["a.png", "b.png", "wall.png", "z/c.png"]
    assert [Path(path).relative_to(folder).as_posix() for path in found] == names
    assert [len(faces) for faces in found.values()] == [1, 1, 0, 1]
    for path, faces in found.items():
        assert np.allclose(faces.points, find(path).points, rtol=0, atol=5e-3) and np.array_equal(
            faces.scores, find(path).scores)
    monkeypatch.chdir(folder)
    assert [path for path, _ in find("**/*.png")] == sorted(names)
    assert [path for path, _ in find("z")] == ["z/c.png"]


def test_a_list_and_an_iterator(folder):
    image = face()[0]
    given = [folder / "b.png", image, Image.fromarray(face(20)[0][..., ::-1])]
    for many in (given, tuple(given), iter(given)):
        found = list(find(many, jobs=2))
        assert [first is second for (first, _), second in zip(found, given, strict=True)] == [True] * 3
        assert all(len(faces) == 1 for _, faces in found)
        assert np.allclose(found[1][1].points, find(image).points, rtol=0, atol=5e-3)
    assert list(find([])) == []


def test_of_many_some_cannot_be_used(folder, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    given = [folder / "a.png", tmp_path / "text.png", None, np.zeros((5, 5, 7), np.uint8), folder / "b.png"]
    kinds = [type(faces).__name__ for _, faces in find(given, errors="yield")]
    assert kinds == ["CascadeFaces", "PictureError", "TypeError", "ValueError", "CascadeFaces"]
    found = find(given, jobs=1)
    assert len(next(found)[1]) == 1
    with pytest.raises(PictureError, match="text.png: not a picture"):
        next(found)


@pytest.mark.parametrize("image, error, words", [
    ("missing.jpg", PictureError, "missing.jpg: no such picture"), (None, TypeError, "cv2.imread gives"),
    (3, TypeError, "found int"), (np.array("a.jpg"), ValueError, "found <U5"), ({}, TypeError, "found dict"),
    (np.zeros((3, 9, 9), np.uint8), ValueError, "channels come last")])
def test_what_is_no_picture_is_refused_in_words(image, error, words):
    with pytest.raises(error, match=words):
        find(image)


def test_an_empty_folder_and_a_glob_without_a_match(tmp_path):
    with pytest.raises(FacesError, match="no pictures in this folder"):
        list(find(tmp_path))
    with pytest.raises(FacesError, match=r"\*.gif: no file matches"):
        list(find(str(tmp_path / "*.gif")))


def test_options(folder):
    image, _, box = face()
    given = find(image, detector=GivenBoxes([box, box + 1]))
    assert np.allclose(given.boxes, [box, box + 1]) and np.isnan(given.scores).all()
    assert len(find(image, detector=GivenBoxes([box, box + [1, 1, 9, 9]]), max_faces=1)) == 1
    assert len(find(image, min_face=1.0)) == 0
    for model in (default_model(), str(default_model()), deeplandmark.load()):
        assert np.allclose(find(image, model=model).points, find(image).points, rtol=0, atol=1e-3)
    with pytest.raises(FacesError, match="no such detector"):
        find(image, detector="har")
    with pytest.raises(ValueError, match="min_face and thorough are for a detector that is named"):
        find(image, detector=HaarDetector(), min_face=0.2)
    with pytest.raises(ValueError, match="neither a model folder"):
        find(image, model=folder / "none")
    with pytest.raises(ValueError, match="'raise' or 'yield'"):
        find(image, errors="ignore")


def test_a_model_is_loaded_once_and_found_again_from_another_folder(monkeypatch, tmp_path):
    loaded = []
    monkeypatch.setattr("deeplandmark.running.find.load", lambda path: loaded.append(path) or Cascade.load(path))
    link = tmp_path / "model"
    os.symlink(default_model(), link)
    image = face()[0]
    for _ in range(2):
        find(image, model=link)
    monkeypatch.chdir(tmp_path)
    find(image, model="model")
    assert loaded == [str(link)]


@pytest.mark.process
def test_in_spawned_workers(folder):
    paths = [str(folder / "a.png"), str(folder / "b.png")]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map_async(find, paths).get(60)
    for path, faces in zip(paths, found, strict=True):
        assert np.allclose(faces.points, find(path).points, rtol=0, atol=1e-3)
