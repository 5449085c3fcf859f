"""`deeplandmark.load`: the system that a folder or an .onnx names, and words where it names none that there is."""
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

import deeplandmark
from deeplandmark import Cascade, Faces, models
from deeplandmark.faces.box import LIST_KIND
from deeplandmark.faces.points import FIVE_POINTS
from deeplandmark.models.onnx_metadata import metadata_of
from deeplandmark.networks.published import ONNX_FILE, default_model, model_at
from tests.helpers.patience import PATIENCE

PUBLISHED = default_model()
BOXES = np.array([[60, 40, 160, 140], [20, 10, 90, 80]])


class Middle:
    """A system of one point, the middle of the box."""
    points, box_kind = FIVE_POINTS, LIST_KIND

    def __init__(self, path, threads):
        self.path, self.threads = path, threads

    @classmethod
    def load(cls, path=None, threads=1):
        return cls(path, threads)


@pytest.fixture
def another_system(monkeypatch):
    """A line in the table of systems."""
    monkeypatch.setitem(models.SYSTEMS, "middle", models.Place(f"{__name__}:Middle.load", "nowhere:export"))


def picture():
    noise = np.random.default_rng(0).integers(0, 256, (200, 240), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


def test_the_published_weights():
    system = deeplandmark.load()
    assert isinstance(system, Cascade) and system.points is system.settings.points and len(system.points) == 5
    assert system.box_kind == LIST_KIND
    faces = system.locate(picture(), BOXES)
    assert isinstance(faces, Faces) and faces.points.shape == system.predict(picture(), BOXES).shape == (2, 5, 2)
    (many,) = system.locate_many([(picture(), BOXES)], jobs=1)
    (group,) = system.locate_group([(picture(), BOXES)])
    assert np.allclose(many.points, group.points, rtol=0, atol=2e-3)
    assert np.allclose(group.points, faces.points, rtol=0, atol=2e-3)


@pytest.mark.parametrize("path", [PUBLISHED, str(PUBLISHED), PUBLISHED / ONNX_FILE])
def test_a_cascade_by_folder_and_file(path):
    expected = Cascade.load().predict(picture(), BOXES)
    assert np.allclose(deeplandmark.load(path, threads=2).predict(picture(), BOXES), expected, rtol=0, atol=1e-3)


def test_options_of_the_system():
    assert deeplandmark.load(backend="torch").backend == "torch"
    with pytest.raises(ValueError, match="backend 'tpu' is unknown"):
        deeplandmark.load(backend="tpu")


def test_a_folder_without_any_json_is_the_originals(tmp_path):
    for path in model_at("wide").glob("1_F.*"):
        shutil.copy(path, tmp_path)
    assert models.system_of(tmp_path) == "cascade" and deeplandmark.load(tmp_path).settings.cutting == "truncate"


def test_another_system_by_folder_and_file(another_system, tmp_path):
    (tmp_path / "model.json").write_text('{"system": "middle"}')
    model = onnx.load(PUBLISHED / ONNX_FILE, load_external_data=False)
    onnx.helper.set_model_props(model, {"system": "middle"})
    onnx.save(model, tmp_path / "middle.onnx")
    for path in (tmp_path, tmp_path / "middle.onnx"):
        system = deeplandmark.load(path, threads=3)
        assert isinstance(system, Middle) and system.path == path and system.threads == 3


@pytest.mark.parametrize("text, message", [
    ('{"system": "regresor"}', "model.json: a model of the system 'regresor', which this version does not have .it"),
    ("{}", 'model.json: names no system .expected {"system": "cascade"'), ("[", "names no system"),
    ("[]", "names no system"),
    ('{"system": ["cascade"]}', "names no system")])
def test_a_folder_that_names_no_system(tmp_path, text, message):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        deeplandmark.load(tmp_path)


def test_what_is_no_model_is_told_by_its_name(tmp_path):
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "empty.onnx").touch()
    for name in ("text.onnx", "empty.onnx"):
        with pytest.raises(ValueError, match=f"{name}: not a model that ONNX Runtime can read"):
            deeplandmark.load(tmp_path / name)
    with pytest.raises(ValueError, match="missing: neither a model folder nor an exported"):
        deeplandmark.load(tmp_path / "missing")


def test_metadata_is_what_onnx_runtime_reads(tmp_path):
    found = metadata_of(PUBLISHED / ONNX_FILE)
    expected = {entry.key: entry.value for entry in onnx.load(PUBLISHED / ONNX_FILE).metadata_props}
    assert found == expected and json.loads(found["settings"])["format"] == 1


def test_damaged_files_have_the_metadata_before_the_damage(tmp_path):
    """Wherever a small model is cut or a byte of it changed, no other error comes."""
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], []))
    onnx.helper.set_model_props(model, {"system": "middle", "b": "c"})
    data, path = model.SerializeToString(), tmp_path / "a.onnx"
    for i in range(len(data)):
        path.write_bytes(data[:i])
        assert metadata_of(path).items() < {"system": "middle", "b": "c"}.items()
        for damaged in (data[:i] + b"\xff" + data[i + 1:], data[:i] + b"\xff" * 12 + data[i:]):
            path.write_bytes(damaged)
            assert isinstance(metadata_of(path), dict)


@pytest.mark.process
def test_only_what_inference_needs_is_imported():
    script = ("import sys, deeplandmark; deeplandmark.load(); "
              "sys.exit(' '.join({'torch', 'onnx', 'PIL', 'google.protobuf'} & set(sys.modules)) or 0)")
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
