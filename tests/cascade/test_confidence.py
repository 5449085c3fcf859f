"""Confidence by its formula written as loops, and its way into cascade.json and back."""
import json
from dataclasses import replace
from math import exp, hypot, log

import numpy as np
import pytest

from deeplandmark.cascade.confidence.confidence import DISAGREEMENT, EPSILON, Weights, features, point_confidence
from deeplandmark.cascade.settings import PAPER_SETTINGS, CascadeSettings

N, L, K = 3, 3, 5


@pytest.fixture
def found():
    rng = np.random.default_rng(5)
    return rng.uniform(0, 90, (N, L, K, 2)), rng.uniform(0, 9, (N, L, K)), rng.uniform(50, 100, N)


def weights(levels, points=K, seed=6):
    draw = np.random.default_rng([seed, levels]).normal
    rows = [tuple(map(tuple, draw(0, 0.3, (points, 2 * levels - 1)).tolist())) for _ in range(2)]
    return Weights(tuple(draw(0, 1, points).tolist()), *rows)


def test_the_formula_point_by_point(found):
    levels_px, spread_px, width = found
    fitted = weights(L)
    expected = np.zeros((N, K))
    for a in range(N):
        logs = [[log(EPSILON + spread_px[a, i, j] / width[a]) for i in range(L)] +
                [log(EPSILON + hypot(*(levels_px[a, i + 1, j] - levels_px[a, i, j])) / width[a]) for i in range(L - 1)]
                for j in range(K)]
        for j in range(K):
            odds = fitted.bias[j]
            for i in range(2 * L - 1):
                odds += fitted.own[j][i] * logs[j][i] + fitted.face[j][i] * sum(row[i] for row in logs) / K
            expected[a, j] = 1 / (1 + exp(-odds))
    actual = point_confidence(levels_px, spread_px, width, (weights(1), weights(2), fitted))
    np.testing.assert_allclose(actual, expected, rtol=1e-9)
    told = np.array([[0.5, -1, 0, 2, -3.0]] * N)
    actual = point_confidence(levels_px, spread_px, width, (weights(1), weights(2), fitted), told)
    np.testing.assert_allclose(np.log(actual / (1 - actual)), np.log(expected / (1 - expected)) + told, rtol=1e-9)
    assert features(levels_px, spread_px, width).shape == (N, K, 2 * L - 1)


def test_each_number_of_levels_has_its_weights(found):
    levels_px, spread_px, width = found
    everything = tuple(weights(count) for count in (1, 2, 3))
    for count in (1, 2):
        part = levels_px[:, :count], spread_px[:, :count], width
        other = list(everything)
        other[count - 1] = weights(count, seed=8)
        assert np.abs(point_confidence(*part, everything) - point_confidence(*part, other)).max() > 0.01
    short = point_confidence(levels_px, spread_px, width, everything[:2])
    np.testing.assert_allclose(short, np.exp(-spread_px[:, 2] / width[:, None] / DISAGREEMENT))


def test_no_faces_and_extreme_weights_stay_within_0_and_1():
    none = np.zeros((0, 2, K, 2)), np.zeros((0, 2, K)), np.zeros(0)
    assert point_confidence(*none, (weights(1), weights(2))).shape == (0, K)
    wild = Weights((1e6,) * K, ((-1e6,),) * K, ((1e6,),) * K)
    points = np.zeros((1, 1, K, 2))
    assert np.isfinite(point_confidence(points, np.ones((1, 1, K)), [1.0], (wild,))).all()


def test_cascade_json_and_back(tmp_path):
    last = replace(weights(3), hidden={"2_LE1": (0.25, -1e-7), "3_N2": (3.0,)})
    fitted = replace(PAPER_SETTINGS, confidence=(weights(1), weights(2), last))
    fitted.save(tmp_path)
    assert CascadeSettings.load(tmp_path) == fitted and [path.name for path in tmp_path.iterdir()] == ["cascade.json"]
    PAPER_SETTINGS.save(tmp_path)
    assert "confidence" not in json.loads((tmp_path / "cascade.json").read_text())
    assert CascadeSettings.load(tmp_path) == PAPER_SETTINGS


@pytest.mark.parametrize("change, text", [
    ({"bias": [0.0] * 4}, "bias must be"), ({"own": [[0.0, 1.0]] * 5}, "own must be"),
    ({"face": [[float("nan")]] * 5}, "face"), ({"hidden": {"2_LE1": [[1.0]]}}, "hidden of 2_LE1"),
    ({"hidden": {"2_LE1": [float("inf")]}}, "hidden of 2_LE1"), ({"hidden": [1.0]}, "not a cascade's settings"),
    ({"face": None}, "face"), ({"own": "x"}, "not a cascade's settings")])
def test_weights_that_do_not_fit_are_refused(tmp_path, change, text):
    replace(PAPER_SETTINGS, confidence=(weights(1),)).save(tmp_path)
    values = json.loads((tmp_path / "cascade.json").read_text())
    values["confidence"][0].update(change)
    (tmp_path / "cascade.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=text):
        CascadeSettings.load(tmp_path)
