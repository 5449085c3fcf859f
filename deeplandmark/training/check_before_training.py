"""Whether a training net and the HDF5 files belong together: asked before a training, not found out in it."""
import os
from pathlib import Path

from deeplandmark.caffe.files.prototxt import read_net
from deeplandmark.caffe.graph.phase_rules import layer_is_included
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.training.collapse import JUDGED

_GENERATE, _PREPARE = "`deeplandmark generate", "`deeplandmark prepare"


def mismatch(network, prototxt, train, turn=1):
    """Why a network cannot be trained, at one of its turns, with these files, and what to run; None when it can.

    Parameters
    ----------
    network : Network
    prototxt, train : str
        The folders of the training net and of the HDF5 files.
    """
    path = f"{prototxt}/{network.turn_name(turn)}_train.prototxt"
    layers = read_net(path).layer
    answers = [layer.inner_product_param.num_output for layer in layers if layer.type == "InnerProduct"]
    if answers and answers[-1] != network.num_output:
        return (f"{path} answers {answers[-1]} numbers, {network.full_name} finds {len(network.points)} points; run "
                f"{_GENERATE}` with the same --points")
    if not any(JUDGED in layer.top for layer in layers if layer_is_included(layer, caffe_pb2.TEST)):
        return (f"{path} has no top {JUDGED!r} in phase TEST: the EuclideanLoss by which networks are found that "
                "learn nothing")
    readers = {"HDF5Data": "hdf5_data_param", "HDF5PatchData": "hdf5_patch_data_param"}
    for layer in layers:
        if layer.type in readers:
            found = _reading(layer, getattr(layer, readers[layer.type]).source, network, path, train)
            if found:
                return found
    return None


def _reading(layer, source, network, path, train):
    if os.path.normpath(os.path.dirname(source)) != os.path.normpath(f"{train}/{network.full_name}"):
        return f"{path} reads {source}, the HDF5 files are in {train}/; run {_GENERATE} --train {train}`"
    file = _first_file(source)
    if file is None:
        return None                                              # the layer itself says what is missing
    shapes = _row_shapes(file)
    if layer.type == "HDF5PatchData" and "window" not in shapes:
        return (f"{path} cuts patches of wide windows, {file} holds frozen patches; run {_PREPARE} {network.level}` "
                f"without --frozen, or {_GENERATE} --frozen`")
    if layer.type == "HDF5Data" and "data" not in shapes:
        return (f"{path} reads frozen patches, {file} holds wide windows; run {_GENERATE}` without --frozen, or "
                f"{_PREPARE} {network.level} --frozen`")
    if shapes.get("landmark") != (network.num_output,):
        return (f"{file} has landmarks of shape {shapes.get('landmark')}, {network.full_name} finds "
                f"{len(network.points)} points; run {_PREPARE} {network.level}` with the same --points")
    return None


def _first_file(source):
    try:
        names = Path(source).read_text(encoding="utf-8").split("\n")
    except OSError:
        return None
    return names[0] if names[0] and Path(names[0]).is_file() else None


def _row_shapes(file):
    """Shape of a row of each dataset of an HDF5 file."""
    import h5py  # only training needs it
    with h5py.File(file, "r") as content:
        return {name: content[name].shape[1:] for name in content}
