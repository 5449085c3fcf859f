"""Which device models run on; what libraries say they have is given, as no GPU can be counted on here."""
import logging
import pickle

import numpy as np
import onnxruntime
import pytest
import torch

import deeplandmark
from deeplandmark.cascade.cascade import Cascade
from deeplandmark.cascade.onnx import export_cascade
from deeplandmark.cascade.torch_engine import TorchEngine
from deeplandmark.networks import device as torch_devices
from deeplandmark.networks.published import ONNX_FILE, model_at
from deeplandmark.work import device as devices
from deeplandmark.work.device import GPU, PROCESSOR, checked_device, providers_for
from deeplandmark.work.onnx_session import open_session
from tests.helpers.onnx_cascades import assert_same, picture, random_model

BOXES = [[40, 30, 160, 150]]


@pytest.fixture(autouse=True)
def nothing_said():
    devices.say_once.cache_clear()


@pytest.fixture
def with_gpu(monkeypatch):
    """ONNX Runtime says that it has a GPU; what it is asked to run on is noted, and runs on the processor."""
    asked, real = [], onnxruntime.InferenceSession

    def session(data, options, providers, **more):
        asked.append(providers)
        return real(data, options, [PROCESSOR], **more)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [GPU, PROCESSOR])
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    return asked


@pytest.mark.parametrize("text, device", [("cpu", "cpu"), ("cuda", "cuda:0"), ("cuda:0", "cuda:0"),
                                          ("cuda:12", "cuda:12")])
def test_devices(text, device):
    assert checked_device(text) == device


@pytest.mark.parametrize("text", ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CUDA", "cpu\n", None, 0])
def test_what_is_no_device_is_refused(text):
    with pytest.raises(ValueError, match="is unknown .known: cpu, cuda, cuda:N"):
        checked_device(text)
    with pytest.raises(ValueError, match="is unknown"):
        deeplandmark.load(device=text)


def test_providers(monkeypatch, caplog):
    assert providers_for("cpu") == [PROCESSOR]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [PROCESSOR])
    assert providers_for("cuda:1") == providers_for("cuda:1") == [PROCESSOR]
    (said,) = caplog.messages
    assert said.startswith("cuda:1: ONNX Runtime has no GPU here") and "the processor is used" in said
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [GPU, PROCESSOR])
    assert providers_for("cuda:1") == [(GPU, {"device_id": 1}), PROCESSOR]


def test_a_gpu_that_turns_out_to_be_none_is_said_once(with_gpu, caplog):
    for _ in range(2):
        open_session(model_at("wide") / ONNX_FILE, device="cuda:0")
    assert with_gpu == 2 * [[(GPU, {"device_id": 0}), PROCESSOR]]
    assert caplog.messages == ["cuda:0: ONNX Runtime cannot use the GPU; the processor is used"]


@pytest.mark.parametrize("name", [None, "68"])
def test_load_runs_there(with_gpu, name):
    model = deeplandmark.load(name, device="cuda:1")
    assert with_gpu == [[(GPU, {"device_id": 1}), PROCESSOR]]
    again = pickle.loads(pickle.dumps(model))
    assert with_gpu == 2 * [[(GPU, {"device_id": 1}), PROCESSOR]]
    image = np.dstack([picture()] * 3)
    expected = deeplandmark.load(name).locate(image, BOXES).points
    assert np.abs(again.locate(image, BOXES).points - expected).max() < 1e-3
    assert with_gpu[2:] == [[PROCESSOR]]


def test_torch_where_it_alone_has_one(monkeypatch, tmp_path):
    folder, moved = random_model(tmp_path / "model", levels=(1,)), []
    export_cascade(folder, folder / ONNX_FILE)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, device: moved.append(device) or module)
    assert Cascade.load(folder).backend == "onnx" and not moved
    model = Cascade.load(folder, device="cuda:2")
    assert model.backend == "torch" and isinstance(model._engine, TorchEngine) and set(moved) == {"cuda:2"}
    assert_same(model.locate(picture(), BOXES), Cascade.load(folder, backend="torch").locate(picture(), BOXES))


def test_torch_without_one_says_so(monkeypatch, tmp_path, caplog):
    folder = random_model(tmp_path / "model", levels=(1,))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with caplog.at_level(logging.WARNING):
        Cascade.load(folder, device="cuda")
    assert caplog.messages == ["cuda:0: torch has no GPU here; the processor is used"]
    monkeypatch.setattr(torch_devices, "find_spec", lambda name: None)
    assert not torch_devices.torch_alone_has("cuda:0")


def test_the_command_says_it_once(tmp_path, monkeypatch, capsys):
    from deeplandmark.detect import main
    from deeplandmark.faces.picture import write_picture
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [PROCESSOR])
    write_picture(tmp_path / "a.png", picture())
    arguments = [str(tmp_path / "a.png"), "--boxes", "40,30,160,150", "--json", str(tmp_path / "rows")]
    assert main([*arguments, "--device", "cuda"]) == 0
    assert capsys.readouterr().err.count("ONNX Runtime has no GPU here") == 1
    assert main([*arguments, "--device", "tpu"]) == 1 and "device 'tpu' is unknown" in capsys.readouterr().err
