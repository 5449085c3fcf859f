"""Caffe without Caffe, under pycaffe's names: `import deeplandmark.caffe as caffe`."""
from deeplandmark.caffe import proto                                          # noqa: F401
from deeplandmark.caffe.errors import CaffeError, FileFormatError, NetError, PrototxtError, SolverError
from deeplandmark.caffe.layers import layer_type_list
from deeplandmark.caffe.mode import MODE as _MODE
from deeplandmark.caffe.module import NetModule, to_torch
from deeplandmark.caffe.net import Net
from deeplandmark.caffe.proto.caffe_pb2 import TEST, TRAIN

set_mode_cpu = _MODE.set_cpu
set_mode_gpu = _MODE.set_gpu
set_device = _MODE.set_device
set_random_seed = _MODE.set_random_seed

# Names that cost time to import come from their files on first use: name -> module.
_LAZY = {name: "deeplandmark.caffe.solvers" for name in (
    "AdaDeltaSolver", "AdaGradSolver", "AdamSolver", "Monitor", "NesterovSolver", "RMSPropSolver", "SGDSolver",
    "get_solver", "latest_snapshot")}

__all__ = ["CaffeError", "FileFormatError", "Net", "NetError", "NetModule", "PrototxtError", "SolverError", "TEST",
           "TRAIN", "layer_type_list", "proto", "set_device", "set_mode_cpu", "set_mode_gpu", "set_random_seed",
           "to_torch", *_LAZY]


def __getattr__(name):
    if name in _LAZY:
        from importlib import import_module
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
