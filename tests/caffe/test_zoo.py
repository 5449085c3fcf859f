"""Nets of well-known families, each a small deploy definition of its public shape, to the last blob beside OpenCV 4.

Where OpenCV lacks a fork's layer, it runs the same net in layers that it has; SegNet and ENet are beside torch alone.
"""
import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import deeplandmark.caffe as caffe
from deeplandmark.caffe.benchmark.nets import NETS
from tests.helpers import zoo

F4 = np.float32
SMALL = {name: lambda plain, name=name: NETS[name](1, width=16, size=64, classes=7)
         for name in ("ResNet-50", "MobileNet", "MobileNetV2")}
SMALL["OpenPose"] = lambda plain: NETS["OpenPose body_25"](1, height=40, width=48, maps=32)
SMALL |= {name: getattr(zoo, name) for name in ("densenet", "senet", "shufflenet", "pspnet", "yolo_v2", "yolo_v3",
                                                "ssd_vgg", "retina_face", "arc_face", "sphere_face")}
REGIONS = np.array([[0, 0, 0, 63, 47], [0, 10.5, 3.5, 30, 40], [0, 5, 5, 5, 5], [0, 7, 0, 24, 47],
                    [0, 30, 20, 60, 60]], F4)


def drawn(proto, seed=0):
    """A net with filler weights and statistics as of a trained one."""
    net, rng = caffe.Net(proto, caffe.TEST, seed=seed), np.random.default_rng(seed)
    for layer in net.layers:
        if layer.type == "BatchNorm":
            mean, variance, factor = layer.blobs
            mean.data, variance.data, factor.data = 0.1 * rng.standard_normal(mean.shape), 1 + rng.random(mean.shape), 1
        elif layer.type in ("Scale", "BN"):
            for blob, start in zip(layer.blobs, (1, 0, 0, 1)):
                blob.data = start + 0.2 * rng.random(blob.shape)
    return net


def in_plain_layers(net, plain):
    """A net of other layers with the weights of `net`: BN as BatchNorm and Scale."""
    other = caffe.Net(plain, net.to_proto(), caffe.TEST)
    for old, batch_norm, scale in zip(*([layer for layer in each.layers if layer.type == kind] for each, kind in (
            (net, "BN"), (other, "BatchNorm"), (other, "Scale")))):
        gain, shift, mean, variance = (blob.data.ravel() for blob in old.blobs)
        for blob, values in zip([*batch_norm.blobs, *scale.blobs], (mean, variance, 1, gain, shift)):
            blob.data = values
    return other


def opencv(net, folder, proto, **inputs):
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("OpenCV 5 reads no Caffe nets")
    (folder / "net.prototxt").write_text(str(proto))
    net.save(folder / "net.caffemodel")
    other = cv2.dnn.readNetFromCaffe(str(folder / "net.prototxt"), str(folder / "net.caffemodel"))
    for name, array in inputs.items():
        other.setInput(array, name)
    return {name: other.forward(name) for name in net.outputs}


def assert_same(found, wanted):
    for name in wanted:
        ours, theirs = np.squeeze(found[name]), np.squeeze(wanted[name])
        assert ours.size and np.ptp(ours) > 0, name
        if ours.ndim == 2 and ours.shape[1] == 7:                # detections, by class and confidence
            ours, theirs = (rows[np.lexsort((np.round(rows[:, 3], 3), np.round(rows[:, 2], 4), rows[:, 1]))]
                            for rows in (ours, theirs))
        np.testing.assert_allclose(ours, theirs, atol=2e-5 * max(1, np.abs(theirs).max()), err_msg=name)


@pytest.mark.parametrize("name", SMALL)
def test_beside_opencv(name, tmp_path):
    net, plain = drawn(SMALL[name](False)), SMALL[name](True)
    x = np.random.default_rng(1).standard_normal(net.blobs[net.inputs[0]].shape).astype(F4)
    found = {name: array.copy() for name, array in net.forward(**{net.inputs[0]: x}).items()}
    assert_same(found, opencv(in_plain_layers(net, plain), tmp_path, plain, **{net.inputs[0]: x}))


@pytest.mark.parametrize("kind", ["VGG-16", "ResNet", "R-FCN"])
def test_heads_on_regions_beside_opencv(kind, tmp_path):
    proto = zoo.region_net(kind)
    net, x = drawn(proto), np.random.default_rng(2).standard_normal((1, 3, 64, 64)).astype(F4)
    found = {name: array.copy() for name, array in net.forward(data=x, rois=REGIONS).items()}
    assert_same(found, opencv(net, tmp_path, proto, data=x, rois=REGIONS))


SEGNET = """input: "data" input_shape { dim: 1 dim: 3 dim: 15 dim: 12 }
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1" convolution_param { num_output: 4 kernel_size: 3 pad: 1
  weight_filler { type: "msra" } } }
layer { name: "b1" type: "BN" bottom: "c1" top: "c1" bn_param { bn_mode: INFERENCE scale_filler { value: 1.5 }
  shift_filler { value: 0.2 } } }
layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "p1" type: "Pooling" bottom: "c1" top: "p1" top: "mask"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "c2" type: "Convolution" bottom: "p1" top: "c2" convolution_param { num_output: 4 kernel_size: 3 pad: 1
  weight_filler { type: "msra" } } }
layer { name: "u1" type: "Upsample" bottom: "c2" bottom: "mask" top: "u1" upsample_param { scale: 2 pad_out_h: true } }
layer { name: "c3" type: "Convolution" bottom: "u1" top: "c3" convolution_param { num_output: 5 kernel_size: 3 pad: 1
  weight_filler { type: "msra" } } }
layer { name: "prob" type: "Softmax" bottom: "c3" top: "prob" }"""


def test_segnet_beside_torch():
    net = caffe.Net(SEGNET, caffe.TEST, seed=5)
    x = np.random.default_rng(3).standard_normal((1, 3, 15, 12)).astype(F4)
    found = net.forward(data=x)["prob"]
    w = {name: [torch.from_numpy(blob.data.copy()) for blob in blobs] for name, blobs in net.params.items()}
    y = torch.relu(F.conv2d(torch.from_numpy(x), *w["c1"], padding=1) * w["b1"][0] + w["b1"][1])
    y, places = F.max_pool2d(y, 2, 2, ceil_mode=True, return_indices=True)
    y = F.max_unpool2d(F.conv2d(y, *w["c2"], padding=1), places, 2, 2, output_size=(15, 12))
    wanted = torch.softmax(F.conv2d(y, *w["c3"], padding=1), 1)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


ENET = """input: "data" input_shape { dim: 1 dim: 3 dim: 16 dim: 16 }
layer { name: "c0" type: "Convolution" bottom: "data" top: "c0" convolution_param { num_output: 5 kernel_size: 3
  stride: 2 pad: 1 weight_filler { type: "msra" } } }
layer { name: "p0" type: "Pooling" bottom: "data" top: "p0" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "cat" type: "Concat" bottom: "c0" bottom: "p0" top: "cat" }
layer { name: "b0" type: "BN" bottom: "cat" top: "b0" bn_param { bn_mode: INFERENCE scale_filler { value: 1.2 }
  shift_filler { value: 0.1 } } }
layer { name: "a0" type: "PReLU" bottom: "b0" top: "a0" }
layer { name: "p1" type: "Pooling" bottom: "a0" top: "p1" top: "mask"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "wide" type: "Convolution" bottom: "p1" top: "wide" convolution_param { num_output: 8 pad: 2 dilation: 2
  kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "tall" type: "Convolution" bottom: "wide" top: "tall" convolution_param { num_output: 8 bias_term: false
  pad_h: 2 pad_w: 0 kernel_h: 5 kernel_w: 1 weight_filler { type: "msra" } } }
layer { name: "drop" type: "Python" bottom: "tall" top: "drop" python_param { module: "spatial_dropout"
  layer: "SpatialDropoutLayer" param_str: "{\\'phase\\': \\'TEST\\', \\'p\\': \\'0.1\\'}" } }
layer { name: "sum" type: "Eltwise" bottom: "drop" bottom: "p1" top: "sum" }
layer { name: "u" type: "Upsample" bottom: "sum" bottom: "mask" top: "u" upsample_param { scale: 2 } }
layer { name: "d" type: "Deconvolution" bottom: "u" top: "d" convolution_param { num_output: 3 kernel_size: 2 stride: 2
  weight_filler { type: "xavier" } } }"""


def test_enet_beside_torch():
    net = caffe.Net(ENET, caffe.TEST, seed=6)
    x = np.random.default_rng(4).standard_normal((1, 3, 16, 16)).astype(F4)
    found = net.forward(data=x)["d"]
    w = {name: [torch.from_numpy(blob.data.copy()) for blob in blobs] for name, blobs in net.params.items()}
    t = torch.from_numpy(x)
    y = torch.cat([F.conv2d(t, *w["c0"], stride=2, padding=1), F.max_pool2d(t, 2)], 1)
    y = F.prelu(y * w["b0"][0] + w["b0"][1], w["a0"][0])
    y, places = F.max_pool2d(y, 2, return_indices=True)
    z = F.conv2d(F.conv2d(y, *w["wide"], padding=2, dilation=2), *w["tall"], padding=(2, 0))
    z = F.max_unpool2d(z + y, places, 2)
    np.testing.assert_allclose(found, F.conv_transpose2d(z, *w["d"], stride=2), atol=1e-5)
