"""A model of a stranger runs none of his code and writes none of his files, whichever command it is handed to."""
import importlib
import shutil
import sys

import cv2
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.networks.published import model_at
from deeplandmark.work.user_code import allow_user_code, user_code_allowed, without_user_code
from tests.helpers.server import Server

LAYERS = {"Python": 'layer { name: "his" type: "Python" bottom: "data" top: "his" '
                    'python_param { module: "his_module" layer: "His" } }',
          "HDF5Output": 'layer { name: "his" type: "HDF5Output" bottom: "data" bottom: "data" '
                        'hdf5_output_param { file_name: "his.h5" } }'}
MODULE = "open('ran', 'w').close()\nimport caffe\nclass His(caffe.Layer):\n" \
         "    def setup(self, bottom, top): pass\n" \
         "    def reshape(self, bottom, top): top[0].reshape(1)\n" \
         "    def forward(self, bottom, top): pass\n"
COMMANDS = {"detect": "face.png --boxes 10,10,90,90 --json out", "align": "face.png --boxes 10,10,90,90 --out out",
            "evaluate": "--list list.txt", "export": "out.onnx", "calibrate": "--data .",
            "evaluate_detection": "--data ."}


@pytest.fixture(params=LAYERS)
def model(request, tmp_path, monkeypatch):
    """A folder of the published networks, one of which has a layer of that kind as well."""
    shutil.copytree(model_at("wide"), tmp_path / "model", ignore=shutil.ignore_patterns("*.onnx", "losses*"))
    definition = tmp_path / "model" / "1_F.prototxt"
    definition.write_text(f"{definition.read_text()}\n{LAYERS[request.param]}\n")
    (tmp_path / "his_module.py").write_text(MODULE)
    cv2.imwrite(str(tmp_path / "face.png"), np.zeros((100, 100, 3), np.uint8))
    line = "face.png 10 90 10 90 30.0 30.0 70.0 30.0 50.0 50.0 35.0 70.0 65.0 70.0\n"
    for name in ("list.txt", "trainImageList.txt", "testImageList.txt"):
        (tmp_path / name).write_text(20 * line)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("his_module", None)


def run(command, *flags):
    main = importlib.import_module(f"deeplandmark.{command}").main
    return main([*COMMANDS[command].split(), "--model", "model", *flags])


@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_refused_in_one_line(model, command, capsys):
    assert run(command) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"{command}: ") and err.count("\n") == 1 and "--allow-python-layers" in err
    assert "1_F.prototxt" in err and not (model / "ran").exists() and not (model / "his.h5").exists()
    assert user_code_allowed()                                   # the library goes by its own rules again


@pytest.mark.parametrize("command", ["detect", "export"])
def test_who_trusts_it_may_run_it(model, command, capsys):
    run(command, "--allow-python-layers")
    assert "--allow-python-layers" not in capsys.readouterr().err
    assert (model / "ran").exists() or "Python" not in (model / "model" / "1_F.prototxt").read_text()


def test_it_is_switched_off_inside_and_what_was_before_comes_back(monkeypatch):
    monkeypatch.delenv("DEEPLANDMARK_PYTHON_LAYERS", raising=False)
    with without_user_code():
        assert not user_code_allowed()
        with without_user_code():
            allow_user_code()
            assert user_code_allowed()
        assert not user_code_allowed()
    assert user_code_allowed()


def test_the_library_runs_python_layers_as_caffe_does(model):
    caffe.Net("model/1_F.prototxt", caffe.TEST)
    assert (model / "ran").exists() or "Python" not in (model / "model" / "1_F.prototxt").read_text()


@pytest.mark.process
def test_serve_refuses_it_as_well(model):
    with pytest.raises(AssertionError, match="--allow-python-layers"):
        Server("--model", "model")
    assert not (model / "ran").exists() and not (model / "his.h5").exists()
