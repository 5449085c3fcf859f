"""Caffe without Caffe, under pycaffe's names: `import deeplandmark.caffe as caffe`."""
from typing import TYPE_CHECKING

try:
    from deeplandmark.caffe import layers, proto
except ModuleNotFoundError as error:                             # the name makes `deeplandmark caffe` one line
    from deeplandmark.work.extras import install
    raise ImportError(f"deeplandmark.caffe needs {error.name}: {install('train')}", name=__name__) from None
from deeplandmark.caffe.errors import (
    CaffeError,
    FileFormatError,
    ForkFieldWarning,
    NetError,
    NotFiniteWarning,
    PrototxtError,
    SolverError,
)
from deeplandmark.caffe.layers import layer_type_list, register_layer
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
set_engine = _MODE.set_engine
set_random_seed = _MODE.set_random_seed

__all__ = [
    "AdaDeltaSolver", "AdaGradSolver", "AdamSolver", "CaffeError", "Classifier", "Detector", "FileFormatError",
    "ForkFieldWarning", "Layer", "Monitor", "NCCL", "NesterovSolver", "Net", "NetError", "NetModule", "NetSpec",
    "NotFiniteWarning", "PrototxtError", "RMSPropSolver", "SGDSolver", "SolverError", "TEST", "TRAIN", "Timer",
    "classifier", "coord_map", "detector", "draw", "get_solver", "has_nccl", "init_log", "io", "latest_snapshot",
    "layer_type_list", "layers", "log", "net_spec", "params", "proto", "pycaffe", "register_layer", "set_device",
    "set_engine", "set_mode_cpu", "set_mode_gpu", "set_multiprocess", "set_random_seed", "set_solver_count",
    "set_solver_rank", "solver_count", "solver_rank", "to_onnx", "to_proto", "to_torch"]

# Names that cost time to import come from their files on first use: name -> module.
_LAZY = {
    **dict.fromkeys(("AdaDeltaSolver", "AdaGradSolver", "AdamSolver", "Monitor", "NesterovSolver", "RMSPropSolver",
                     "SGDSolver", "get_solver", "latest_snapshot"), "solvers"),
    **dict.fromkeys(("NCCL", "Timer", "has_nccl", "init_log", "set_multiprocess", "set_solver_count",
                     "set_solver_rank", "solver_count", "solver_rank"), "pycaffe"),
    **dict.fromkeys(("NetSpec", "params", "to_proto"), "net_spec"),
    "Classifier": "classifier", "Detector": "detector", "to_onnx": "onnx"}
_SUBMODULES = ("classifier", "coord_map", "detector", "draw", "io", "net_spec", "pycaffe")

if TYPE_CHECKING:                                                # what editors and type checkers see of them
    from deeplandmark.caffe import classifier, coord_map, detector, draw, io, net_spec, pycaffe
    from deeplandmark.caffe.classifier import Classifier
    from deeplandmark.caffe.detector import Detector
    from deeplandmark.caffe.net_spec import NetSpec, params, to_proto
    from deeplandmark.caffe.onnx import to_onnx
    from deeplandmark.caffe.pycaffe import (
        NCCL,
        Timer,
        has_nccl,
        init_log,
        set_multiprocess,
        set_solver_count,
        set_solver_rank,
        solver_count,
        solver_rank,
    )
    from deeplandmark.caffe.solvers import (
        AdaDeltaSolver,
        AdaGradSolver,
        AdamSolver,
        Monitor,
        NesterovSolver,
        RMSPropSolver,
        SGDSolver,
        get_solver,
        latest_snapshot,
    )


def log(message: str) -> None:
    """pycaffe's log: a line of severity INFO. The module of that name is reached by importing from it."""
    from deeplandmark.caffe.pycaffe import log as write
    write(message)


if not TYPE_CHECKING:
    def __getattr__(name):
        from importlib import import_module
        if name in _SUBMODULES:
            return import_module(f"{__name__}.{name}")
        if name in _LAZY:
            return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
