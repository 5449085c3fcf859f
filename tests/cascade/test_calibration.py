"""Fitting the confidence: known odds are found again, and the command writes what the cascade then uses."""
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deeplandmark import Cascade, calibrate
from deeplandmark.cascade.confidence.calibration import (
    COPIES,
    Observations,
    fit_confidence,
    logistic_regression,
    observe,
)
from deeplandmark.cascade.confidence.confidence import point_confidence, sigmoid
from deeplandmark.cascade.settings import CascadeSettings
from deeplandmark.cascade.torch_engine import Found, TorchEngine, load_modules
from deeplandmark.faces import ListError, read_face, read_list
from deeplandmark.faces.box import BBox
from deeplandmark.faces.metrics import reliability
from deeplandmark.measuring.evaluation import evaluate, spread
from deeplandmark.networks.published import model_at
from tests.helpers.fake_cascade import faces_of, synthetic_list
from tests.helpers.observations import MIRROR, drawn


def test_logistic_regression_finds_the_weights_that_answers_were_drawn_with():
    rng = np.random.default_rng(2)
    inputs, weights = rng.normal(0, 1, (100000, 3)), np.array([1.0, -0.5, 0.25])
    answers = rng.uniform(0, 1, len(inputs)) < sigmoid(inputs @ weights)
    found = logistic_regression(inputs, answers, np.full(3, 1e-3))
    np.testing.assert_allclose(found, weights, atol=0.03)
    gradient = inputs.T @ (sigmoid(inputs @ found) - answers) + 1e-3 * found
    assert np.abs(gradient).max() < 1e-6
    assert np.linalg.norm(logistic_regression(inputs, answers, np.full(3, 1e4))) < 0.9 * np.linalg.norm(weights)


def test_what_is_fitted_on_some_faces_is_calibrated_on_others():
    learnt, other = drawn(4000), drawn(4000, seed=5)
    weights = fit_confidence(learnt, MIRROR)
    assert [len(entry.own[0]) for entry in weights] == [1, 3, 5]
    for count in (1, 2, 3):
        confidence = point_confidence(other.levels[:, :count], other.spread[:, :count], other.width, weights)
        right = other.right(count)
        assert reliability(confidence, right).expected_calibration_error < 0.02
        assert confidence[right].mean() > confidence[~right].mean() + 0.2


def test_mirrored_points_share_all_and_any_number_of_points_will_do():
    fitted = fit_confidence(drawn(500), MIRROR)[2]
    assert fitted.bias[0] == fitted.bias[1] and fitted.bias[3] == fitted.bias[4] and fitted.bias[0] != fitted.bias[2]
    assert len(set(fitted.own)) == len(set(fitted.face)) == 1
    assert len(fit_confidence(drawn(500, 2, 7), range(7))[1].bias) == 7


@pytest.mark.parametrize("off, expected", [(0.0, 51 / 52), (20.0, 1 / 52)])
def test_where_all_points_are_right_or_none_the_confidence_is_one_number(off, expected):
    found = drawn(10)
    found = Observations(np.repeat(found.truth[:, None], 3, axis=1) + off, found.spread, found.truth, found.width)
    confidence = point_confidence(found.levels, found.spread, found.width, fit_confidence(found, MIRROR))
    np.testing.assert_allclose(confidence, np.full((10, 5), expected))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The published networks and thirty synthetic faces, on which they often fail."""
    folder = tmp_path_factory.mktemp("calibrate")
    shutil.copytree(model_at("wide"), folder / "model")
    listed = synthetic_list(folder, 30)
    shutil.copy(listed, folder / "trainImageList.txt")
    return folder


def engine_of(folder, **changes):
    settings, modules = load_modules(folder)
    return TorchEngine(replace(settings, **changes), modules)


def test_the_first_view_is_the_face_itself_and_views_repeat(folder):
    engine, faces = engine_of(folder / "model"), faces_of(folder / "trainImageList.txt")[:2]
    found = observe(engine, faces, copies=3)
    assert found.levels.shape == (6, 3, 5, 2) and found.spread.shape == (6, 3, 5)
    assert {network.full_name: len(values) for network, values in found.hidden.items()} == {
        f"{level}_{point}{k}": 6 for level in (2, 3) for point in ("LE", "RE", "N", "LM", "RM") for k in (1, 2)}
    one = Cascade.load(folder / "model").locate(read_face(faces[1]), faces[1].bbox.as_array()[None])
    np.testing.assert_allclose(found.levels[3], one.levels[0], atol=0.01)
    np.testing.assert_allclose(found.truth[3], faces[1].landmark_px)
    assert found.width[0] == faces[0].bbox.width != found.width[1]
    again = observe(engine, faces, copies=3)
    np.testing.assert_allclose(again.truth, found.truth)
    # A mirrored face's left eye stays left in the picture.
    assert (found.truth[:, 0, 0] < found.truth[:, 1, 0]).all()


class Watched:
    """An engine that keeps what it is shown and finds nothing worth keeping."""
    levels = (1, 2, 3)
    settings = CascadeSettings()

    def __init__(self):
        self.images, self.boxes = [], []

    def run_faces(self, images, boxes, level):
        assert level == 3
        self.images += images
        self.boxes += list(boxes)
        return Found(np.zeros((len(boxes), 3, 5, 2)), np.zeros((len(boxes), 3, 5)), None, None, {})


def test_every_view_is_another_and_every_other_one_mirrored(folder):
    """Of a face left in its picture the mirrored views lie right; each face, view and seed draws for itself."""
    face, landmark_px = faces_of(folder / "trainImageList.txt")[0], np.array([[30, 40], [60, 40], [45, 60], [35, 80],
                                                                              [55, 80.0]])
    face = replace(face, bbox=BBox(20, 30, 70, 110), landmark_px=landmark_px)
    shown, other = Watched(), Watched()
    found = observe(shown, [face, face], copies=COPIES)
    observe(other, [face, face], copies=COPIES, seed=1)
    boxes, others, width = np.array(shown.boxes), np.array(other.boxes), shown.images[0].shape[1]
    assert len(boxes) == 2 * COPIES and (boxes[[0, COPIES]] == others[[0, COPIES]]).all()
    np.testing.assert_array_equal(boxes[0], [20, 30, 70, 110])
    np.testing.assert_array_equal(found.width, boxes[:, 2] - boxes[:, 0])
    drawn_boxes = [tuple(box) for each in (boxes, others) for i, box in enumerate(each) if i % COPIES]
    assert len(set(drawn_boxes)) == len(drawn_boxes) == 4 * (COPIES - 1)
    middle = (boxes[:, 0] + boxes[:, 2]) / 2
    is_mirrored = np.arange(2 * COPIES) % COPIES % 2 == 1
    expected = np.where(is_mirrored, width - 1 - 45, 45)
    assert np.abs(middle - expected).max() <= 0.06 * 50 and width > 150
    sizes = np.log((boxes[:, 2] - boxes[:, 0]) / 50)
    assert 0.03 < np.abs(sizes).max() <= 0.08
    tilt = np.degrees(np.arctan2(*(found.truth[:, 1] - found.truth[:, 0]).T[::-1]))
    assert 5 < np.abs(tilt).max() <= 15


def test_a_point_is_right_by_its_place_after_that_level():
    found = drawn(50)
    levels = found.levels.copy()
    levels[:, 0], levels[:, 1] = found.truth + [4.9, 0], found.truth + [0, 5.1]
    found = Observations(levels, found.spread, found.truth, found.width)
    assert found.right(1).all() and not found.right(2).any() and 0 < found.right(3).mean() < 1


def test_pictures_that_cannot_be_read(folder):
    faces = faces_of(folder / "trainImageList.txt")
    missing = replace(faces[0], path=folder / "missing.png")
    engine = engine_of(folder / "model")
    with pytest.raises(ListError, match="4 of 6 lines are bad.*missing.png"):
        observe(engine, [faces[1], missing, missing, faces[0], missing, missing], copies=1)
    with pytest.raises(ListError, match="no faces"):
        observe(engine, [])
    found = observe(engine, faces[:1] * 4 + [missing] * 3, copies=1)
    assert len(found.width) == 4 and len(found.problems) == 3 and "missing.png" in str(found.problems[0])


def test_the_command(folder, capsys):
    before = json.loads((folder / "model" / "cascade.json").read_text())
    assert calibrate.main(["--model", str(folder / "model"), "--data", str(folder), "--copies", "4"]) == 0
    assert "3 held-back faces, 12 views" in capsys.readouterr().out
    after = json.loads((folder / "model" / "cascade.json").read_text())
    assert len(after.pop("confidence")) == 3
    before.pop("confidence", None)
    share = after.pop("level_1_share")
    before.pop("level_1_share", None)
    assert after == before and 0 <= share <= 0.5
    assert CascadeSettings.load(folder / "model").confidence is not None


@pytest.mark.parametrize("error, status", [(OSError("the disk is full"), 1), (KeyboardInterrupt(), 130)])
def test_an_export_that_fails_leaves_the_folder_as_it_was(folder, monkeypatch, capsys, error, status):
    model = folder / f"failed{status}"
    shutil.copytree(model_at("wide"), model)
    before = {path: path.read_bytes() for path in model.iterdir()}

    def fail(*arguments, **options):
        raise error
    monkeypatch.setattr("deeplandmark.cascade.onnx.export_cascade", fail)
    assert calibrate.main(["--model", str(model), "--data", str(folder), "--copies", "1"]) == status
    assert {path: path.read_bytes() for path in model.iterdir()} == before
    assert ("the disk is full" if status == 1 else "/ is as it was") in capsys.readouterr().err


def test_what_the_export_needs_is_missed_before_the_work(folder, monkeypatch, capsys):
    monkeypatch.setattr("deeplandmark.cascade.confidence.calibration.observe",
                        lambda *arguments: pytest.fail("worked in vain"))
    monkeypatch.setitem(sys.modules, "onnx", None)
    before = (folder / "model" / "cascade.json").read_bytes()
    assert calibrate.main(["--model", str(folder / "model"), "--data", str(folder)]) == 1
    assert capsys.readouterr().err.startswith("calibrate: onnx is not installed: pip install ")
    assert (folder / "model" / "cascade.json").read_bytes() == before


def test_a_graph_that_is_damaged_is_made_anew(folder):
    model = folder / "damaged"
    shutil.copytree(model_at("wide"), model)
    os.truncate(model / "cascade.onnx", 100_000)
    assert calibrate.main(["--model", str(model), "--data", str(folder), "--copies", "1"]) == 0
    assert Cascade.load(model / "cascade.onnx").settings.confidence is not None


def test_a_second_time_changes_nothing(folder):
    """What is measured is under the share of the first time."""
    model = folder / "again"
    shutil.copytree(model_at("wide"), model, ignore=shutil.ignore_patterns("*.onnx"))
    replace(CascadeSettings.load(model), level_1_share=0.4).save(model)
    found = []
    for _ in range(2):
        assert calibrate.main(["--model", str(model), "--data", str(folder), "--copies", "2"]) == 0
        found.append(CascadeSettings.load(model))
    assert found[0].level_1_share == pytest.approx(found[1].level_1_share, abs=1e-5)
    for first, second in zip(found[0].confidence, found[1].confidence):
        np.testing.assert_allclose(first.own, second.own, atol=1e-3)


@pytest.mark.skipif(not Path(os.environ.get("DEEPLANDMARK_DATA", "none"), "testImageList.txt").exists(),
                    reason="DEEPLANDMARK_DATA names no folder with the real pictures")
def test_the_published_confidence_is_calibrated():
    cascade = Cascade.load("wide")
    if cascade.settings.confidence is None:
        pytest.skip("the published weights are not calibrated")
    result = evaluate(cascade, spread(read_list(Path(os.environ["DEEPLANDMARK_DATA"]) / "testImageList.txt"), 400))
    assert result.reliability.expected_calibration_error < 0.02
    failures, kept = result.rejection([0, 0.05])
    assert kept < 0.6 * failures


@pytest.mark.parametrize("arguments, text", [
    (["--model", "none", "--data", "."], "none: no model folder of ours, it has no cascade.json"),
    (["--model", "model", "--data", "none"], "none: no such folder or zip"),
    (["--model", "model", "--data", "model"], "trainImageList.txt"),
])
def test_errors_are_one_line(folder, monkeypatch, capsys, arguments, text):
    monkeypatch.chdir(folder)
    assert calibrate.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("calibrate: ") and text in error and error.count("\n") == 1
