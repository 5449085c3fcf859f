"""Solverstate files: what is written can be read again, half-written ones are never picked up."""

import numpy as np
import pytest

from deeplandmark.caffe.errors import FileFormatError
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.solvers.snapshot import (
    SolverSnapshot,
    latest_snapshot,
    model_of,
    read_state,
    snapshot_paths,
    write_state,
)


def some_state(iter=30, model="net_iter_30.caffemodel"):
    return SolverSnapshot(iter, model, 2, [np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(4, np.float32)])


def write_pair(prefix, iter, hdf5=False):
    model, state = snapshot_paths(prefix, iter, hdf5)
    open(model, "w").close()
    write_state(state, some_state(iter, model))
    return state


@pytest.mark.parametrize("suffix", ["", ".h5"])
def test_round_trip(tmp_path, suffix):
    path, state = str(tmp_path / f"x_iter_30.solverstate{suffix}"), some_state()
    write_state(path, state)
    again = read_state(path)
    assert (again.iter, again.learned_net, again.current_step) == (30, "net_iter_30.caffemodel", 2)
    for found, expected in zip(again.history, state.history):
        np.testing.assert_array_equal(found, expected)


def test_old_caffe_wrote_four_dimensions(tmp_path):
    message = caffe_pb2.SolverState(iter=7)
    message.history.add(num=1, channels=1, height=2, width=3, data=range(6))
    path = tmp_path / "old.solverstate"
    path.write_bytes(message.SerializeToString())
    assert read_state(str(path)).history[0].shape == (1, 1, 2, 3)


@pytest.mark.parametrize("prefix", ["net", "model/1_F/", "a[1]"])
def test_latest_snapshot_is_the_newest_complete_pair(tmp_path, prefix):
    prefix = f"{tmp_path}/{prefix}"
    (tmp_path / "model/1_F").mkdir(parents=True)
    assert latest_snapshot(prefix) is None
    write_pair(prefix, 90)
    expected = write_pair(prefix, 100)
    open(snapshot_paths(prefix, 200)[0], "w").close()                 # killed between model and state
    write_state(snapshot_paths(prefix, 300)[1], some_state(300, "gone"))  # model deleted
    open(snapshot_paths(prefix, 400)[1], "wb").write(b"\xff\xff not a state")
    open(snapshot_paths(prefix, 500)[1] + ".part", "w").close()       # killed while writing
    assert latest_snapshot(prefix) == expected


def test_latest_snapshot_of_another_prefix_does_not_count(tmp_path):
    write_pair(f"{tmp_path}/net_2", 100)
    write_pair(f"{tmp_path}/net_iter_5", 100)
    assert latest_snapshot(f"{tmp_path}/net") is None


def test_the_model_is_found_beside_a_moved_state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state = write_pair("net", 10)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert model_of(f"../{state}", read_state(f"../{state}")) == "../net_iter_10.caffemodel"


@pytest.mark.parametrize("suffix", ["", ".h5"])
def test_no_solverstate(tmp_path, suffix):
    path = tmp_path / f"x.solverstate{suffix}"
    with pytest.raises(FileFormatError, match="not found"):
        read_state(str(path))
    path.write_bytes(b"\xff\xff nothing of the kind")
    with pytest.raises(FileFormatError, match="x.solverstate"):
        read_state(str(path))
