"""model.json of a regressor: what is written is read again, and what is wrong in it is refused with the file's name."""
import json
from dataclasses import replace

import pytest

from deeplandmark.caffe import TEST, Net
from deeplandmark.faces.points import IBUG_68
from deeplandmark.models.families import settings_of
from deeplandmark.regressor.engines import TorchEngine
from deeplandmark.regressor.export import export_regressor
from deeplandmark.regressor.settings import RegressorSettings
from deeplandmark.training.templates import render, template_folder

SETTINGS = settings_of("face112", IBUG_68)


def test_written_and_read_again(tmp_path):
    SETTINGS.save(tmp_path)
    assert RegressorSettings.load(tmp_path) == SETTINGS


@pytest.mark.parametrize("name, value, text", [
    ("networks", [], "one network of all 68 points"), ("networks", [{}], "level"),
    ("normalisation", {"mean": float("nan"), "deviation": 1}, "a mean of nan"),
    ("normalisation", {"mean": 1, "deviation": float("inf")}, "a deviation of inf"),
    ("normalisation", {"mean": 1, "deviation": 1e-60}, "a deviation of 1e-60"),       # 0 in float32
    ("normalisation", {"mean": [], "deviation": 1}, ""), ("normalisation", {"mean": {}, "deviation": 1}, ""),
    ("normalisation", {"mean": 1}, "a mean of 1"), ("system", "cascade", "its system is")])
def test_what_is_wrong_is_refused(name, value, text, tmp_path):
    (tmp_path / "model.json").write_text(json.dumps({**json.loads(SETTINGS.to_json()), name: value}))
    with pytest.raises(ValueError, match="model.json: not a regressor's settings") as caught:
        RegressorSettings.load(tmp_path)
    assert text in str(caught.value)


def test_some_of_the_points_are_refused():
    network = replace(SETTINGS.network, points=(0, 1))
    with pytest.raises(ValueError, match="one network of all 68 points"):
        replace(SETTINGS, networks=(network,))


@pytest.mark.parametrize("changes, text", [
    ({"size": (112, 111)}, r"it sees data of shape \(3, 112, 112\), but the settings of the model say \(3, 112, 111\)"),
    ({"channels": 1}, r"say \(1, 112, 112\)")])
def test_a_net_that_does_not_fit_is_refused_by_name(changes, text, tmp_path):
    stem = tmp_path / SETTINGS.network.full_name
    stem.with_suffix(".prototxt").write_text(
        render(SETTINGS.network, "deploy", folder=template_folder(), variant="face112"))
    Net(f"{stem}.prototxt", TEST, seed=1).save(f"{stem}.caffemodel")
    replace(SETTINGS, networks=(replace(SETTINGS.network, **changes),)).save(tmp_path)
    for use in (TorchEngine, export_regressor):
        with pytest.raises(ValueError, match=f"1_face.prototxt: .*{text}"):
            use(tmp_path)
