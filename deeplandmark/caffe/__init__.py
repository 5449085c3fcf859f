"""Caffe without Caffe, under pycaffe's names: `import deeplandmark.caffe as caffe`."""
try:
    from deeplandmark.caffe import layers, proto
except ModuleNotFoundError as error:                             # the name makes `deeplandmark caffe` one line
    from deeplandmark.work.extras import install
    raise ImportError(f"deeplandmark.caffe needs {error.name}: {install('train')}", name=__name__) from None
from deeplandmark.caffe.errors import CaffeError, FileFormatError, NetError, PrototxtError, SolverError
from deeplandmark.caffe.layers import layer_type_list
from deeplandmark.caffe.logs.log import Log  # noqa: F401  (loaded first: `log` is a function below)
from deeplandmark.caffe.mode import MODE as _MODE
from deeplandmark.caffe.module import NetModule, to_torch
from deeplandmark.caffe.net import Net
from deeplandmark.caffe.proto.caffe_pb2 import TEST, TRAIN
from deeplandmark.caffe.user_layer import Layer

__version__ = "1.0.0"                                            # of the Caffe whose behaviour this is

set_mode_cpu = _MODE.set_cpu
set_mode_gpu = _MODE.set_gpu
set_device = _MODE.set_device
set_random_seed = _MODE.set_random_seed

# Names that cost time to import come from their files on first use: name -> module.
_LAZY = {
    **dict.fromkeys(("AdaDeltaSolver", "AdaGradSolver", "AdamSolver", "Monitor", "NesterovSolver", "RMSPropSolver",
                     "SGDSolver", "get_solver", "latest_snapshot"), "solvers"),
    **dict.fromkeys(("NCCL", "Timer", "has_nccl", "init_log", "set_multiprocess", "set_solver_count",
                     "set_solver_rank", "solver_count", "solver_rank"), "pycaffe"),
    **dict.fromkeys(("NetSpec", "params", "to_proto"), "net_spec"),
    "Classifier": "classifier", "Detector": "detector", "to_onnx": "onnx"}
_SUBMODULES = ("classifier", "coord_map", "detector", "draw", "io", "net_spec", "pycaffe")

__all__ = ["CaffeError", "FileFormatError", "Layer", "Net", "NetError", "NetModule", "PrototxtError", "SolverError",
           "TEST", "TRAIN", "layer_type_list", "proto", "set_device", "set_mode_cpu", "set_mode_gpu", "set_random_seed",
           "layers", "log", "to_torch", *_LAZY, *_SUBMODULES]


def log(message: str) -> None:
    """pycaffe's log: a line of severity INFO. The module of that name is reached by importing from it."""
    from deeplandmark.caffe.pycaffe import log as write
    write(message)


def __getattr__(name):
    from importlib import import_module
    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
