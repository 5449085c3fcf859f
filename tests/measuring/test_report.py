"""The table's numbers are the JSON's, and the report folder holds what it should."""
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import cv2
import numpy as np
import pytest

from deeplandmark.faces.points import Points
from deeplandmark.measuring.evaluation import evaluate
from deeplandmark.measuring.report import as_json, save_json, save_report
from deeplandmark.measuring.report_table import table
from deeplandmark.measuring.results_of_others import ROWS, row
from tests.helpers.fake_cascade import FakeCascade, faces_of, repeated_list, synthetic_list

CELL = re.compile(r"(\d+\.\d+) \((\d+\.\d+)\)")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    faces = faces_of(synthetic_list(tmp_path_factory.mktemp("faces"), 4))
    found = evaluate(FakeCascade(faces), faces)
    noise = np.random.default_rng(0).normal(0, 6, found.predicted.shape)
    return type(found)(found.annotations, found.predicted + noise, found.first, found.confidence * 0.9, 1.5)


def cells(text, start):
    """Numbers (6, 2) of the first row that starts so: mean and failure of five points and of all."""
    line = next(line for line in text.splitlines() if line.startswith(start))
    return np.array(CELL.findall(line), dtype=float)


def test_json_follows_the_schema(result, tmp_path):
    save_json(result, tmp_path / "sub" / "table.json")
    written = json.loads((tmp_path / "sub" / "table.json").read_text())
    assert written == as_json(result)
    assert list(written) == ["n", "levels", "ms_per_face", "interocular", "poses", "confidence"]
    assert written["n"] == 4 and written["ms_per_face"] == 1.5
    assert list(written["levels"]) == list(written["interocular"]["levels"]) == ["1", "2", "3"]
    for level in [*written["levels"].values(), *written["interocular"]["levels"].values()]:
        assert list(level) == ["mean", "failure"] and len(level["mean"]) == len(level["failure"]) == 5


def test_the_tables_numbers_are_the_jsons(result):
    text, levels = table(result), as_json(result)["levels"]
    for i, level in levels.items():
        found = cells(text, f"this model, level {i} ")
        for column, name, digits in ((0, "mean", 0.00501), (1, "failure", 0.0501)):
            expected = 100 * np.array([*level[name], np.mean(level[name])])
            np.testing.assert_allclose(found[:, column], expected, atol=digits)


def test_the_table_fits_and_names_its_normalisers(result):
    text = table(result, "model model, list testImageList.txt")
    assert max(map(len, text.splitlines())) <= 110
    assert "% of the width of the face box; in brackets failures, % of faces above 5 %" in text
    assert "% of the distance of the pupils; in brackets failures, % of faces above 10 %" in text
    assert "not for this run's faces" in text and "1.5 ms per face" in text
    np.testing.assert_allclose(cells(text, "this model, F alone"), [[6, 100]] * 6, atol=1e-9)


def test_two_folders_are_two_subsets(result):
    folders = ("first", "second/deeper", "second", "second")
    faces = [replace(face, path=face.path.parent / folder / face.path.name)
             for face, folder in zip(result.annotations, folders)]
    divided = replace(result, annotations=tuple(faces))
    assert {name: len(part) for name, part in divided.subsets.items()} == {"first": 1, "second": 3}
    found = as_json(divided)["subsets"]
    assert found["second"]["n"] == 3
    np.testing.assert_allclose(found["second"]["levels"]["3"]["mean"], result.errors[1:, 2].mean(0))
    expected = 100 * result.errors[1:, 2].mean(0)
    np.testing.assert_allclose(cells(table(divided), "second (n = 3)")[:5, 0], expected, atol=0.006)
    assert not result.subsets and "subsets" not in as_json(result)
    many = [replace(face, path=face.path.parent / str(i % 9) / "a") for i, face in enumerate(result.annotations * 3)]
    assert not replace(result, annotations=tuple(many)).subsets


def test_tilted_faces_are_a_subset(result):
    faces = list(result.annotations)
    tilted = faces[2].landmark_px.copy()
    tilted[1] = tilted[0] + [20, 30]
    faces[2] = replace(faces[2], landmark_px=tilted)
    other = replace(result, annotations=tuple(faces))
    found = as_json(other)["poses"]
    assert found["tilt over 20"]["n"] == 1 and sum(found[name]["n"] for name in found if name.startswith("tilt")) == 4
    np.testing.assert_allclose(found["tilt over 20"]["levels"]["3"]["mean"], other.errors[2, 2])
    expected = 100 * other.errors[2, 2]
    np.testing.assert_allclose(cells(table(other), "tilt over 20 (n = 1)")[:5, 0], expected, atol=0.006)


def test_confidence_is_measured_against_what_came_true(result):
    right = result.errors[:, 2] <= 0.05
    assert 0 < right.mean() < 1
    written = as_json(result)["confidence"]
    assert written["expected_calibration_error"] == pytest.approx(abs(0.9 - right.mean()))
    (only,) = written["bins"]
    assert only["n"] == 20 and only["right"] == pytest.approx(right.mean())
    assert only["from"] <= only["confidence"] <= only["to"]
    assert written["failure"] == pytest.approx(1 - right.mean())
    told = replace(result, confidence=np.where(right, 0.9, 0.1))
    worst_first = np.sort(right.mean(1))
    np.testing.assert_allclose(told.rejection([0.25, 0.5]), [1 - worst_first[1:].mean(), 1 - worst_first[2:].mean()])
    np.testing.assert_allclose(told.rejection([0.25, 0.5]), told.best_rejection([0.25, 0.5]))
    assert "expected calibration error" in table(told) and "confidence" not in as_json(replace(result, confidence=None))


def test_eyes_on_one_spot_are_null_in_json(result):
    eyeless = [replace(face, landmark_px=np.repeat(face.landmark_px[:1], 5, axis=0)) for face in result.annotations]
    found = as_json(replace(result, annotations=tuple(eyeless)))
    assert found["interocular"]["levels"]["1"]["mean"] == [None] * 5
    json.dumps(found, allow_nan=False)


def test_published_rows(result):
    text = table(result)
    np.testing.assert_allclose(cells(text, "original, level 3")[-1], [1.60, 3.7])
    np.testing.assert_allclose(cells(text, "paper, level 3 *")[-1], [1.12, 1.0])
    for found in ROWS:  # the mean of the points is the mean column, up to rounding and reading off
        assert abs(np.mean(found.mean) - found.mean_of_all) < 0.011
        assert abs(np.mean(found.failure) - found.failure_of_all) < 0.11
    assert row("original", 0) is None and row("paper", 0).name == "paper, F1 alone"


@pytest.mark.parametrize("offsets, first", [((0.02,), None), ((0.04, 0.02), 0.05)])
def test_a_cascade_of_fewer_levels(tmp_path, offsets, first):
    faces = faces_of(synthetic_list(tmp_path, 1))
    found = evaluate(FakeCascade(faces, offsets, first), faces)
    text = table(found)
    assert len(as_json(found)["levels"]) == len(offsets)
    assert ("F alone" in text.split("original,")[0]) == (first is not None)
    assert f"this model, level {len(offsets) + 1}" not in text


@pytest.mark.slow
def test_points_of_ones_own_stand_beside_nobody_elses(tmp_path):
    """Five, but not the usual ones; and more than the table has columns for."""
    faces = faces_of(synthetic_list(tmp_path, 2))
    found = evaluate(FakeCascade(faces), faces)
    own = replace(found, points=Points(("ear", "chin", "brow", "a_name_that_is_too_long", "tip"), (0, 1, 2, 3, 4)))
    text = table(own)
    assert text.splitlines()[3].split() == ["ear", "chin", "brow", "a_name_that_i", "tip", "mean"]
    assert "paper" not in text and "pupils" not in text and "interocular" not in as_json(own)
    twice = tuple(replace(face, landmark_px=np.tile(face.landmark_px, (2, 1))) for face in faces)
    many = replace(found, annotations=twice, predicted=np.tile(found.predicted, (1, 1, 2, 1)), first=None,
                   confidence=None, points=Points(tuple(f"p{i}" for i in range(10)), tuple(range(10))))
    assert "mean" in table(many) and "p0" not in table(many)
    for i, evaluation in enumerate((own, many)):
        assert all(path.exists() for path in save_report(evaluation, tmp_path / f"result{i}"))


@pytest.mark.slow
def test_the_folder(result, tmp_path):
    paths = save_report(result, tmp_path / "result", "a title")
    figures = {f"{name}.{suffix}" for name in ("histograms", "cumulative", "confidence") for suffix in ("png", "svg")}
    assert {path.name for path in paths} == {"table.txt", "table.json", "samples.png", "worst.png"} | figures
    assert (tmp_path / "result" / "table.txt").read_text() == table(result, "a title")
    assert json.loads((tmp_path / "result" / "table.json").read_text()) == as_json(result)
    for path in paths[2:]:
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
        else:
            assert min(cv2.imread(str(path)).shape[:2]) > 200


@pytest.mark.slow
def test_few_faces_and_repeated_lines(tmp_path):
    faces = faces_of(repeated_list(tmp_path, 3))
    found = evaluate(FakeCascade(faces, (0.01,), None), faces)
    paths = save_report(replace(found, confidence=None), tmp_path / "result")
    assert len(paths) == 8 and all(path.exists() for path in paths)
