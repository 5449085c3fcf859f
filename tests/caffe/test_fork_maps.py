"""Permute, ShuffleChannel, Reorg, Upsample, Axpy, Normalize, BN, Interp, HSwish and their kin: loops, OpenCV, ONNX."""
import math

import cv2
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from tests.helpers.layer_checks import check_layer, one_layer, worst_error
from tests.helpers.onnx_runs import check, net_text

RNG = np.random.default_rng
MAPS = (2, 4, 6, 4)


def maps(seed=0, shape=MAPS):
    return RNG(seed).standard_normal(shape).astype(np.float32)


def opencv(definition, arrays, tmp_path):
    """What OpenCV's importer computes from the same layer."""
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("OpenCV 5 reads no Caffe nets")
    path = tmp_path / "cv.prototxt"
    path.write_text(net_text(definition, *(a.shape for a in arrays)))
    net = cv2.dnn.readNetFromCaffe(str(path))
    path.unlink()
    for i, array in enumerate(arrays):
        net.setInput(array, f"x{i}")
    return net.forward()


@pytest.mark.parametrize("type_name, function", [
    ("HSigmoid", lambda x: min(max(0, x + 3), 6) / 6), ("HSwish", lambda x: x * min(max(0, x + 3), 6) / 6),
    ("Mish", lambda x: x * math.tanh(math.log1p(math.exp(x)))), ("ReLU6", lambda x: min(max(0, x), 6))])
def test_neurons(type_name, function, tmp_path):
    x = np.clip(maps() * 4, -12, 12)
    check_layer(one_layer(f'type: "{type_name}"', [x]), np.vectorize(function, otypes=[float]), [0])
    check(net_text(f'type: "{type_name}"', MAPS), 3, tmp_path, scale=4)


def test_relu6_with_another_threshold(tmp_path):
    definition = 'type: "ReLU6" relu6_param { threshold: 2.5 }'
    check_layer(one_layer(definition, [maps() * 3]), lambda x: np.clip(x, 0, 2.5), [0])
    check(net_text(definition, MAPS), 3, tmp_path)


@pytest.mark.parametrize("order", [(0, 2, 3, 1), (0, 3, 1, 2), (0, 2), (1, 0, 2, 3), ()])
def test_permute(order, tmp_path):
    full = (*order, *(axis for axis in range(4) if axis not in order))
    definition = f'type: "Permute" permute_param {{ {" ".join(f"order: {axis}" for axis in order)} }}'
    x = maps()
    net = one_layer(definition, [x])
    top = net.forward()["y"].copy()
    for place in np.ndindex(top.shape):
        source = [0] * 4
        for axis, index in zip(full, place):
            source[axis] = index
        assert top[place] == x[tuple(source)]
    check_layer(net, lambda x: x.transpose(full), [0], 1e-6)
    if len(order) == 4:
        np.testing.assert_array_equal(opencv(definition, [x], tmp_path), top)
    check(net_text(definition, MAPS), 2, tmp_path)


@pytest.mark.parametrize("group", [1, 2, 4])
def test_shuffle_channel(group, tmp_path):
    def shuffled(x):
        y, columns = np.zeros_like(x), x.shape[1] // group
        for i in range(group):
            for j in range(columns):
                y[:, j * group + i] = x[:, i * columns + j]
        return y
    definition = f'type: "ShuffleChannel" shuffle_channel_param {{ group: {group} }}'
    net = one_layer(definition, [maps()])
    check_layer(net, shuffled, [0], 1e-6)
    np.testing.assert_array_equal(opencv(definition, [maps()], tmp_path), net.forward()["y"])
    check(net_text(definition, MAPS), 3, tmp_path)


def darknets_reorg(x, s, reverse):
    """The loop of darknet's reorg over the flat arrays."""
    n, c, h, w = x.shape
    out_c, flat, top = c // (s * s), x.ravel(), np.zeros(x.size)
    for b in range(n):
        for k in range(c):
            for j in range(h):
                for i in range(w):
                    here = i + w * (j + h * (k + c * b))
                    offset = k // out_c
                    there = i * s + offset % s + w * s * (j * s + offset // s + h * s * (k % out_c + out_c * b))
                    if reverse:
                        top[there] = flat[here]
                    else:
                        top[here] = flat[there]
    return top.reshape((n, out_c, h * s, w * s) if reverse else (n, c * s * s, h // s, w // s))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("stride, shape", [(2, (2, 8, 4, 6)), (3, (1, 9, 6, 3)), (1, MAPS)])
def test_reorg(stride, shape, reverse, tmp_path):
    definition = f'type: "Reorg" reorg_param {{ stride: {stride} reverse: {str(reverse).lower()} }}'
    net = one_layer(definition, [maps(1, shape)])
    check_layer(net, lambda x: darknets_reorg(x, stride, reverse), [0], 1e-6)
    check(net_text(definition, shape), 3, tmp_path)


def unpooled(x, mask, height, width):
    top = np.zeros((*x.shape[:2], height * width))
    for n, c, i, j in np.ndindex(x.shape):
        top[n, c, int(mask[n, c, i, j])] = x[n, c, i, j]
    return top.reshape(*x.shape[:2], height, width)


@pytest.mark.parametrize("settings, height, width", [
    ("scale: 2", 12, 8), ("upsample_h: 11 upsample_w: 7", 11, 7), ("scale_h: 2 scale_w: 2 pad_out_h: true", 11, 8),
    ("", 12, 8), ("scale_h: 3 scale_w: 2", 18, 8)])
def test_upsample_by_a_mask(settings, height, width, tmp_path):
    mask = np.stack([RNG(i).permutation(height * width)[:24] for i in range(8)]).reshape(MAPS).astype(np.float32)
    definition = f'type: "Upsample" upsample_param {{ {settings} }}'
    net = one_layer(definition, [maps(), mask])
    check_layer(net, lambda x, mask: unpooled(x, mask, height, width), [0], 1e-6)
    check(net_text(definition, MAPS, MAPS), 2, tmp_path, x1=mask)


def test_upsample_undoes_a_pooling():
    text = """input: "x" input_shape { dim: 1 dim: 2 dim: 7 dim: 8 }
        layer { name: "p" type: "Pooling" bottom: "x" top: "p" top: "mask" pooling_param { kernel_size: 2 stride: 2 } }
        layer { name: "u" type: "Upsample" bottom: "p" bottom: "mask" top: "u"
                upsample_param { scale: 2 pad_out_h: true } }"""
    x = np.abs(maps(3, (1, 2, 7, 8)))
    u = caffe.Net(text, caffe.TEST).forward(x=x)["u"]
    assert ((u == x) | (u == 0)).all() and (u != 0).sum() == 2 * 4 * 4


def test_a_mask_of_another_size_is_refused():
    net = one_layer('type: "Upsample" upsample_param { scale: 2 }', [maps(), np.full(MAPS, 96, np.float32)])
    with pytest.raises(caffe.NetError, match="layer 'op': the mask has places from 96 to 96; the top has 12 x 8"):
        net.forward()


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_upsample_by_a_factor(scale, tmp_path):
    definition = f'type: "Upsample" upsample_param {{ scale: {scale} }}'
    check_layer(one_layer(definition, [maps()]), lambda x: x.repeat(scale, 2).repeat(scale, 3), [0])
    check(net_text(definition, MAPS), 3, tmp_path)
    assert one_layer('type: "Upsample"', [maps()]).blobs["y"].shape == MAPS


def test_axpy(tmp_path):
    arrays = [maps(1, (2, 4, 1, 1)), maps(2), maps(3)]
    net = one_layer('type: "Axpy"', arrays)
    check_layer(net, lambda a, x, y: a * x + y, [0, 1, 2])
    check(net_text('type: "Axpy"', *(a.shape for a in arrays)), 3, tmp_path)
    check_layer(one_layer('type: "Axpy"', [arrays[0][:, :, 0, 0], *arrays[1:]]),
                lambda a, x, y: a[:, :, None, None] * x + y, [0, 1, 2])


@pytest.mark.parametrize("across", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_normalize(across, shared, tmp_path):
    definition = (f'type: "Normalize" norm_param {{ across_spatial: {str(across).lower()} eps: 0.01 '
                  f'channel_shared: {str(shared).lower()} scale_filler {{ type: "uniform" min: 5 max: 20 }} }}')
    net = one_layer(definition, [maps()])
    scale = net.params["op"][0].data.astype(np.float64).reshape(-1, 1, 1)

    def normalised(x):
        y = np.zeros_like(x)
        for n, c, i, j in np.ndindex(x.shape):
            values = x[n] if across else x[n, :, i, j]
            y[n, c, i, j] = x[n, c, i, j] / math.sqrt((values ** 2).sum() + 0.01)
        return y

    def forks_backward(top_diff, x):
        axes = (1, 2, 3) if across else 1
        norm = np.sqrt((x ** 2).sum(axes, keepdims=True) + 0.01)
        return [scale * (top_diff - x * (x * top_diff).sum(axes, keepdims=True) / norm ** 2) / norm]

    check_layer(net, lambda x: scale * normalised(x), [0], backward=forks_backward)
    top_diff = net.blobs["y"].diff
    wanted = (normalised(maps().astype(np.float64)) * top_diff).sum((0, 2, 3))
    assert worst_error(net.params["op"][0].diff, wanted.sum() if shared else wanted) < 1e-5
    check(net_text(definition, MAPS), 3, tmp_path)


def batch_norm(x, mean, variance, eps, scale, shift):
    shape = (1, -1, 1, 1)
    return (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + eps) * scale.reshape(shape) + \
        shift.reshape(shape)


FILLERS = 'type: "uniform" min: 0.5 max: 2'


@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
@pytest.mark.parametrize("settings, eps, style", [
    (f"scale_filler {{ {FILLERS} }} shift_filler {{ {FILLERS} }}", 1e-9, "learn"),
    (f"scale_filler {{ {FILLERS} }} shift_filler {{ {FILLERS} }} bn_mode: INFERENCE", None, "inference"),
    (f"scale_filler {{ {FILLERS} }} shift_filler {{ {FILLERS} }} moving_average: true decay: 0.05", 1e-10, "stored"),
    (f"scale_filler {{ {FILLERS} }} shift_filler {{ {FILLERS} }} decay: 0.05 var_eps: 0.1", 0.1, "never stored"),
    (f"slope_filler {{ {FILLERS} }} bias_filler {{ {FILLERS} }} momentum: 0.8 eps: 0.01", 0.01, "stored"),
    (f"slope_filler {{ {FILLERS} }} bias_filler {{ {FILLERS} }} frozen: true", 1e-5, "frozen"),
])
def test_bn(settings, eps, style, phase, tmp_path):
    definition = f'type: "BN" bn_param {{ {settings} }}'
    net = one_layer(definition, [maps() * 2 + 1], phase=phase)
    blobs = [blob.data for blob in net.params["op"]]
    assert [blob.shape for blob in blobs] == [(1, 4, 1, 1)] * (2 if style in ("learn", "inference") else 4)
    if len(blobs) == 4:
        blobs[2][...], blobs[3][...] = maps(5, (1, 4, 1, 1)), np.abs(maps(6, (1, 4, 1, 1))) + 0.5
    values = [blob.astype(np.float64) for blob in blobs]
    uses_stored = style == "frozen" or style == "stored" and phase == caffe.TEST

    def reference(x):
        if style == "inference":
            return x * values[0] + values[1]
        mean, variance = values[2:] if uses_stored else (x.mean((0, 2, 3)), x.var((0, 2, 3)))
        return batch_norm(x, mean, variance, eps, *values[:2])

    check_layer(net, reference, [0])
    x, top_diff = net.blobs["x0"].data.astype(np.float64), net.blobs["y"].diff
    unit = (reference(x) - values[1]) / values[0]
    if style != "frozen":
        assert worst_error(net.params["op"][0].diff[0, :, 0, 0], (unit * top_diff).sum((0, 2, 3))) < 1e-5
        assert worst_error(net.params["op"][1].diff[0, :, 0, 0], top_diff.sum((0, 2, 3))) < 1e-5
    if len(blobs) == 4:
        share = {True: 0.05, False: 0.2}["decay" in settings] if phase == caffe.TRAIN and style != "frozen" else 0
        assert worst_error(blobs[2].ravel(), (1 - share) * values[2].ravel() + share * x.mean((0, 2, 3))) < 1e-6
        assert worst_error(blobs[3].ravel(), (1 - share) * values[3].ravel() + share * x.var((0, 2, 3))) < 1e-6
    check(net_text(definition, MAPS), 2, tmp_path)


def test_bn_gives_its_statistics(tmp_path):
    definition = 'type: "BN" bn_param { scale_filler { value: 1 } shift_filler { value: 0 } }'
    net = one_layer(definition, [maps()], tops="y mean variance")
    net.forward()
    assert worst_error(net.blobs["mean"].data.ravel(), maps().astype(float).mean((0, 2, 3))) < 1e-6
    assert worst_error(net.blobs["variance"].data.ravel(), maps().astype(float).var((0, 2, 3))) < 1e-6
    check(net_text(definition, MAPS, tops="y mean variance"), 2, tmp_path)


def test_what_bn_learns():
    net = one_layer('type: "BN" bn_param { moving_average: true }', [maps()], phase=caffe.TRAIN)
    assert net.params_lr == [1, 1, 0, 0] and net.params_weight_decay == [1, 1, 0, 0]


def bilinear(x, height, width):
    """Corners on corners."""
    n, c, h, w = x.shape
    top = np.zeros((n, c, height, width))
    for i in range(height):
        for j in range(width):
            y, z = i * (h - 1) / (height - 1) if height > 1 else 0.0, j * (w - 1) / (width - 1) if width > 1 else 0.0
            a, b = int(y), int(z)
            p, q = y - a, z - b
            below, right = min(a + 1, h - 1), min(b + 1, w - 1)
            top[:, :, i, j] = (1 - p) * ((1 - q) * x[:, :, a, b] + q * x[:, :, a, right]) + \
                p * ((1 - q) * x[:, :, below, b] + q * x[:, :, below, right])
    return top


@pytest.mark.parametrize("settings, size, cut", [
    ("height: 11 width: 9", (11, 9), (0, 0)), ("height: 1 width: 3", (1, 3), (0, 0)),
    ("zoom_factor: 2", (11, 7), (0, 0)), ("shrink_factor: 2", (3, 2), (0, 0)),
    ("shrink_factor: 2 zoom_factor: 3", (7, 4), (0, 0)), ("zoom_factor: 3 pad_beg: -1 pad_end: -1", (10, 4), (1, 1)),
    ("shrink_factor: 3 height: 5 width: 5", (2, 2), (0, 0)),
    ("shrink_factor: 3 zoom_factor: 2 height: 5 width: 5", (5, 5), (0, 0))])
def test_interp(settings, size, cut, tmp_path):
    definition = f'type: "Interp" interp_param {{ {settings} }}'

    def resized(x):
        return bilinear(x[:, :, cut[0]:x.shape[2] - cut[1], cut[0]:x.shape[3] - cut[1]], *size)

    net = one_layer(definition, [maps()])
    check_layer(net, resized, [0])
    if settings in ("height: 11 width: 9", "zoom_factor: 2"):
        assert worst_error(opencv(definition, [maps()], tmp_path), net.forward()["y"]) < 1e-5
    check(net_text(definition, MAPS), 3, tmp_path)


@pytest.mark.parametrize("definition, shapes, reason", [
    ('type: "Permute" permute_param { order: 4 }', [MAPS], r"order \[4\] must name axes 0 to 3"),
    ('type: "Permute" permute_param { order: 1 order: 1 }', [MAPS], "each once"),
    ('type: "ShuffleChannel" shuffle_channel_param { group: 3 }', [MAPS], "divisor of the channels"),
    ('type: "Reorg"', [MAPS], "needs a stride"), ('type: "Reorg" reorg_param { stride: 4 }', [MAPS], "multiple of 16"),
    ('type: "Upsample" upsample_param { scale: 0 }', [MAPS], "at least 1"),
    ('type: "Upsample" upsample_param { upsample_h: 8 upsample_w: 8 }', [MAPS], "need a second bottom"),
    ('type: "Upsample"', [MAPS, (2, 4, 6, 5)], "shape of bottom 0"),
    ('type: "Axpy"', [(2, 3), MAPS, MAPS], "takes"), ('type: "Normalize"', [(3,)], "at least 2 axes"),
    ('type: "BN" bn_param { axis: 2 }', [MAPS], "axis 2 is not covered"),
    ('type: "BN" bn_param { moving_average: true var_eps: -1 }', [MAPS], "eps must not be negative, found -1"),
    ('type: "Interp"', [MAPS], "needs height"),
    ('type: "Interp" interp_param { zoom_factor: 0 }', [MAPS], "at least 1"),
    ('type: "Interp" interp_param { zoom_factor: 2 pad_beg: -9 }', [MAPS], "nothing is left"),
    ('type: "Interp" interp_param { zoom_factor: 2 pad_beg: 1 }', [MAPS], "can only cut"),
    ('type: "Interp" interp_param { height: 2 width: 2 interp_type: "cubic" }', [MAPS], "not covered")])
def test_refused(definition, shapes, reason):
    with pytest.raises(caffe.NetError, match=f"layer 'op': .*{reason}"):
        one_layer(definition, [np.zeros(shape, np.float32) for shape in shapes])
