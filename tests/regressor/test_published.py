"""The published weights of 68 and 88 points, on drawn faces, which they have never seen."""
import cv2
import numpy as np
import pytest

import deeplandmark
from deeplandmark.__main__ import main
from deeplandmark.faces.points import SETS
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.networks.published import POINTS, model_at
from deeplandmark.regressor.regressor import Regressor
from deeplandmark.web.finder import Finder
from deeplandmark.web.limits import Limits, Refusal
from deeplandmark.web.upload import Upload

SEEDS = range(8)
NAMES = POINTS[1:]


@pytest.mark.parametrize("name", [*NAMES, "pose"])
def test_a_picture_of_many_pixels_is_shrunk_first(name):
    """Each pixel repeated 20 x 20 times is the same picture, whose floats would take half a gigabyte."""
    image, _, box = draw_face(np.random.default_rng(3))
    regressor, times = Regressor.load(model_at(name)), 20
    edges = box.as_array()
    before = regressor.predict(image, edges[None])[0]
    large = image.repeat(times, axis=0).repeat(times, axis=1)
    found = regressor.predict(large, ((edges + 0.5) * times - 0.5)[None])[0]
    assert np.abs((found + 0.5) / times - 0.5 - before).max() < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_points_where_a_face_has_them(name):
    """The usual five that they tell, and the others in their order about them; small enough to travel."""
    regressor, known = Regressor.load(model_at(name)), SETS[name]
    assert regressor.points == known and regressor.settings.confidence.weights
    assert model_at(name).stat().st_size < 2_000_000
    errors = []
    for seed in SEEDS:
        image, truth, box = draw_face(np.random.default_rng(seed))
        faces = regressor.locate(image, box.as_array()[None], looks="auto")
        errors.append(np.linalg.norm(known.to_five(faces.points[0]) - truth, axis=1).mean() / box.width)
        groups = {group: faces.points[0][list(part)].mean(axis=0) for group, part in known.groups}
        assert groups["left_eye"][0] < groups["nose"][0] < groups["right_eye"][0]
        assert groups["left_brow"][1] < groups["left_eye"][1] < groups["nose"][1] < groups["mouth"][1]
        mirrored = regressor.locate(image[:, ::-1].copy(), [[image.shape[1] - 1 - box.right, box.top,
                                                             image.shape[1] - 1 - box.left, box.bottom]]).points[0]
        mirrored[:, 0] = image.shape[1] - 1 - mirrored[:, 0]
        assert np.abs(mirrored[list(known.mirror)] - faces.points[0]).mean() < 0.05 * box.width
    assert np.median(errors) < 0.08, errors


@pytest.mark.parametrize("name", NAMES)
def test_by_number(name, tmp_path):
    image, _, _ = draw_face(np.random.default_rng(4))
    faces = deeplandmark.find(image, points=int(name))
    assert faces.points.shape == (1, int(name), 2)
    cv2.imwrite(str(tmp_path / "face.png"), image)
    assert main(["detect", str(tmp_path / "face.png"), "--points", name, "--out", str(tmp_path / "drawn")]) == 0
    assert (tmp_path / "drawn" / "face.png").exists()
    with pytest.raises(ValueError, match="points is 5, 68 or 88, found 67"):
        deeplandmark.find(image, points=67)
    with pytest.raises(ValueError, match="points or a model, not both"):
        deeplandmark.find(image, points=68, model="68")


def test_an_upload_says_how_many():
    image, _, box = draw_face(np.random.default_rng(4))
    data, boxes = cv2.imencode(".png", image)[1].tobytes(), box.as_array()[None]
    finder = Finder(deeplandmark.load(), None, Limits(), others={name: deeplandmark.load(name) for name in NAMES})
    for points in (None, "5", *NAMES):
        (face,) = finder.find(Upload(data, boxes, points=points))["faces"]
        assert len(face["points"]) == len(face["confidence"]) == int(points or 5)
    assert {name: len(each["points"]) for name, each in finder.model()["others"].items()} == {"68": 68, "88": 88}
    with pytest.raises(Refusal, match="'points' must be 5 or 68 or 88, found '12'"):
        finder.find(Upload(data, boxes, points="12"))
