"""Runs a recorded case of Caffe's layers: arrays in, the largest relative error of every recorded blob out."""
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

import deeplandmark.caffe as caffe

FOLDER = Path(__file__).parents[1] / "data" / "caffe" / "layers"


def recorded_types():
    """Layer types with recorded numbers; `Net` stands for small whole nets."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def cases(type_name):
    """The cases of a type: dicts with prototxt, phase, outputs ..., and `arrays[kind][name]`."""
    found = json.loads((FOLDER / f"{type_name}.json").read_text())
    with np.load(FOLDER / f"{type_name}.npz") as recorded:
        for case in found:
            case["arrays"] = defaultdict(dict)
            for key in recorded.files:
                name, kind, blob = key.split("|", 2)
                if name == case["case"]:
                    case["arrays"][kind][blob] = recorded[key]
    return found


def build(case):
    """The Net of a case with its parameters and memory data; run it from FOLDER."""
    net = caffe.Net(case["prototxt"], getattr(caffe, case["phase"]), level=case.get("level", 0),
                    stages=case.get("stages", ()))
    for key, values in case["arrays"]["param"].items():
        param(net, key).data = values
    memory = case["arrays"]["memory"]
    if memory:
        net.set_input_arrays(memory["data"], memory["label"])
    return net


def param(net, key):
    """The blob of a key `layer|index`."""
    layer, index = key.rsplit("|", 1)
    return net.params[layer][int(index)]


def forward_errors(net, case):
    """Runs the forwards of a case; yields (what, error)."""
    arrays = case["arrays"]
    for index in range(case["forwards"]):
        suffix = f"@{index}" if index else ""
        for name, values in arrays[f"input{suffix}"].items():
            net.blobs[name].data = values
        net.forward()
        for name, values in arrays[f"top{suffix}"].items():
            yield f"top{suffix} {name}", relative_error(net.blobs[name].data, values)
    for key, values in arrays["param_after"].items():
        yield f"param_after {key}", relative_error(param(net, key).data, values)


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


def relative_error(found, expected):
    """Largest difference, relative to the largest expected value; infinite for another shape or misplaced NaN."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape or (np.isnan(found) != np.isnan(expected)).any():
        return np.inf
    if not expected.size:
        return 0.0
    return np.nanmax(np.abs(found - expected), initial=0) / max(np.nanmax(np.abs(expected), initial=0), 1e-30)
