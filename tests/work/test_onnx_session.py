"""Models of others: those that fail at work, or never come to an end, are one error."""
import os
import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from deeplandmark.work import onnx_session
from deeplandmark.work.onnx_session import open_session


def model(nodes, constants=(), output=("y", TensorProto.FLOAT, [None])):
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None])],
                              [helper.make_tensor_value_info(*output)], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    onnx.checker.check_model(made)
    return made.SerializeToString()


def endless():
    """A loop of 2 ** 62 turns around a sum."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["v", "v"], ["w"])], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info(
            "go", TensorProto.BOOL, []), helper.make_tensor_value_info("v", TensorProto.FLOAT, [None])],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("w", TensorProto.FLOAT, [None])])
    return model([helper.make_node("Loop", ["turns", "yes", "x"], ["y"], body=body)],
                 [helper.make_tensor("turns", TensorProto.INT64, [], [2 ** 62]),
                  helper.make_tensor("yes", TensorProto.BOOL, [], [True])])


def test_a_model_that_has_no_end_is_ended(monkeypatch):
    monkeypatch.setattr(onnx_session, "SECONDS", 0.4)
    session = open_session(endless(), "his.onnx")
    with pytest.raises(ValueError, match=r"his\.onnx: the model takes more than 0.4 s"):
        session.run(None, {"x": np.zeros(3, np.float32)})
    monkeypatch.undo()
    again = open_session(model([helper.make_node("Neg", ["x"], ["y"])]))
    assert again.run(["y"], {"x": np.ones(2, np.float32)})[0].tolist() == [-1, -1]


@pytest.mark.parametrize("inputs", [{"x": np.zeros(3, np.float32)}, {}, {"x": np.zeros(3)}, {"z": np.zeros(3)}])
def test_a_model_that_fails_names_itself(inputs):
    wrong = model([helper.make_node("Reshape", ["x", "shape"], ["y"])],
                  [helper.make_tensor("shape", TensorProto.INT64, [1], [7])])
    with pytest.raises(KeyError, match=r"his\.onnx: the model fails at work") as failed:
        open_session(wrong, "his.onnx", KeyError).run(["y"], inputs)
    assert "\\n" not in str(failed.value)


def test_forked_processes_are_watched_as_well(monkeypatch):
    monkeypatch.setattr(onnx_session, "SECONDS", 0.4)
    data = endless()
    with onnx_session._Watched._lock:                            # as if another thread were just in there
        process = os.fork()
        if not process:
            try:
                open_session(data).run(None, {"x": np.zeros(3, np.float32)})
            except ValueError as error:
                os._exit(0 if "more than" in str(error) else 2)
            os._exit(3)
    killer = threading.Timer(60, os.kill, (process, 9))
    killer.start()
    assert os.waitpid(process, 0)[1] == 0
    killer.cancel()
