"""BatchNorm and Scale in the weights of the convolution before them: the same answers by fewer nodes."""
from collections import Counter

import numpy as np
import onnx
import pytest

import deeplandmark.caffe as caffe
from tests.helpers.onnx_runs import CONV, run_both

SHAPES = {"maps": "dim: 2 dim: 4 dim: 7 dim: 6", "row": "dim: 2 dim: 4 dim: 9"}


def text_of(*layers, shape="maps"):
    """A net of layers (name, type, settings, bottom, top)."""
    text = f'layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ {SHAPES[shape]} }} }} }}\n'
    for name, type_name, settings, bottom, top in layers:
        bottoms = " ".join(f'bottom: "{each}"' for each in bottom.split())
        text += f'layer {{ name: "{name}" type: "{type_name}" {bottoms} top: "{top}" {settings} }}\n'
    return text


def with_statistics(text, seed=3):
    """Weights of the net, with means, variances, gains and shifts that do something."""
    net, rng = caffe.Net(text, caffe.TEST, seed=seed), np.random.default_rng(seed)
    for name, blobs in net.params.items():
        if len(blobs) == 3:
            blobs[0].data[...] = rng.normal(0, 3, blobs[0].data.shape)
            blobs[1].data[...] = rng.uniform(0.01, 9, blobs[1].data.shape)
            blobs[2].data[...] = 2
        elif name.startswith("scale"):
            for blob in blobs:
                blob.data[...] = rng.normal(1, 2, blob.data.shape)
    return net.to_proto()


def operations(text, tmp_path, monkeypatch):
    """Counter of the nodes of the exported net, whose answers are those of torch."""
    weights = with_statistics(text)
    for file in tmp_path.iterdir():
        file.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(caffe.Net, "to_proto", lambda net: weights)
        found = run_both(text, 3, tmp_path)
    for ours, theirs in found.values():
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-4 * np.abs(ours).max())
        assert np.ptp(ours) > 0.1
    model = onnx.load(tmp_path / "net.onnx")
    used = {name for node in model.graph.node for name in node.input}
    assert {tensor.name for tensor in model.graph.initializer} <= used
    return Counter(node.op_type for node in model.graph.node)


BN = ("bn", "BatchNorm", "", "c", "c")
SCALE = ("scale", "Scale", "scale_param { bias_term: true }", "c", "c")


@pytest.mark.parametrize("settings, shape", [
    (f"num_output: 6 kernel_size: 3 pad: 1 {CONV}", "maps"), (f"num_output: 8 kernel_size: 3 group: 4 {CONV}", "maps"),
    (f"num_output: 6 kernel_size: 1 bias_term: false {CONV}", "maps"),
    (f"num_output: 5 kernel_size: 3 stride: 2 {CONV}", "row")])
def test_the_convolution_does_it_all(settings, shape, tmp_path, monkeypatch):
    text = text_of(("c", "Convolution", f"convolution_param {{ {settings} }}", "x", "c"), BN, SCALE,
                   ("r", "ReLU", "", "c", "c"), shape=shape)
    assert operations(text, tmp_path, monkeypatch) == {"Conv": 1, "Relu": 1}


def test_a_number_for_all_maps_is_folded_as_well(tmp_path, monkeypatch):
    text = text_of(("c", "Convolution", f"convolution_param {{ num_output: 3 kernel_size: 2 {CONV} }}", "x", "c"),
                   ("p", "Power", "power_param { scale: 0.5 shift: -3 }", "c", "p"))
    assert operations(text, tmp_path, monkeypatch) == {"Conv": 1}


def test_what_others_need_stays(tmp_path, monkeypatch):
    """Maps that a second layer takes, a sum of two convolutions, a factor for each column, BatchNorm without one."""
    conv = f"convolution_param {{ num_output: 4 kernel_size: 1 {CONV} }}"
    text = text_of(("c", "Convolution", conv, "x", "c"), ("bn", "BatchNorm", "", "c", "b"),
                   ("e", "Eltwise", "", "c b", "e"))
    assert operations(text, tmp_path, monkeypatch) == {"Conv": 1, "Sub": 1, "Mul": 1, "Add": 1}
    text = text_of(("c", "Convolution", conv, "x", "c"), ("d", "Convolution", conv, "x", "d"),
                   ("bn", "BatchNorm", "", "d", "d"), ("e", "Eltwise", "", "c d", "e"))
    assert operations(text, tmp_path, monkeypatch) == {"Conv": 2, "Add": 1}
    text = text_of(("c", "Convolution", conv, "x", "c"),
                   ("scale", "Scale", 'scale_param { axis: 3 filler { type: "uniform" min: 1 max: 2 } }', "c", "s"))
    assert operations(text, tmp_path, monkeypatch) == {"Conv": 1, "Mul": 1}
    text = text_of(("bn", "BatchNorm", "", "x", "y"), ("c", "Convolution", conv, "y", "c"))
    assert operations(text, tmp_path, monkeypatch) == {"Sub": 1, "Mul": 1, "Conv": 1}
