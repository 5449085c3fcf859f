"""to_onnx: whole nets, names and batch axes of inputs and outputs, refusals."""
import numpy as np
import onnx
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.onnx import exported_types
from tests.helpers.onnx_runs import CONV, check, net_text, run_both

NOT_AT_INFERENCE = {
    "Accuracy", "BoxAnnotatorOHEM", "BoxGroupOutput", "BoxOutput", "CTCGreedyDecoder", "CTCLoss", "CenterLoss",
    "CombinedMargin", "ContrastiveLoss", "ConvolutionRistretto", "CosinAddm", "CtcLoss", "DecodeBBox",
    "DeconvolutionRistretto", "DeformableConvolution", "DeformablePSROIPooling", "DenseTargets",
    "DetectionEvaluate", "DetectionOutput", "Downsample", "EuclideanLoss", "FcRistretto", "FocalLoss", "HDF5Output",
    "HingeLoss", "ImResize", "InfogainLoss", "L1Loss", "LabelSpecificAdd", "LabelsequenceAccuracy",
    "MarginInnerProduct", "MultiBoxLoss", "MultinomialLogisticLoss", "Nms", "PSROIAlign", "PSROIPooling",
    "PointDistanceLoss", "Proposal", "Python", "ROIWarping", "ScaleRoute", "SelectiveEuclideanLoss",
    "SelectiveSoftmaxWithLoss", "SigmoidCrossEntropyLoss", "SigmoidFocalLoss", "SmoothL1Loss", "SmoothL1LossOHEM",
    "SoftmaxWithFocalLoss", "SoftmaxWithLoss", "SoftmaxWithLossOHEM", "VisibleTarget", "WarpCTCLoss",
    "WeightEuclideanLoss", "YoloDetectionOutput", "Yolov3DetectionOutput"}
SOURCES = {
    "AnnotatedData", "Data", "HDF5Data", "HDF5PatchData", "ImageData", "ImageFloatData", "ImageSegData", "Input",
    "MemoryData", "WindowData"}
CASCADE = f"""layer {{ name: "data" type: "MemoryData" top: "data" top: "landmark"
    memory_data_param {{ batch_size: 64 channels: 1 height: 15 width: 15 }} }}
layer {{ name: "conv1" type: "LocallySharedConvolution" bottom: "data" top: "conv1"
    convolution_param {{ num_output: 4 kernel_size: 4 {CONV} }} local_share_param {{ p: 2 q: 3 }} }}
layer {{ name: "abs1" type: "AbsVal" bottom: "conv1" top: "conv1" }}
layer {{ name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param {{ kernel_size: 2 stride: 2 }} }}
layer {{ name: "gain1" type: "LocallySharedScale" bottom: "pool1" top: "pool1" local_share_param {{ p: 2 q: 3 }} }}
layer {{ name: "tanh1" type: "TanH" bottom: "pool1" top: "pool1" }}
layer {{ name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
    convolution_param {{ num_output: 5 kernel_size: 3 {CONV} }} }}
layer {{ name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }}
layer {{ name: "flat1" type: "Flatten" bottom: "pool1" top: "flat1" }}
layer {{ name: "flat2" type: "Flatten" bottom: "conv2" top: "flat2" }}
layer {{ name: "concat" type: "Concat" bottom: "flat1" bottom: "flat2" top: "faker" }}
layer {{ name: "fc1" type: "InnerProduct" bottom: "faker" top: "fc1" inner_product_param {{ num_output: 6 {CONV} }} }}
layer {{ name: "drop" type: "Dropout" bottom: "fc1" top: "fc1" }}
layer {{ name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2" inner_product_param {{ num_output: 2 {CONV} }} }}"""


def test_a_cascade_net_without_its_label(tmp_path):
    results = run_both(CASCADE, 3, tmp_path)
    assert list(results) == ["fc2"] and results["fc2"][0].shape == (3, 2)
    np.testing.assert_allclose(results["fc2"][1], results["fc2"][0], rtol=1e-5, atol=1e-5)
    model = onnx.load(tmp_path / "net.onnx")
    assert [value.name for value in model.graph.input] == ["data"]
    dims = model.graph.output[0].type.tensor_type.shape.dim
    assert (dims[0].dim_param, dims[1].dim_value) == ("N", 2)


def test_inputs_changed_in_place_and_passed_on(tmp_path):
    text = 'layer { name: "in" type: "Input" top: "x" top: "y" input_param { shape { dim: 2 dim: 3 } } }\n' \
           'layer { name: "relu" type: "ReLU" bottom: "x" top: "x" }'
    check(text, 3, tmp_path)


def test_shared_weights_are_stored_once(tmp_path):
    layer = ('layer { name: "%s" type: "InnerProduct" bottom: "%s" top: "%s" param { name: "w" } param { name: "b" } '
             f'inner_product_param {{ num_output: 3 {CONV} }} }}')
    text = 'input: "x" input_dim: 2 input_dim: 3 input_dim: 1 input_dim: 1\n' + \
           "\n".join(layer % names for names in (("a", "x", "a"), ("b", "a", "b")))
    check(text, 2, tmp_path)
    names = [tensor.name for tensor in onnx.load(tmp_path / "net.onnx").graph.initializer]
    assert sorted(name for name in names if "constant" not in name) == ["a.0", "a.1"]


def test_constants_and_unwanted_blobs(tmp_path):
    text = """layer { name: "x" type: "Input" top: "x" top: "z" input_param { shape { dim: 2 dim: 3 } } }
        layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 3 } } }
        layer { name: "d" type: "DummyData" top: "d" dummy_data_param { data_filler { value: 2 } shape { dim: 3 } } }
        layer { name: "s" type: "Scale" bottom: "x" bottom: "d" top: "s" }
        layer { name: "b" type: "Bias" bottom: "s" bottom: "p" top: "b" }
        layer { name: "silence" type: "Silence" bottom: "z" }"""
    check(text, 4, tmp_path)


@pytest.mark.parametrize("definition, reason", [
    ('type: "EuclideanLoss"', "layer 'op': type 'EuclideanLoss' cannot be exported to ONNX (types that can: AbsVal,"),
    ('type: "Reshape" reshape_param { shape { dim: 2 dim: 12 } }', "layer 'op': fixes an extent that follows the "),
])
def test_refused(definition, reason, tmp_path):
    shapes = [(2, 3, 4)] * (2 if "Loss" in definition else 1)
    file = tmp_path / "net.prototxt"
    file.write_text(net_text(definition, *shapes))
    with pytest.raises(NetError) as caught:
        caffe.to_onnx(file, None, tmp_path / "net.onnx")
    assert f"net.prototxt:{len(shapes) + 1}: {reason}" in str(caught.value)
    assert not (tmp_path / "net.onnx").exists()


def test_batch_axes_are_chosen():
    text = net_text('type: "Reshape" reshape_param { shape { dim: 2 dim: 12 } }', (2, 3, 4))
    model = caffe.to_onnx(text, batch_axes=())
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [2, 3, 4]
    text = net_text('type: "ReLU"', (2, 3, 4))
    dims = caffe.to_onnx(text, batch_axes={"x0": 1}).graph.output[0].type.tensor_type.shape.dim
    assert [d.dim_value or d.dim_param for d in dims] == [2, "N", 4]
    with pytest.raises(NetError, match="'y': is not an input"):
        caffe.to_onnx(text, batch_axes={"y": 1})
    with pytest.raises(NetError, match="batch axis 3 of an input of shape"):
        caffe.to_onnx(text, batch_axes={"x0": 3})


def test_every_type_exports_or_says_why_not():
    assert set(caffe.layer_type_list()) == set(exported_types()) | NOT_AT_INFERENCE | SOURCES
