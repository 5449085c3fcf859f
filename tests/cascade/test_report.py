"""The table's numbers are the JSON's, and the report folder holds what it should."""
import json
import re

import cv2
import numpy as np
import pytest
from fake_cascade import FakeCascade, faces_of, repeated_list, synthetic_list

from deeplandmark.cascade.evaluation import evaluate
from deeplandmark.cascade.published import ROWS, row
from deeplandmark.cascade.report import as_json, save_json, save_report, table

CELL = re.compile(r"(\d+\.\d+) \((\d+\.\d+)\)")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    faces = faces_of(synthetic_list(tmp_path_factory.mktemp("faces"), 4))
    found = evaluate(FakeCascade(faces), faces)
    noise = np.random.default_rng(0).normal(0, 6, found.predicted.shape)
    return type(found)(found.annotations, found.predicted + noise, found.first, found.confidence, 1.5)


def cells(text, start):
    """Numbers (6, 2) of the first row that starts so: mean and failure of five points and of all."""
    line = next(line for line in text.splitlines() if line.startswith(start))
    return np.array(CELL.findall(line), dtype=float)


def test_json_follows_the_schema(result, tmp_path):
    save_json(result, tmp_path / "sub" / "table.json")
    written = json.loads((tmp_path / "sub" / "table.json").read_text())
    assert written == as_json(result)
    assert list(written) == ["n", "levels", "ms_per_face"] and written["n"] == 4 and written["ms_per_face"] == 1.5
    assert list(written["levels"]) == ["1", "2", "3"]
    for level in written["levels"].values():
        assert list(level) == ["mean", "failure"] and len(level["mean"]) == len(level["failure"]) == 5


def test_the_tables_numbers_are_the_jsons(result):
    text, levels = table(result), as_json(result)["levels"]
    for i, level in levels.items():
        found = cells(text, f"this cascade, level {i} ")
        for column, name, digits in ((0, "mean", 0.00501), (1, "failure", 0.0501)):
            expected = 100 * np.array([*level[name], np.mean(level[name])])
            np.testing.assert_allclose(found[:, column], expected, atol=digits)


def test_the_table_fits_and_names_its_normalisers(result):
    text = table(result, "model model, list testImageList.txt")
    assert max(map(len, text.splitlines())) <= 110
    assert "% of the width of the face box; in brackets failures, % of faces above 5 %" in text
    assert "% of the distance between the eyes; in brackets failures, % of faces above 10 %" in text
    assert "not for this run's faces" in text and "1.5 ms per face" in text
    np.testing.assert_allclose(cells(text, "this cascade, F alone"), [[6, 100]] * 6, atol=1e-9)


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
    assert f"this cascade, level {len(offsets) + 1}" not in text


def test_the_folder(result, tmp_path):
    paths = save_report(result, tmp_path / "result", "a title")
    assert {path.name for path in paths} == {"table.txt", "table.json", "histograms.png", "cumulative.png",
                                             "samples.png", "worst.png"}
    assert (tmp_path / "result" / "table.txt").read_text() == table(result, "a title")
    assert json.loads((tmp_path / "result" / "table.json").read_text()) == as_json(result)
    for path in paths[2:]:
        assert min(cv2.imread(str(path)).shape[:2]) > 200


def test_few_faces_and_repeated_lines(tmp_path):
    faces = faces_of(repeated_list(tmp_path, 3))
    found = evaluate(FakeCascade(faces, (0.01,), None), faces)
    assert len(save_report(found, tmp_path / "result")) == 6
