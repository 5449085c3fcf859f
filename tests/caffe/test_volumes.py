"""Convolution3D and Pooling3D of C3D against loops over cells, and its definitions and weights of both versions."""
import itertools

import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.files.prototxt import read_net
from deeplandmark.caffe.proto import caffe_pb2
from tests.helpers.layer_checks import check_layer, one_layer, worst_error
from tests.helpers.onnx_runs import CONV, check, net_text

SHAPE = (2, 3, 4, 6, 5)


def values(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def convolved(x, weight, bias, stride, pad, diff=None):
    """Top of a convolution (N, outputs, length, height, width); for its diff those of x and of the weights."""
    sizes, x = x.shape[2:], np.pad(x, [(0, 0), (0, 0), *((p, p) for p in pad)])
    counts = [(size - k) // s + 1 for size, k, s in zip(x.shape[2:], weight.shape[2:], stride)]
    top, x_diff, weight_diff = np.zeros((len(x), len(weight), *counts)), np.zeros_like(x), np.zeros_like(weight)
    for place in np.ndindex(*counts):
        window = (slice(None), slice(None), *(slice(i * s, i * s + k) for i, s, k in
                                              zip(place, stride, weight.shape[2:])))
        for output in range(len(weight)):
            cell = (slice(None), output, *place)
            top[cell] = (x[window] * weight[output]).sum((1, 2, 3, 4)) + bias[output]
            if diff is not None:
                of_cell = diff[cell][:, None, None, None, None]
                x_diff[window] += of_cell * weight[output]
                weight_diff[output] += (of_cell * x[window]).sum(0)
    return top if diff is None else (
        x_diff[(..., *(slice(p, p + size) for p, size in zip(pad, sizes)))], weight_diff)


@pytest.mark.parametrize("name", ["convolution3d_param", "convolution_param"])
@pytest.mark.parametrize("depth, size, step, stride, more, pad", [
    (3, 3, 1, 1, 1, 1), (1, 2, 1, 2, 0, 0), (2, 3, 2, 1, 1, 2), (3, 1, 1, 3, 2, 0), (1, 1, 2, 2, 0, 0)])
def test_convolution(name, depth, size, step, stride, more, pad, tmp_path):
    text = (f'type: "Convolution3D" {name} {{ num_output: 4 kernel_depth: {depth} kernel_size: {size} '
            f'temporal_stride: {step} stride: {stride} temporal_pad: {more} pad: {pad} filter_group: 2 {CONV} }}')
    net = one_layer(text, [values(SHAPE)])
    weight, bias = (blob.data.astype(np.float64) for blob in net.params["op"])
    assert weight.shape == (4, 3, depth, size, size) and bias.shape == (1, 1, 1, 1, 4)
    more = (weight, bias.ravel(), (step, stride, stride), (more, pad, pad))
    check_layer(net, lambda x: convolved(x, *more), [0], backward=lambda diff, x: convolved(x, *more, diff)[:1])
    diff, x = net.blobs["y"].diff.astype(np.float64), net.blobs["x0"].data.astype(np.float64)
    assert worst_error(net.params["op"][0].diff, convolved(x, *more, diff)[1]) < 1e-5
    assert worst_error(net.params["op"][1].diff.ravel(), diff.sum((0, 2, 3, 4))) < 1e-5
    check(net_text(text, SHAPE), 3, tmp_path)


def windows(sizes, kernel, stride, pad):
    """(place, slices of the cells, divisor of an average) of every window."""
    counts = [int(np.ceil((size + 2 * p - k) / s)) + 1 for size, k, s, p in zip(sizes, kernel, stride, pad)]
    for place in np.ndindex(*counts):
        starts = [i * s - p for i, s, p in zip(place, stride, pad)]
        ends = [min(at + k, size + p) for at, k, size, p in zip(starts, kernel, sizes, pad)]
        yield place, tuple(slice(max(at, 0), max(min(end, size), 0)) for at, end, size in zip(starts, ends, sizes)), \
            np.prod([end - at for at, end in zip(starts, ends)])


def pooled(x, kernel, stride, pad, average):
    found = [(place, x[(..., *cells)], area) for place, cells, area in windows(x.shape[2:], kernel, stride, pad)]
    top = np.zeros((*x.shape[:2], *(n + 1 for n in found[-1][0])))
    for place, cells, area in found:
        top[(..., *place)] = cells.sum((2, 3, 4)) / area if average else \
            cells.max((2, 3, 4), initial=np.finfo(np.float32).min)
    return top


POOLING = [(1, 2, 1, 2), (2, 2, 2, 2), (3, 3, 1, 1), (2, 3, 3, 2), (1, 1, 2, 3), (4, 5, 1, 1), (2, 2, 3, 3)]


@pytest.mark.parametrize("name", ["pooling3d_param", "pooling_param"])
@pytest.mark.parametrize("depth, size, step, stride", POOLING)
def test_maximum(name, depth, size, step, stride, tmp_path):
    """Of equal cells each gets the whole gradient: half of the bottom is the same value."""
    text = (f'type: "Pooling3D" {name} {{ pool: MAX kernel_depth: {depth} kernel_size: {size} temporal_stride: {step} '
            f'stride: {stride} }}')
    x = np.maximum(values(SHAPE), 0)
    more = (depth, size, size), (step, stride, stride), (0, 0, 0)

    def backward(diff, x):
        result, top = np.zeros_like(x), pooled(x, *more, average=False)
        for place, cells, _ in windows(x.shape[2:], *more):
            here = x[(..., *cells)] == top[(..., *place)][..., None, None, None]
            result[(..., *cells)] += here * diff[(..., *place)][..., None, None, None]
        return [result]
    check_layer(one_layer(text, [x]), lambda x: pooled(x, *more, average=False), [0], backward=backward)
    check(net_text(text, SHAPE), 3, tmp_path)


@pytest.mark.parametrize("depth, size, step, stride", POOLING)
@pytest.mark.parametrize("pad", [0, 1, 2])
def test_average(depth, size, step, stride, pad, tmp_path):
    text = (f'type: "Pooling3D" pooling3d_param {{ pool: AVE kernel_depth: {depth} kernel_size: {size} '
            f'temporal_stride: {step} stride: {stride} pad: {pad} }}')
    more = (depth, size, size), (step, stride, stride), (0, pad, pad)
    empty = [area for _, _, area in windows(SHAPE[2:], *more) if not area]
    net = one_layer(text, [values(SHAPE)])
    if empty:                                                    # as in the fork: nothing divided by nothing
        with np.errstate(invalid="ignore"):
            wanted = pooled(values(SHAPE).astype(np.float64), *more, average=True)
        np.testing.assert_allclose(net.forward()["y"], wanted, atol=1e-6)
        return

    def backward(diff, x):
        result = np.zeros_like(x)
        for place, cells, area in windows(x.shape[2:], *more):
            result[(..., *cells)] += diff[(..., *place)][..., None, None, None] / area
        return [result]
    check_layer(net, lambda x: pooled(x, *more, average=True), [0], backward=backward)
    if pad < size:                                               # ONNX takes no window of padding alone
        check(net_text(text, SHAPE), 3, tmp_path)


V1_0 = """name: "C3D"
input: "data" input_shape { dim: 1 dim: 3 dim: 4 dim: 8 dim: 8 }
layers { name: "conv1a" type: CONVOLUTION3D bottom: "data" top: "conv1a" blobs_lr: 1 blobs_lr: 2
  convolution_param { num_output: 4 kernel_size: 3 kernel_depth: 3 pad: 1 temporal_pad: 1 } }
layers { name: "relu1a" type: RELU bottom: "conv1a" top: "conv1a" }
layers { name: "pool1" type: POOLING3D bottom: "conv1a" top: "pool1"
  pooling_param { pool: MAX kernel_size: 2 kernel_depth: 1 stride: 2 temporal_stride: 1 } }
layers { name: "conv1x1" type: CONVOLUTION3D bottom: "pool1" top: "conv1x1"
  convolution_param { num_output: 5 kernel_size: 2 kernel_depth: 1 } }
layers { name: "fc6" type: INNER_PRODUCT bottom: "conv1x1" top: "fc6" inner_product_param { num_output: 7 } }
layers { name: "prob" type: SOFTMAX bottom: "fc6" top: "prob" }"""


def stored_v1_0(tmp_path, large):
    """(path, arrays) of a binary file of v1.0, whose blobs have num, channels, length, height and width."""
    net, arrays, rng = caffe_pb2.NetParameter(name="C3D"), {}, np.random.default_rng(3)
    for name, shape in (("conv1a", (4, 3, 3, 3, 3)), ("conv1x1", (5, 4, 1, 2, 2)), ("fc6", (1, 1, 1, 7, 180))):
        layer = net.layers.add(name=name)
        for extents in (shape, (1, 1, 1, 1, shape[3] if name == "fc6" else shape[0])):
            n, c, length, h, w = extents
            blob = layer.blobs.add(num=n, channels=c, height=h, width=w)
            blob.MergeFromString(bytes([15 << 3, length]))       # a field that the schema lacks
            data = (0.1 * rng.standard_normal(extents)).astype(np.float32)
            blob.data.extend(data.ravel())
            arrays.setdefault(name, []).append(data)
        if large:
            layer.blobs[0].diff.extend([0.0] * 5000)             # values of large blobs stay in the file
    path = tmp_path / "conv3d_deepnetA"
    path.write_bytes(net.SerializeToString())
    return path, arrays


@pytest.mark.parametrize("large", [False, True])
def test_definition_and_weights_of_v1_0(large, tmp_path):
    path, arrays = stored_v1_0(tmp_path, large)
    net = caffe.Net(V1_0, path, caffe.TEST)
    assert [layer.type for layer in read_net(V1_0).layer] == ["Input", "Convolution3D", "ReLU", "Pooling3D",
                                                              "Convolution3D", "InnerProduct", "Softmax"]
    for name, blobs in arrays.items():
        for stored, blob in zip(blobs, net.params[name]):
            np.testing.assert_array_equal(blob.data.ravel(), stored.ravel())
    assert net.params["conv1a"][0].shape == (4, 3, 3, 3, 3) and net.params["fc6"][0].shape == (7, 180)

    x = values((1, 3, 4, 8, 8))
    y = np.maximum(convolved(x.astype(np.float64), arrays["conv1a"][0], arrays["conv1a"][1].ravel(), (1, 1, 1),
                             (1, 1, 1)), 0)
    y = pooled(y, (1, 2, 2), (1, 2, 2), (0, 0, 0), average=False)
    y = convolved(y, arrays["conv1x1"][0], arrays["conv1x1"][1].ravel(), (1, 1, 1), (0, 0, 0))
    y = y.reshape(1, -1) @ arrays["fc6"][0].reshape(7, -1).T.astype(np.float64) + arrays["fc6"][1].ravel()
    top = net.forward(data=x)["prob"]
    assert worst_error(top, np.exp(y - y.max()) / np.exp(y - y.max()).sum()) < 1e-5


def test_mean_clip_of_v1_0():
    blob = caffe_pb2.BlobProto(num=1, channels=3, height=2, width=5, data=range(120))
    assert caffe.io.blobproto_to_array(blob).shape == (1, 3, 4, 2, 5)


def test_weights_of_another_length_are_refused(tmp_path):
    path, _ = stored_v1_0(tmp_path, False)
    with pytest.raises(caffe.FileFormatError, match=r"blob 0 has shape 4 3 3 3 3 \(324\) in the file, 4 3 2 3 3"):
        caffe.Net(V1_0.replace("kernel_depth: 3", "kernel_depth: 2"), path, caffe.TEST)


@pytest.mark.parametrize("version, settings", [
    ('layers { type: VIDEO_DATA', 'image_data_param { source: "list" use_image: true new_length: 16 show_data: 0 '
     'mean_file: "mean" batch_size: 50 crop_size: 112 mirror: false new_height: 128 new_width: 171 }'),
    ('layers { type: VOLUME_DATA', 'image_data_param { source: "list" }'),
    ('layer { type: "VideoData"', 'video_data_param { source: "list" root_folder: "" new_length: 8 sampling_rate: 2 '
     'use_image: true use_temporal_jitter: false }')])
def test_videos_are_refused(version, settings):
    with pytest.raises(caffe.NetError, match="layer 'data': V(ideo|olume)Data of C3D, .* is not covered"):
        caffe.Net(f'{version} name: "data" top: "data" top: "label" {settings} }}', caffe.TEST)


@pytest.mark.parametrize("text, shape, message", [
    ('type: "Convolution3D" convolution3d_param { num_output: 2 kernel_size: 3 kernel_depth: 3 }', (2, 3, 4, 5),
     "takes a bottom of 5 axes"),
    ('type: "Convolution3D" convolution3d_param { num_output: 2 kernel_size: 3 }', SHAPE, "kernel and stride must be"),
    ('type: "Convolution3D" convolution3d_param { num_output: 2 kernel_size: 3 kernel_depth: 5 }', SHAPE, "is larger"),
    ('type: "Convolution3D" convolution3d_param { kernel_size: 3 kernel_depth: 2 }', SHAPE, "found 0 and 1"),
    ('type: "Convolution3D" convolution3d_param { num_output: 3 filter_group: 2 kernel_size: 3 kernel_depth: 2 }',
     SHAPE, "must be a multiple of filter_group"),
    ('type: "Convolution3D" convolution_param { num_output: 3 kernel_size: 3 kernel_size: 2 }', SHAPE,
     "kernel_size is one number"),
    ('type: "Pooling3D" pooling3d_param { kernel_size: 3 kernel_depth: 1 }', (2, 3), "takes a bottom of 5 axes"),
    ('type: "Pooling3D" pooling3d_param { kernel_size: 2 kernel_depth: 1 pad: 1 }', SHAPE, "pad is for AVE"),
    ('type: "Pooling3D" pooling3d_param { kernel_size: 2 kernel_depth: 1 pool: STOCHASTIC }', SHAPE, "not covered"),
    ('type: "Pooling3D" pooling3d_param { kernel_size: 9 kernel_depth: 1 }', SHAPE, "is larger"),
    ('type: "Pooling3D" pooling3d_param { kernel_size: 2 kernel_depth: 1 stride: 0 }', SHAPE, "must be at least 1")])
def test_refused(text, shape, message):
    with pytest.raises(caffe.NetError, match=message):
        one_layer(text, [values(shape)])


def test_a_residual_block_of_v1_1_learns():
    """Convolution3D, BatchNorm, Scale and Eltwise over clips, as in C3D-ResNet18."""
    layers = [f'layer {{ name: "{name}" type: "Convolution3D" bottom: "{bottom}" top: "{name}" convolution3d_param {{ '
              f'num_output: 3 kernel_size: 3 kernel_depth: 3 pad: 1 temporal_pad: 1 bias_term: false weight_filler {{ '
              f'type: "msra" variance_norm: FAN_OUT }} }} }}\n'
              f'layer {{ name: "bn_{name}" type: "BatchNorm" bottom: "{name}" top: "{name}" }}\n'
              f'layer {{ name: "scale_{name}" type: "Scale" bottom: "{name}" top: "{name}" scale_param {{ bias_term: '
              f'true }} }}' for bottom, name in itertools.pairwise(["data", "a", "b"])]
    net = caffe.Net("\n".join([
        'force_backward: true layer { name: "in" type: "Input" top: "data" top: "label" input_param { '
        'shape { dim: 2 dim: 3 dim: 4 dim: 6 dim: 5 } shape { dim: 2 } } }', *layers,
        'layer { name: "sum" type: "Eltwise" bottom: "data" bottom: "b" top: "sum" }',
        'layer { name: "fc" type: "InnerProduct" bottom: "sum" top: "fc" inner_product_param { num_output: 3 } }',
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }']),
        caffe.TRAIN, seed=2)
    net.forward(data=values(SHAPE), label=np.array([0, 2]))
    net.backward()
    assert all(np.isfinite(blob.diff).all() for blobs in net.params.values() for blob in blobs)
    assert net.params["a"][0].diff.shape == (3, 3, 3, 3, 3) and len(net.params["a"]) == 1
