"""Solver snapshots: `<prefix>_iter_N.caffemodel` with `<prefix>_iter_N.solverstate` (`.h5` added for HDF5).

Both files are written beside their place, synced and moved there, first the model, then the state. Whenever a run
is killed, every `.solverstate` found is whole and so is the model it names.
"""

import glob
import os
import re
from dataclasses import dataclass, field

import numpy as np

from deeplandmark.caffe.errors import FileFormatError, SolverError
from deeplandmark.caffe.files import hdf5
from deeplandmark.caffe.files.large_message import read_large
from deeplandmark.caffe.files.write_weights import write_state_message
from deeplandmark.caffe.proto import caffe_pb2

_STATE_NAME = re.compile(r"_iter_(\d+)\.solverstate(\.h5)?$")


@dataclass
class SolverSnapshot:
    """What a solverstate holds (SolverState in caffe.proto).

    Attributes
    ----------
    iter : int
        Updates done.
    learned_net : str
        Path of the model.
    current_step : int
        Of lr_policy step and multistep.
    history : list of float32 arrays
        In the order of the update rule's `history`.
    """

    iter: int
    learned_net: str
    current_step: int = 0
    history: list = field(default_factory=list)


def snapshot_paths(prefix, iter, hdf5=False):
    """(model, state) paths, str, of a snapshot taken after `iter` updates."""
    suffix = ".h5" if hdf5 else ""
    return f"{prefix}_iter_{iter}.caffemodel{suffix}", f"{prefix}_iter_{iter}.solverstate{suffix}"


def write_state(path, state):
    """Writes a SolverSnapshot, whole or not at all, as HDF5 where the path ends in `.h5`, as binary proto otherwise."""
    if path.endswith(".h5"):
        _write_hdf5(path, state)
    else:
        message = caffe_pb2.SolverState(iter=state.iter, learned_net=state.learned_net, current_step=state.current_step)
        write_state_message(path, message, state.history)


def read_state(path):
    """The SolverSnapshot of a solverstate (path, str), ours or Caffe's, in either format.

    Raises
    ------
    FileFormatError
        If the file is missing or is no solverstate.
    """
    if not os.path.isfile(path):
        raise FileFormatError(f"{path}: solver state not found")
    return _read_hdf5(path) if path.endswith(".h5") else _read_binary(path)


def model_of(state_path, state):
    """Path (str) of the model that a SolverSnapshot names, relative to the working directory as in Caffe.

    Where that is missing (a folder was moved, or another working directory), the file of that name beside the
    solverstate is taken. None when there is neither.
    """
    beside = os.path.join(os.path.dirname(state_path), os.path.basename(state.learned_net))
    return next((path for path in (state.learned_net, beside) if path and os.path.isfile(path)), None)


def latest_snapshot(prefix: str) -> str | None:
    """Path (str) of the newest solverstate of a prefix whose model is there and which can be read; None without one."""
    return next((path for _, path in snapshots(prefix) if _is_complete(path)), None)


def snapshots(prefix):
    """(iteration, path of the solverstate) of all snapshots of a prefix, newest first, complete or not."""
    found = []
    for path in glob.glob(f"{glob.escape(prefix)}_iter_*.solverstate*"):
        match = _STATE_NAME.search(path)
        if match and path[:match.start()] == prefix:
            found.append((int(match.group(1)), path))
    return sorted(found, reverse=True)


def _is_complete(path):
    try:
        return model_of(path, read_state(path)) is not None
    except FileFormatError:
        return False


def _read_binary(path):
    message = caffe_pb2.SolverState()
    stored = read_large(path, message)
    if not message.HasField("iter"):
        raise FileFormatError(f"{path}: not a solverstate (no iter)")
    return SolverSnapshot(message.iter, message.learned_net, message.current_step,
                          [stored(blob).read(f"{path}: history blob {i}") for i, blob in enumerate(message.history)])


def _write_hdf5(path, state):
    with hdf5.written(path) as file:
        file["iter"] = np.array([state.iter], np.int32)
        file["learned_net"] = np.bytes_(state.learned_net.encode())
        file["current_step"] = np.array([state.current_step], np.int32)
        group = file.create_group("history")
        for i, array in enumerate(state.history):
            group[str(i)] = np.asarray(array, np.float32)


def _read_hdf5(path):
    with hdf5.opened(path) as file:
        values = {name: hdf5.read_array(hdf5.member(file, name)) for name in ("iter", "current_step")}
        group = hdf5.member(file, "history")
        history = [np.asarray(hdf5.read_array(hdf5.member(group, str(i))), np.float32) for i in range(len(group))]
        learned_net = hdf5.read_text(hdf5.member(file, "learned_net"))
        return SolverSnapshot(int(np.ravel(values["iter"])[0]), learned_net,
                              int(np.ravel(values["current_step"])[0]), history)


def check_history(state_path, state, history):
    """A SolverError unless a SolverSnapshot's history fits the solver's list of history tensors."""
    if len(state.history) != len(history):
        raise SolverError(f"{state_path}: {len(state.history)} history blobs, the solver has {len(history)}"
                          " (another net or another solver type?)")
    for i, (array, tensor) in enumerate(zip(state.history, history)):
        # Old Caffe wrote four dimensions always: the number of values decides there.
        if array.shape != tuple(tensor.shape) and not (array.ndim == 4 and array.size == tensor.numel()):
            raise SolverError(f"{state_path}: history blob {i} has shape {tuple(array.shape)},"
                              f" the solver's has {tuple(tensor.shape)}")
