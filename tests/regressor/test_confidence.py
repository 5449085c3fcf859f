"""What a regressor's confidence is fitted to, on errors whose odds a test knows."""
import numpy as np
import pytest

from deeplandmark.networks.regression import sigmoid
from deeplandmark.regressor.calibration import Observations, fit
from deeplandmark.regressor.confidence import Confidence

SEED = 6
MIRROR = (1, 0, 2)


def drawn(count, rng):
    """Observations of faces whose first hidden number says how bad they are; the last point is the worst."""
    hidden = rng.normal(0, 1, (count, 8))
    odds = np.array([3.0, 3, 1]) - 2 * hidden[:, :1]
    wrong = rng.uniform(0, 1, (count, 3)) > sigmoid(odds)
    return Observations(np.where(wrong, 0.08, 0.01) * np.exp(0.4 * hidden[:, :1]), hidden, 2), sigmoid(odds)


def test_odds_that_are_known_are_found():
    print("seed", SEED)
    rng = np.random.default_rng(SEED)
    (held, truth), (seen, _) = drawn(4000, rng), drawn(4000, rng)
    held.errors[::7, 1] = np.nan                                 # not visible: it tells nothing
    right = np.where(np.isnan(held.errors), np.nan, held.errors <= 0.05)
    found = fit(held, seen, MIRROR)
    confidence = found.of(held.hidden)
    assert found.bias[0] == found.bias[1] and found.slope[0] == found.slope[1]
    assert np.abs(np.nanmean(right, axis=0) - confidence.mean(axis=0)).max() < 0.03
    assert np.corrcoef(confidence[:, 2], truth[:, 2])[0, 1] > 0.97
    usual = confidence[::2].mean(axis=1)
    assert (usual < found.sure).mean() == pytest.approx(1 / 2, abs=0.01)
    assert (usual < found.lost).mean() == pytest.approx(1 / 200, abs=0.005)
    assert Confidence.from_json(found.to_json(), 3) == found


def test_without_hidden_layers_it_is_a_share():
    errors = np.full((18, 3), 0.01)
    errors[:3, 2] = 0.2
    found = fit(Observations(errors, None, 1), None, MIRROR)
    assert found.weights == () and found.sure == found.lost == 0
    np.testing.assert_allclose(found.of(np.zeros((2, 0))), [[37 / 38, 37 / 38, 16 / 20]] * 2, atol=1e-4)


def test_what_is_no_confidence_is_refused():
    good = Confidence.of_shares([0.5, 0.75]).to_json()
    assert Confidence.from_json([0.5, 0.75], 2).of(np.zeros((1, 0)))[0].tolist() == pytest.approx([0.5, 0.75])
    for bad in ([0.5], [0.5, 1.5], {**good, "bias": [1.0]}, {**good, "sure": float("nan")}):
        with pytest.raises(ValueError, match="confidence: expected"):
            Confidence.from_json(bad, 2)
