"""The light family: one network that is the whole cascade, by torch and as one graph, its confidence, its looks."""
import numpy as np
import pytest

from deeplandmark import Cascade, load
from deeplandmark.cascade.confidence.calibration import Observations, fit_confidence
from deeplandmark.cascade.confidence.confidence import Weights, point_confidence
from deeplandmark.cascade.confidence.error_from_hidden_layers import fit_error, hidden_odds, names_of_weights
from deeplandmark.cascade.networks import light_networks
from deeplandmark.cascade.onnx import export_cascade
from deeplandmark.cascade.settings import CascadeSettings
from deeplandmark.cascade.torch_engine import TorchEngine, load_modules
from deeplandmark.faces.points import SETS
from deeplandmark.measuring.speed.prediction import multiply_adds
from deeplandmark.networks.published import ONNX_FILE, model_at
from tests.helpers.onnx_cascades import assert_same, picture, random_model

NETWORK = light_networks()[0]
HIDDEN = 416
BOXES = np.array([[60, 40, 160, 140], [100, 90, 180, 170.0]])


def fitted():
    """Weights for 1, 2 and 3 levels; the last hears the hidden layer."""
    hidden = {name: tuple(np.linspace(-0.05, 0.01 * i, HIDDEN)) for i, name in enumerate(names_of_weights(NETWORK))}
    return tuple(Weights((0.5, 0.4, 0.3, 0.2, 0.1), ((-0.3,) * count,) * 5, ((0.2,) * count,) * 5,
                         hidden if count == 5 else {}) for count in (1, 3, 5))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return random_model(tmp_path_factory.mktemp("light") / "model", variant="light", confidence=fitted(),
                        level_1_share=0.2)


@pytest.fixture(scope="module")
def exported(folder):
    export_cascade(folder, folder / ONNX_FILE)
    return Cascade.load(folder)


def test_both_engines_agree_on_every_level(folder, exported):
    by_torch = Cascade.load(folder, backend="torch")
    assert exported.backend == "onnx" and exported.levels == by_torch.levels == [1, 2, 3]
    for level in (1, 2, 3):
        found, expected = (cascade.locate(picture(), BOXES, level) for cascade in (exported, by_torch))
        assert found.levels.shape == (2, level, 5, 2) and not found.spread.any()
        assert_same(found, expected)
    assert np.abs(found.levels[:, 0] - found.levels[:, 2]).max() > 0.5   # the levels differ


def test_confidence_hears_the_hidden_layer_of_each_point(folder, exported):
    settings, modules = load_modules(folder)
    found = exported.locate(picture(), BOXES)
    told = hidden_odds(TorchEngine(settings, modules).run(picture(), BOXES, 3).hidden, fitted()[2].hidden, 5)
    assert told.shape == (2, 5) and np.ptp(told, axis=1).min() > 0.01
    expected = point_confidence(found.levels, found.spread, [100, 80], fitted(), told)
    assert np.abs(found.confidence - expected).max() < 1e-4


def test_best_is_the_same_at_the_cost_of_the_wide_family(tmp_path):
    folder = random_model(tmp_path / "best", variant="best")
    assert 18e6 < multiply_adds(folder) < 21e6
    export_cascade(folder, folder / ONNX_FILE)
    found, expected = (Cascade.load(folder, backend).locate(picture(), BOXES) for backend in ("onnx", "torch"))
    assert_same(found, expected)


def test_mirrored_it_sees_the_mirrored_picture(folder):
    """`export --mirror` gives the mean of the answers for the picture and for its mirror image."""
    export_cascade(folder, folder.with_name("mirrored.onnx"), mirror=True)
    cascade, mirrored = Cascade.load(folder, backend="torch"), Cascade.load(folder.with_name("mirrored.onnx"))
    image, order = picture(), list(cascade.points.mirror)
    flipped = BOXES[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [image.shape[1] - 1, 0] * 2
    other = cascade.locate(np.ascontiguousarray(image[:, ::-1]), flipped).points[:, order]
    other = np.stack([image.shape[1] - 1 - other[..., 0], other[..., 1]], -1)
    wanted = (cascade.locate(image, BOXES).points + other) / 2
    assert np.abs(mirrored.locate(image, BOXES).points - wanted).max() < 0.01


def test_two_looks_and_many_pictures(exported):
    one, two = (exported.locate(picture(), BOXES, looks=looks) for looks in (1, 2))
    assert (one.looks == 1).all() and (two.looks > 1).all()
    many = list(exported.locate_many([(picture(), BOXES)] * 3, jobs=1))
    assert all(np.abs(each.points - one.points).max() < 0.01 for each in many)
    assert exported.locate(picture(), np.zeros((0, 4))).points.shape == (0, 5, 2)


def test_it_sees_its_window_only(exported):
    """What lies further than an eighth of the box beyond it changes nothing."""
    image = picture()
    changed = np.full_like(image, 255)
    changed[40 - 15:140 + 15, 60 - 15:160 + 15] = image[40 - 15:140 + 15, 60 - 15:160 + 15]
    found, expected = (exported.locate(each, BOXES[:1]).points for each in (changed, image))
    assert np.abs(found - expected).max() < 1e-3


def test_the_error_is_learnt_from_one_hidden_layer_for_all_points():
    print("seed 4")
    rng = np.random.default_rng(4)
    hidden = rng.normal(size=(900, 6))
    error = np.exp(0.4 * hidden[:, :5]) * 2                       # pixels; of point j, what number j says
    levels = np.zeros((900, 3, 5, 2))
    levels[..., 0] = error[:, None]
    seen = Observations(levels, np.zeros((900, 3, 5)), np.zeros((900, 5, 2)), np.full(900, 100.0), {NETWORK: hidden})
    prediction = fit_error(seen)
    for point, name in enumerate(names_of_weights(NETWORK)):
        assert np.argmax(np.abs(prediction.weights[name])) == point and prediction.weights[name][point] > 0.1
    weights = fit_confidence(seen, SETS["5"].mirror, prediction)[2]
    assert set(weights.hidden) == set(names_of_weights(NETWORK))


def test_its_row_survives_json_and_other_points_are_refused():
    settings = CascadeSettings(networks=light_networks())
    assert CascadeSettings.from_json(settings.to_json(), "here") == settings
    assert [settings.half_side(level) for level in (2, 3)] == [0.18, 0.13] and CascadeSettings().half_side(3) == 0.12
    assert "earlier" not in CascadeSettings().to_json()
    with pytest.raises(ValueError, match="no network"):
        CascadeSettings.from_json(settings.to_json().replace('"level_1"', "7"), "here")
    with pytest.raises(ValueError, match="no network"):
        CascadeSettings.from_json(settings.to_json().replace("0.18, 0.13", "0.18"), "here")
    with pytest.raises(ValueError, match="usual five"):
        light_networks(SETS["68"])


def test_published_weights_have_names(tmp_path, monkeypatch):
    assert model_at("light").parent == model_at("wide").parent and model_at() == model_at("best")
    for name in ("light", "best"):
        assert Cascade.load(name).settings.networks == light_networks()
    assert load("light").backend == "onnx"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "light").mkdir()                                 # a folder of that name goes before
    assert str(model_at("light")) == "light"
