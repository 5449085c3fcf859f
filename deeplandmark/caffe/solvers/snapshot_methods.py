"""How a solver takes snapshots and goes on from them."""
import os
from typing import Any

import numpy as np
import torch

from deeplandmark.caffe.errors import FileFormatError, SolverError
from deeplandmark.caffe.logs.log import Log
from deeplandmark.caffe.solvers.place import go_to_place, place_path, write_place
from deeplandmark.caffe.solvers.snapshot import (
    SolverSnapshot,
    check_history,
    model_of,
    read_state,
    snapshot_paths,
    write_state,
)


class SnapshotMethods:
    """The methods of a Solver that write its state and take it up (solver.cpp, Snapshot and Restore)."""
    net: Any
    test_nets: list
    update: Any
    log: Log
    keeps_place: bool

    def snapshot(self):
        """Writes model and solver state for the present iteration; returns the path (str) of the solverstate.

        Of several ranks only the first writes, as in Caffe.

        Raises
        ------
        SolverError
            And no file is written, when the weights are not finite.
        """
        self._losses.check()
        if not all(bool(torch.isfinite(p).all()) for p in self.net.learnable_params):
            raise SolverError(f"iteration {self.iter}: the weights are not finite, no snapshot was written")
        hdf5 = self.param.snapshot_format == self.param.HDF5
        model, state = snapshot_paths(self.param.snapshot_prefix, self.iter, hdf5)
        if not self.is_root:
            return state
        kind = "HDF5" if hdf5 else "binary proto"
        self.log.info("solver.cpp:464", f"Snapshotting to {kind} file {model}")
        if self.param.snapshot_diff:
            self.update.show_updates()
        (self.net.save_hdf5 if hdf5 else self.net.save)(model, self.param.snapshot_diff)
        self.log.info("sgd_solver.cpp:284", f"Snapshotting solver state to {kind} file {state}")
        history = [tensor.cpu().numpy() for tensor in self.update.history]
        if self.keeps_place:
            write_place(place_path(state), [self.net, *self.test_nets])
        write_state(state, SolverSnapshot(self.iter, model, self._current_step, history))
        self._tell("on_snapshot", self.iter, state)
        return state

    def restore(self, state_file: str) -> None:
        """Takes up weights, history and iteration of a solverstate, ours or Caffe's.

        Data layers are not in it: HDF5Data starts again at row 0, as in Caffe, unless `keeps_place` is set and was set
        for the solver that wrote it.

        Raises
        ------
        FileFormatError
            When the solverstate or its model cannot be read.
        SolverError
            When its history is that of another net or solver type.
        """
        state_file = os.fspath(state_file)
        state = read_state(state_file)
        check_history(state_file, state, self.update.history)
        if state.learned_net:
            model = model_of(state_file, state)
            if model is None:
                raise FileFormatError(f"{state_file}: its model {state.learned_net} was not found"
                                      " (paths are relative to the working directory)")
            self.net.copy_from(model)
        self.log.info("sgd_solver.cpp:336", "SGDSolver: restoring history")
        for tensor, array in zip(self.update.history, state.history):
            tensor.copy_(torch.from_numpy(np.ascontiguousarray(array)).view_as(tensor))
        self.iter, self._current_step = state.iter, state.current_step
        if self.keeps_place and os.path.exists(place_path(state_file)):
            go_to_place(place_path(state_file), [self.net, *self.test_nets])
