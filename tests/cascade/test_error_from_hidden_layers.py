"""What hidden layers tell of the error: known weights found again, its way into both engines, stale weights refused."""
import json
import re
import shutil

import numpy as np
import pytest

from deeplandmark import Cascade
from deeplandmark.caffe import to_torch
from deeplandmark.cascade.confidence.calibration import Observations, fit_confidence
from deeplandmark.cascade.confidence.confidence import EPSILON, Weights, point_confidence
from deeplandmark.cascade.confidence.error_from_hidden_layers import (
    ErrorPrediction,
    fit_error,
    hidden_odds,
    weights_in_use,
)
from deeplandmark.cascade.networks import networks
from deeplandmark.cascade.onnx import export_cascade
from deeplandmark.cascade.settings import PAPER_SETTINGS, CascadeSettings
from deeplandmark.networks.hidden_layer import hidden_blob
from deeplandmark.networks.published import ONNX_FILE, model_at
from tests.helpers.observations import MIRROR, drawn

NETWORKS = [network for network in networks() if network.level > 1]


def hidden_of(count, seed, size=6):
    rng = np.random.default_rng(seed)
    return {network: rng.normal(3, 2, (count, size)).astype(np.float32) for network in NETWORKS}


def test_the_sum_point_by_point():
    hidden, weights = hidden_of(3, 1), {network.full_name: tuple(range(i, i + 6)) for i, network in enumerate(NETWORKS)}
    del weights["3_N1"]
    found = hidden_odds(hidden, weights, 5)
    for face in range(3):
        for point, name in enumerate(("LE", "RE", "N", "LM", "RM")):
            mine = [network for network in NETWORKS if network.name[:-1] == name and network.full_name in weights]
            assert len(mine) == (3 if name == "N" else 4)
            expected = sum(a * w for network in mine for a, w in zip(hidden[network][face], weights[network.full_name]))
            assert found[face, point] == pytest.approx(expected, rel=1e-5)
    assert hidden_odds({}, weights, 5) == 0.0


def test_the_error_is_learnt_from_hidden_layers():
    """Errors that the layers of the left eye tell, and no other: found where they are, nothing where there is none."""
    hidden, rng = hidden_of(4000, 2), np.random.default_rng(3)
    told = sum(hidden[network] @ np.array([0.3, 0, 0, -0.2, 0, 0]) for network in NETWORKS if network.points == (0,))
    error = np.exp(rng.normal(-4, 0.5, (4000, 5)))
    error[:, 0] = np.exp(told - told.mean() - 4)
    truth = np.full((4000, 5, 2), 50.0)
    levels = np.repeat(truth[:, None], 3, axis=1)
    levels[:, 2, :, 0] += 100 * error
    prediction = fit_error(Observations(levels, np.zeros((4000, 3, 5)), truth, np.full(4000, 100.0), hidden))
    assert set(prediction.weights) == {network.full_name for network in NETWORKS}
    other = prediction.of(hidden)
    assert np.corrcoef(other[:, 0], np.log(EPSILON + error[:, 0]))[0, 1] > 0.95
    assert other[:, 1:].std() < 0.1 * other[:, 0].std()
    np.testing.assert_allclose(other.mean(0), np.log(EPSILON + error).mean(0), atol=1e-6)


def test_what_it_is_worth_is_found_with_the_other_features():
    """Failures drawn by what one layer says: the fitted confidence follows it, the first two levels know nothing."""
    found, hidden = drawn(6000), hidden_of(6000, 4)
    bad = next(network for network in NETWORKS if network.full_name == "2_N1")
    found.levels[:, 2, 2] = found.truth[:, 2]
    found.levels[hidden[bad][:, 0] > 6, 2, 2, 0] += 20
    found = Observations(found.levels, found.spread, found.truth, found.width, hidden)
    prediction = ErrorPrediction(np.arange(5) - 3.0, {"2_N1": np.eye(6)[0]})
    fitted = fit_confidence(found, MIRROR, prediction)
    assert [list(entry.hidden) for entry in fitted] == [[], [], ["2_N1"]]
    confidence = point_confidence(found.levels, found.spread, found.width, fitted,
                                  hidden_odds(hidden, fitted[2].hidden, 5))
    right = found.right(3)[:, 2]
    assert confidence[right, 2].mean() > confidence[~right, 2].mean() + 0.2
    assert confidence.mean() == pytest.approx(found.right(3).mean(), abs=0.01)
    without = fit_confidence(found, MIRROR)
    assert without[:2] == fitted[:2] and without[2].hidden == {}


def test_the_blob_before_the_last_inner_product():
    graph = to_torch('''
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 4 dim: 4 } } }
        layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" inner_product_param { num_output: 3 } }
        layer { name: "t" type: "TanH" bottom: "a" top: "a" }
        layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" inner_product_param { num_output: 2 } }
        layer { name: "u" type: "TanH" bottom: "b" top: "b" }''').graph
    assert graph.blob_names[hidden_blob(graph)] == "a"
    del graph.nodes[1:]
    assert hidden_blob(graph) is None


def test_less_than_a_whole_cascade_uses_none():
    settings = Cascade.load("wide").settings
    assert set(weights_in_use(settings, 3)) == {network.full_name for network in NETWORKS}
    assert weights_in_use(settings, 2) == weights_in_use(PAPER_SETTINGS, 3) == {}


def test_weights_of_other_networks_are_refused(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(model_at("wide"), folder, ignore=shutil.ignore_patterns(ONNX_FILE))
    values = json.loads((folder / "cascade.json").read_text())
    for name, wrong in (("2_LE1", [1.0] * 7), ("2_XX", [1.0])):
        changed = json.loads(json.dumps(values))
        changed["confidence"][2]["hidden"][name] = wrong
        (folder / "cascade.json").write_text(json.dumps(changed))
        message = re.escape(f"its confidence was fitted to another {name}; `deeplandmark calibrate`")
        for use in (Cascade.load, export_cascade):
            with pytest.raises(ValueError, match=message):
                use(folder)


def test_hidden_layers_are_for_a_whole_cascade():
    weights = tuple(Weights((0.0,) * 5, ((0.0,) * count,) * 5, ((0.0,) * count,) * 5, {"2_LE1": (1.0,)})
                    for count in (1, 3, 5))
    settings = CascadeSettings(confidence=weights)
    assert [weights_in_use(settings, levels) for levels in (1, 2, 3)] == [{}, {}, {"2_LE1": (1.0,)}]
    assert weights_in_use(CascadeSettings(confidence=weights[:2]), 3) == weights_in_use(CascadeSettings(), 3) == {}
