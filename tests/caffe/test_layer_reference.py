"""Every layer against numbers computed with BVLC Caffe 1.0."""
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from layer_reference import FOLDER, backward_errors, build, cases, forward_errors, recorded_types

EXACT = {"HDF5Data", "MemoryData", "Crop", "Slice", "Concat", "Reshape", "Tile", "ArgMax", "Accuracy"}
LOOSE_BACKWARD = {"LRN", "MVN", "BatchNorm", "LSTM", "RNN"}
OWN_LAYERS = {"LocallySharedConvolution", "LocallySharedScale"}      # the paper's; Caffe lacks them
ALL_CASES = [case for type_name in recorded_types() for case in cases(type_name)]


@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: f"{case['type']}-{case['case']}")
def test_case(case, monkeypatch):
    monkeypatch.chdir(FOLDER)
    net = build(case)
    assert sorted(net.outputs) == sorted(case["outputs"])
    if case.get("random"):
        return                                                       # see test_dropout
    exact = case["type"] in EXACT
    for what, error in forward_errors(net, case):
        assert error <= (0 if exact else 1e-5), what
    if case["backward"]:
        tolerance = 0 if exact else 1e-4 if case["type"] in LOOSE_BACKWARD else 1e-5
        for what, error in backward_errors(net, case):
            assert error <= tolerance, what


@pytest.mark.parametrize("case", [c for c in ALL_CASES if not c.get("random") and c["forwards"] == 1],
                         ids=lambda case: f"{case['type']}-{case['case']}")
def test_total_loss(case, monkeypatch):
    monkeypatch.chdir(FOLDER)
    net = build(case)
    for name, values in case["arrays"]["input"].items():
        net.blobs[name].data = values
    assert net.forward_loss()[1] == pytest.approx(case["total_loss"][0], rel=1e-5, abs=1e-7)


def test_every_layer_type_has_recorded_numbers():
    missing = set(caffe.layer_type_list()) - set(recorded_types()) - OWN_LAYERS
    assert missing <= {"Data", "ImageData", "WindowData", "Python"}, missing     # these read files or user code


def test_dropout_keeps_and_scales_with_one_mask():
    net = caffe.Net("""force_backward: true
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 50 dim: 40 } } }
        layer { name: "drop" type: "Dropout" bottom: "data" top: "out" dropout_param { dropout_ratio: 0.3 } }""",
                    caffe.TRAIN, seed=3)
    net.blobs["data"].data = 1 + np.random.default_rng(0).random((50, 40))
    top = net.forward()["out"].copy()
    kept = top != 0
    assert abs(kept.mean() - 0.7) < 0.05
    np.testing.assert_allclose(top[kept], net.blobs["data"].data[kept] / 0.7, rtol=1e-5)
    net.blobs["out"].diff = np.ones((50, 40))
    np.testing.assert_allclose(net.backward()["data"], kept / np.float32(0.7), rtol=1e-5)
