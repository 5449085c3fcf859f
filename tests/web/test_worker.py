"""What a worker answers when its work fails."""
import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper

from deeplandmark.web.limits import Limits
from deeplandmark.web.worker import _answer
from deeplandmark.work.onnx_session import open_session


def expanding(size):
    """The bytes of a model whose answer has so many values."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [1], [size])
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Expand", ["x", "shape"], ["y"])], "g", values[:1], values[1:], [shape])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    return made.SerializeToString()


def lacking(kind):
    """Raises what lack of memory makes of each library's work."""
    if kind == "numpy":
        np.ones(1 << 60, np.uint8)
    if kind == "opencv":
        cv2.resize(np.zeros((1, 1), np.uint8), (1 << 30, 1 << 30))
    open_session(expanding(1 << 50), "his.onnx").run(None, {"x": np.zeros(1, np.float32)})


@pytest.mark.parametrize("kind", ["numpy", "opencv", "onnxruntime"])
def test_lack_of_memory_is_too_costly(kind):
    finder = SimpleNamespace(limits=Limits(), answer=lambda content_type, body: lacking(kind))
    status, answer, usable = _answer(finder, "", b"")
    assert status == 422 and "400 MiB" in json.loads(answer)["error"] and not usable


def test_other_failures_are_the_servers(capsys):
    finder = SimpleNamespace(limits=Limits(), answer=lambda content_type, body: {}["x"])
    assert _answer(finder, "", b"")[0] == 500 and "KeyError" in capsys.readouterr().err
