"""Every layer against numbers computed with BVLC Caffe 1.0.

Small recordings are in tests/data. DEEPLANDMARK_CAFFE_LAYERS may name a folder with more of the same kind.
"""
import os
from pathlib import Path

import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.checking.reference_cases import (
    backward_errors,
    build,
    cases,
    forward_errors,
    mask_errors,
    recorded_types,
    tolerances,
    workplace,
)

FOLDER = Path(os.environ.get("DEEPLANDMARK_CAFFE_LAYERS") or Path(__file__).parents[1] / "data/caffe/layers")
OWN_LAYERS = {"DenseTargets", "HDF5PatchData", "LocallySharedConvolution", "LocallySharedScale", "PointDistanceLoss",
              "PointHeat", "PointSIFT", "PointSimilarity", "SelectiveEuclideanLoss", "SelectiveSoftmaxWithLoss",
              "SigmoidFocalLoss", "SoftArgmax", "TransformMaps", "TransformPoints",
              "VisibleTarget"}       # Caffe lacks them
FORKS_LAYERS = {  # Caffe lacks them as well
    "AnnotatedData", "Axpy", "BN", "BoxAnnotatorOHEM", "BoxGroupOutput", "BoxOutput", "CTCGreedyDecoder", "CTCLoss",
    "CenterLoss", "ChannelNorm", "CombinedMargin", "ContinuationIndicator", "Convolution3D", "ConvolutionDepthwise",
    "ConvolutionRistretto", "Correlation", "Correlation1D", "CosinAddm", "CtcLoss", "DataAugmentation",
    "DecodeBBox", "DeconvolutionRistretto", "DeformableConvolution", "DeformablePSROIPooling",
    "DepthWiseConvolution", "DepthwiseConvolution", "DetectionEvaluate", "DetectionOutput", "Downsample",
    "FcRistretto", "FlowWarp", "FocalLoss", "HSigmoid", "HSwish", "ImResize", "ImageFloatData", "ImageSegData",
    "Interp", "L1Loss", "L2Normalization", "L2Normalize", "LabelSpecificAdd", "LabelsequenceAccuracy", "Lstm",
    "MarginInnerProduct", "MaskPooling", "MaskResize", "Mean", "Mish", "MultiBoxLoss", "Nms", "Noise",
    "Normalization", "Normalize", "PSROIAlign", "PSROIPooling", "Permute", "PointPatches", "Pooling3D", "PriorBox",
    "Proposal", "ROIAlign", "ROIPooling", "ROIWarping", "ReLU6", "Region", "Reorg", "Resample", "Reverse",
    "ScaleRoute", "ShuffleChannel", "SmoothL1Loss", "SmoothL1LossOHEM", "SoftmaxWithFocalLoss",
    "SoftmaxWithLossOHEM", "SpatialTransformer", "Transpose", "Upsample", "WarpCTCLoss", "WeightEuclideanLoss",
    "YoloDetectionOutput", "Yolov3DetectionOutput"}
READ_FILES_OR_CODE = {"Data", "ImageData", "Python", "WindowData"}
ALL_CASES = [case for type_name in recorded_types(FOLDER) for case in cases(FOLDER, type_name)]


@pytest.fixture(autouse=True)
def files():
    """Runs every test where the recorded input files can be read and nothing recorded can be overwritten."""
    with workplace(FOLDER):
        yield


@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: f"{case['type']}-{case['case']}")
def test_case(case):
    net = build(case)
    assert sorted(net.outputs) == sorted(case["outputs"])
    forward, backward = tolerances(case["type"])
    if case.get("random"):
        errors = [(what, error, forward) for what, error in mask_errors(net, case)]
    else:
        errors = [(what, error, forward) for what, error in forward_errors(net, case)]
        if case["backward"]:
            errors += [(what, error, backward) for what, error in backward_errors(net, case)]
    assert errors or case["type"] == "Silence"
    for what, error, tolerance in errors:
        assert error <= tolerance, what


@pytest.mark.parametrize("case", [c for c in ALL_CASES if not c.get("random") and c["forwards"] == 1],
                         ids=lambda case: f"{case['type']}-{case['case']}")
def test_total_loss(case):
    net = build(case)
    for name, values in case["arrays"]["input"].items():
        net.blobs[name].data = values
    assert net.forward_loss()[1] == pytest.approx(case["total_loss"][0], rel=1e-5, abs=1e-7)


def test_every_layer_type_has_recorded_numbers():
    recorded = set(recorded_types(FOLDER)) | OWN_LAYERS | FORKS_LAYERS | READ_FILES_OR_CODE
    assert set(caffe.layer_type_list()) <= recorded


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
