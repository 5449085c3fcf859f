"""Recorded cases of Caffe's layers: arrays in, the largest relative error of every recorded blob out.

A folder holds `<Type>.npz` with keys `case|kind|name`, and the cases as `index.json` or as `<Type>.json`; what the
definitions read lies in `files`.
"""
import contextlib
import json
import os
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

from deeplandmark.caffe.net import Net
from deeplandmark.caffe.proto import caffe_pb2

EXACT = {"HDF5Data", "MemoryData", "Crop", "Slice", "Concat", "Reshape", "Tile", "ArgMax", "Accuracy", "HDF5Output"}
LOOSE_BACKWARD = {"LRN", "MVN", "BatchNorm", "LSTM", "RNN"}
TOLERANCE, LOOSE_TOLERANCE = 1e-5, 1e-4      # relative to the largest value of a blob, float32 against float32


def tolerances(type_name):
    """(forward, backward) tolerance of a layer type."""
    if type_name in EXACT:
        return 0.0, 0.0
    return TOLERANCE, LOOSE_TOLERANCE if type_name in LOOSE_BACKWARD else TOLERANCE


def recorded_types(folder):
    """Layer types with recorded numbers, a sorted list of str; `Net` stands for small whole nets."""
    return sorted(path.stem for path in Path(folder).glob("*.npz"))


def cases(folder, type_name):
    """The cases of a type: dicts with prototxt, phase, outputs ..., and `arrays[kind][name]`."""
    folder = Path(folder)
    single = folder / f"{type_name}.json"
    text = (single if single.exists() else folder / "index.json").read_text(encoding="utf-8")
    found = json.loads(text)
    found = [case for case in (found["cases"] if isinstance(found, dict) else found) if case["type"] == type_name]
    with np.load(folder / f"{type_name}.npz") as recorded:
        for case in found:
            case["folder"] = str(folder.resolve())
            case["arrays"] = defaultdict(dict)
            for key in recorded.files:
                name, kind, blob = key.split("|", 2)
                if name == case["case"]:
                    case["arrays"][kind][blob] = recorded[key]
    return found


@contextlib.contextmanager
def workplace(folder):
    """A copy of the folder's `files` as working directory inside the block: nets can write there."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as place:
        os.mkdir(os.path.join(place, "files"))
        for path in sorted(Path(folder, "files").glob("*")):
            shutil.copyfile(path, os.path.join(place, "files", path.name))
        os.chdir(place)
        try:
            yield place
        finally:
            os.chdir(before)


def build(case):
    """The Net of a case (dict) with its parameters and memory data; run it in a workplace."""
    net = Net(case["prototxt"], getattr(caffe_pb2, case["phase"]), level=case.get("level", 0),
              stages=case.get("stages", ()))
    for key, values in case["arrays"]["param"].items():
        param(net, key).data = values
    memory = case["arrays"]["memory"]
    if memory:
        net.set_input_arrays(memory["data"], memory["label"])
    return net


def param(net, key):
    """The Blob of a key `layer|index`."""
    layer, index = key.rsplit("|", 1)
    return net.params[layer][int(index)]


def forward_errors(net, case):
    """Runs the forwards of a case; yields (what, error)."""
    arrays = case["arrays"]
    if case.get("writes"):
        Path(case["writes"]).unlink(missing_ok=True)             # what Caffe wrote is compared, not taken over
    for index in range(case["forwards"]):
        suffix = f"@{index}" if index else ""
        for name, values in arrays[f"input{suffix}"].items():
            net.blobs[name].data = values
        net.forward()
        for name, values in arrays[f"top{suffix}"].items():
            yield f"top{suffix} {name}", relative_error(net.blobs[name].data, values)
    for key, values in arrays["param_after"].items():
        yield f"param_after {key}", relative_error(param(net, key).data, values)
    if case.get("writes"):
        yield from _file_errors(case)


def backward_errors(net, case):
    """Runs the backward of a case from the recorded top diffs; yields (what, error)."""
    arrays = case["arrays"]
    for name, values in arrays["top_diff"].items():
        net.blobs[name].diff = values
    net.backward()
    for name, values in arrays["bottom_diff"].items():
        yield f"bottom_diff {name}", relative_error(net.blobs[name].diff, values)
    for key, values in arrays["param_diff"].items():
        yield f"param_diff {key}", relative_error(param(net, key).diff, values)


def mask_errors(net, case):
    """Dropout in TRAIN: (what, error) under our own mask, kept values scaled as the recorded ones are."""
    arrays = case["arrays"]
    (name, x), (top, recorded) = (next(iter(arrays[kind].items())) for kind in ("input", "top"))
    scale = np.median((recorded / x)[recorded != 0])
    net.blobs[name].data = x
    net.forward()
    kept = np.array(net.blobs[top].data) != 0
    if not 0 < kept.mean() < 1:
        yield f"mask of {top}", np.inf
    yield f"top {top}", relative_error(net.blobs[top].data, x * kept * scale)
    net.blobs[top].diff = diff = arrays["top_diff"][top]
    net.backward()
    yield f"bottom_diff {name}", relative_error(net.blobs[name].diff, diff * kept * scale)


def relative_error(found, expected):
    """Largest difference, relative to the largest expected value; infinite for another shape or misplaced NaN."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape or (np.isnan(found) != np.isnan(expected)).any():
        return np.inf
    if not expected.size:
        return 0.0
    return np.nanmax(np.abs(found - expected), initial=0) / max(np.nanmax(np.abs(expected), initial=0), 1e-30)


def _file_errors(case):
    """Datasets of the file that Caffe wrote against ours, which must have the same ones."""
    import h5py
    with h5py.File(Path(case["folder"], case["writes"])) as recorded, h5py.File(case["writes"]) as ours:
        if set(recorded) != set(ours):
            yield f"datasets of {case['writes']}", np.inf
        for name in set(recorded) & set(ours):
            same_type = recorded[name].dtype == ours[name].dtype
            yield f"dataset {name}", relative_error(ours[name][()], recorded[name][()]) if same_type else np.inf
