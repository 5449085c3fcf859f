"""A SolverParameter made ready for use: defaults filled in, contradictions refused before any work starts."""

import os

from deeplandmark.caffe.errors import SolverError
from deeplandmark.caffe.files import prototxt
from deeplandmark.caffe.solvers.average_precision import VERSIONS
from deeplandmark.caffe.solvers.learning_rate import check_policy
from deeplandmark.caffe.solvers.test_outputs import EVAL_TYPES
from deeplandmark.caffe.solvers.updates import RULES

_TRAIN_NET_FIELDS = ("net", "net_param", "train_net", "train_net_param")


def read(source, strict=False):
    """The SolverParameter ready for use, from a solver file or from a message (which stays as it is).

    `strict` (bool) is that of `read_source`.

    Raises
    ------
    PrototxtError
        If the file cannot be read or does not follow the schema.
    SolverError
        If the fields contradict each other or one of them is out of range.
    """
    param = prototxt.read_solver(source, strict)
    _upgrade_snapshot_prefix(param, os.fspath(source) if isinstance(source, (str, os.PathLike)) else None)
    _check_type(param)
    _check_test(param)
    _check_numbers(param)
    _check_nets(param)
    _check_snapshot_folder(param)
    check_policy(param)
    return param


def _upgrade_snapshot_prefix(param, path):
    """Caffe's rule (upgrade_proto.cpp): the solver file's name without a prefix, and below a prefix that is a folder.

    Except that a prefix ending in '/' is taken as it stands: `model/1_F/` gives `model/1_F/_iter_N`.
    """
    if not param.HasField("snapshot_prefix"):
        if path:
            param.snapshot_prefix = os.path.splitext(path)[0]
    elif os.path.isdir(param.snapshot_prefix) and not param.snapshot_prefix.endswith("/"):
        stem = os.path.splitext(os.path.basename(path))[0] if path else ""
        param.snapshot_prefix = os.path.join(param.snapshot_prefix, stem)


def _check_type(param):
    if param.type not in RULES:
        raise SolverError(f"unknown solver type {param.type!r} (known: {', '.join(RULES)})")


def _check_test(param):
    for name, known in (("eval_type", EVAL_TYPES), ("ap_version", VERSIONS)):
        if getattr(param, name) not in known:
            raise SolverError(f"unknown {name} {getattr(param, name)!r} (known: {', '.join(known)})")


def _check_numbers(param):
    for name in ("max_iter", "display", "snapshot", "test_interval"):
        if getattr(param, name) < 0:
            raise SolverError(f"{name} must not be negative, found {getattr(param, name)}")
    for name in ("iter_size", "average_loss"):
        if getattr(param, name) < 1:
            raise SolverError(f"{name} must be at least 1, found {getattr(param, name)}")


def _check_nets(param):
    given = [name for name in _TRAIN_NET_FIELDS if param.HasField(name)]
    if not given:
        raise SolverError(f"no training net: give one of {', '.join(_TRAIN_NET_FIELDS)}")
    if len(given) > 1:
        raise SolverError(f"more than one training net: {', '.join(given)}; keep one of them")
    _check_test_nets(param, len(param.test_net) + len(param.test_net_param))


def _check_test_nets(param, named):
    generic = int(param.HasField("net") or param.HasField("net_param"))
    count = len(param.test_iter)
    if generic and count < named:
        raise SolverError(f"{named} test nets, {count} test_iter: each test net needs one")
    if not generic and count != named:
        raise SolverError(f"{named} test nets, {count} test_iter: the numbers must agree")
    if any(n < 1 for n in param.test_iter):
        raise SolverError(f"test_iter must be at least 1, found {min(param.test_iter)}")
    if count and param.test_interval == 0:
        raise SolverError("test_iter is given, test_interval is not")
    if param.test_state and len(param.test_state) != count:
        raise SolverError(f"{len(param.test_state)} test_state, {count} test nets: give none or one for each")


def _check_snapshot_folder(param):
    """Makes the folder of the snapshots, and finds out before any work is done that they cannot be written there."""
    if param.snapshot and not param.snapshot_prefix:
        raise SolverError("snapshot is given, snapshot_prefix is not")
    if not param.snapshot_prefix or not (param.snapshot or param.snapshot_after_train):
        return
    folder = os.path.dirname(os.path.abspath(f"{param.snapshot_prefix}_iter_0"))
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise SolverError(f"snapshot_prefix {param.snapshot_prefix!r}: {error}") from None
    if not os.access(folder, os.W_OK):
        raise SolverError(f"snapshot_prefix {param.snapshot_prefix!r}: {folder} is not writable")
