"""Errors by part of the face for points that have parts: against plain loops, in text, JSON and picture."""
import json
import re
from dataclasses import replace
from math import hypot

import cv2
import numpy as np
import pytest

from deeplandmark.faces.metrics import area_under_curve, cumulative_curve
from deeplandmark.faces.points import FACE_88, IBUG_68, WFLW_98
from deeplandmark.measuring import report
from deeplandmark.measuring.evaluation import evaluate
from deeplandmark.measuring.plotting import save_figure
from deeplandmark.measuring.report import as_json, save_report
from deeplandmark.measuring.report_parts import draw_parts
from deeplandmark.measuring.report_table import table
from deeplandmark.measuring.results_of_others import ON_300W
from tests.helpers.fake_cascade import FakeCascade, faces_of, synthetic_list, with_points

SEED = 7
CORNERS = {68: (36, 45), 88: (21, 29), 98: (60, 72)}
EYES = {68: (range(36, 42), range(42, 48)), 88: (range(21, 29), range(29, 37)), 98: ([96], [97])}


def measured(folder, points, count=5):
    """An evaluation of drawn faces whose every point is off by something of its own."""
    print("seed", SEED)
    rng = np.random.default_rng(SEED)
    faces = with_points(faces_of(synthetic_list(folder, count)), points, rng)
    found = evaluate(FakeCascade(faces, (0.01,), None, points), faces)
    return replace(found, predicted=found.predicted + rng.normal(0, 3, found.predicted.shape).astype(np.float32))


def distance(a, b):
    return hypot(a[0] - b[0], a[1] - b[1])


def middle(points_px, eye):
    return [sum(points_px[i][axis] for i in eye) / len(eye) for axis in (0, 1)]


def mean_by_loops(found, part, length):
    """Mean over faces of the mean over the visible points of a part; `length` (face number) divides."""
    of_faces = []
    for f, face in enumerate(found.annotations):
        errors = [distance(found.predicted[f, -1, i], face.landmark_px[i]) / length(f) for i in part
                  if not np.isnan(face.landmark_px[i]).any()]
        if errors and not np.isnan(length(f)):
            of_faces.append(sum(errors) / len(errors))
    return sum(of_faces) / len(of_faces), of_faces


def lengths(found, k):
    def truth(f):
        return found.annotations[f].landmark_px
    left, right = CORNERS[k]
    return {"box_width": lambda f: found.annotations[f].bbox.width,
            "outer_eye_corners": lambda f: distance(truth(f)[left], truth(f)[right]),
            "pupils": lambda f: distance(*(middle(truth(f), eye) for eye in EYES[k]))}


@pytest.mark.parametrize("points", [IBUG_68, FACE_88, WFLW_98], ids=len)
def test_every_number_is_that_of_plain_loops(tmp_path, points):
    found, k = measured(tmp_path, points), len(points)
    written = json.loads(json.dumps(as_json(found), allow_nan=False))
    parts = {"all": range(k)}
    for name, part in points.groups:
        name = {"left_brow": "brows", "right_brow": "brows", "left_eye": "eyes", "right_eye": "eyes"}.get(name, name)
        parts[name] = [*parts.get(name, []), *part]
    assert set(written["parts"]) == set(parts)
    for name, part in parts.items():
        assert written["parts"][name].pop("points") == len(part)
        for key, length in lengths(found, k).items():
            assert written["parts"][name].pop(key) == pytest.approx(mean_by_loops(found, part, length)[0])
        assert not written["parts"][name]
    _, of_faces = mean_by_loops(found, range(k), lengths(found, k)["outer_eye_corners"])
    assert written["faces"]["n"] == 5 and "outer eye corners" in written["faces"]["normaliser"]
    for limit in (0.08, 0.1):
        row = written["faces"]["limits"][f"{limit:g}"]
        assert row["failure"] == sum(error > limit for error in of_faces) / 5
        steps = (np.arange(20000) + 0.5) / 20000 * limit                          # an area is a sum of thin strips
        assert row["area_under_curve"] == pytest.approx(cumulative_curve(of_faces, steps).mean(), abs=1e-4)
    assert ("others" in written) == (points == IBUG_68)


def test_the_area_under_a_curve_by_hand():
    assert area_under_curve([0.0, 0.0], 0.1) == 1 and area_under_curve([0.2, np.inf], 0.1) == 0
    assert area_under_curve([0.05, 0.025, 1, np.nan], 0.1) == pytest.approx((0.5 + 0.75 + 0) / 3)


def test_hidden_points_and_eyes(tmp_path):
    """A hidden point is left out of its part; a face with a hidden corner has no error by that distance."""
    found = measured(tmp_path, IBUG_68)
    faces = list(found.annotations)
    hidden = [face.landmark_px.copy() for face in faces]
    hidden[0][36] = hidden[1][[48, 50]] = np.nan
    hidden[2][:17] = np.nan
    found = replace(found, annotations=tuple(replace(face, landmark_px=px) for face, px in zip(faces, hidden)))
    written = as_json(found)
    assert written["faces"]["n"] == 4
    own = lengths(found, 68)
    for name, part in (("contour", range(17)), ("mouth", range(48, 68)), ("eyes", range(36, 48))):
        for key in ("box_width", "outer_eye_corners"):
            assert written["parts"][name][key] == pytest.approx(mean_by_loops(found, part, own[key])[0]), (name, key)
    none = tuple(replace(face, landmark_px=np.where(np.arange(68)[:, None] == 36, np.nan, face.landmark_px))
                 for face in faces)
    found = replace(found, annotations=none)
    written = as_json(found)
    assert written["parts"]["all"]["outer_eye_corners"] is None
    assert written["faces"]["limits"]["0.08"]["failure"] is None
    assert "(n = 0)" in table(found)


def test_the_text_names_every_normaliser_and_says_other_data(tmp_path):
    found = measured(tmp_path, IBUG_68)
    text, written = table(found, "model m, list l"), as_json(found)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 110
    head = next(line for line in lines if line.startswith(" ") and "outer eye corners" in line)
    names = ["width of the face box", "distance of the outer eye corners", "distance of the pupils"]
    assert re.split(r"\s{2,}", head.strip()) == names
    for name, row in written["parts"].items():
        line = next(line for line in lines if line.startswith(f"{name} ({row['points']} points)"))
        numbers = [float(cell) for cell in line.split(")")[1].split()]
        np.testing.assert_allclose(numbers, [100 * row[key] for key in ("box_width", "outer_eye_corners", "pupils")],
                                   atol=0.00501)
    for limit, row in written["faces"]["limits"].items():
        line = next(line for line in lines if line.startswith(f"up to {100 * float(limit):g} % "))
        area, failures = map(float, line.split("%")[1].split())
        assert area == pytest.approx(row["area_under_curve"], abs=0.00051)
        assert failures == pytest.approx(100 * row["failure"], abs=0.051)
    ours = next(line for line in lines if line.startswith("this model  "))
    assert float(ours.split()[-1]) == pytest.approx(100 * written["parts"]["all"]["outer_eye_corners"], abs=0.00501)
    for row, other in zip(ON_300W, written["others"]):
        line = next(line for line in lines if line.startswith(f"{row.name}, other data"))
        assert f"{row.full:.2f}" in line and ("*" in line) == (other["normaliser"] is None)
        assert min(row.common, row.challenge) < row.full < max(row.common, row.challenge)
        assert other["data"] == "other data" and other["full"] == pytest.approx(row.full / 100)
    assert "300W" not in table(measured(tmp_path, FACE_88))


def test_88_points_in_pixels_of_the_originals_crop(tmp_path):
    """A crop of 160 pixels is 1.3 boxes of a kind of which the lists' is (1 - 0.211 - 0.101): by loops, hidden points
    left out; beside it what the original tells of its own pictures."""
    found = measured(tmp_path, FACE_88)
    absolute, squared = [], []
    for f, face in enumerate(found.annotations):
        scale = 160 * (1 - 0.211 - 0.101) / 1.3 / face.bbox.width
        for told, truth in zip(found.predicted[f, -1], face.landmark_px):
            if not np.isnan(truth).any():
                absolute += [abs(told[axis] - truth[axis]) * scale for axis in (0, 1)]
                squared += [((told[axis] - truth[axis]) * scale) ** 2 for axis in (0, 1)]
    assert as_json(found)["pixels"] == pytest.approx({"absolute": sum(absolute) / len(absolute),
                                                      "squared": sum(squared) / len(squared)}, rel=1e-6)
    text = table(found)
    (line,) = [line for line in text.splitlines() if line.startswith("this model   ")]
    assert [float(cell) for cell in line.split()[2:]] == pytest.approx(
        [sum(values) / len(values) for values in (absolute, squared)], abs=0.00051)
    assert "MobileNet (0.23 M weights), other data" in text and "0.964" in text and "1.89 boxes" in text
    assert "pixels" not in as_json(measured(tmp_path, IBUG_68))


@pytest.mark.slow
def test_the_pictures(tmp_path, monkeypatch):
    found = measured(tmp_path, IBUG_68, 2)
    monkeypatch.setattr(report, "save_figure", lambda figure, path: path.touch())  # test_report.py has them drawn
    names = {path.name for path in save_report(found, tmp_path / "result")}
    assert {"parts.png", "parts.svg", "cumulative.png"} <= names
    figure = draw_parts(found)
    save_figure(figure, tmp_path / "parts.png")
    assert min(cv2.imread(str(tmp_path / "parts.png")).shape[:2]) > 400
    axes = figure.axes
    labels = [axis.get_xlabel().split("% of the ")[1] for axis in axes]
    assert labels == ["width of the face box", "distance of the outer eye corners", "distance of the pupils"]
    (line,) = [line for line in axes[1].lines if line.get_label() == "all"]
    _, of_faces = mean_by_loops(found, range(68), lengths(found, 68)["outer_eye_corners"])
    x, y = line.get_data()
    np.testing.assert_allclose(y, [50 * sum(error <= at / 100 for error in of_faces) for at in x])
    eyeless = tuple(replace(face, landmark_px=np.where(np.arange(68)[:, None] == 36, np.nan, face.landmark_px))
                    for face in found.annotations)
    assert [len(axis.lines) for axis in draw_parts(replace(found, annotations=eyeless)).axes] == [6, 2, 0]
