"""OHEM of R-FCN, FocalLoss, MultiBoxLoss, hole, layers that normalise: against loops in float64."""
import math

import numpy as np
import pytest

import deeplandmark.caffe as caffe
from tests.helpers.layer_checks import check_layer, one_layer, worst_error
from tests.helpers.onnx_runs import check, net_text

RNG, F4 = np.random.default_rng, np.float32
LABELS = np.array([0, 2, 1, 2, -1, 1], F4)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_box_annotator_keeps_the_hardest_of_each_picture():
    rng = RNG(0)
    regions = rng.random((9, 5)).astype(F4)
    regions[:, 0] = [0, 1, 0, 1, 0, 0, 1, 2, 0]
    losses = np.array([3, 1, 5, 2, 5, 1, 9, 0, 4], F4).reshape(9, 1, 1, 1)
    labels, weights = rng.integers(0, 4, 9).astype(F4), rng.random((9, 8)).astype(F4)
    net = one_layer('type: "BoxAnnotatorOHEM" propagate_down: [false, false, false, false] '
                    "box_annotator_ohem_param { roi_per_img: 2 ignore_label: -1 }", [regions, losses, labels, weights],
                    tops="y w")
    out = net.forward()
    kept = [2, 3, 4, 6, 7]                                       # of equal losses the first; a picture with one region
    wanted = np.full(9, -1.0)
    wanted[kept] = labels[kept]
    np.testing.assert_array_equal(out["y"].ravel(), wanted)
    np.testing.assert_array_equal(out["w"].reshape(9, 8), weights * np.isin(np.arange(9), kept)[:, None])


@pytest.mark.parametrize("settings, divisor", [
    ("", 5), ("normalization: BATCH_SIZE", 6), ("normalization: PRE_FIXED pre_fixed_normalizer: 128", 128)])
def test_softmax_ohem(settings, divisor):
    x = RNG(1).standard_normal((6, 3)).astype(F4)
    net = one_layer(f'type: "SoftmaxWithLossOHEM" loss_weight: [1, 0, 0] propagate_down: [true, false] '
                    f"loss_param {{ ignore_label: -1 {settings} }}", [x, LABELS], tops="y prob each")
    out, p = net.forward(), softmax(x.astype(float))
    each = np.array([0 if label < 0 else -math.log(row[int(label)]) for row, label in zip(p, LABELS)])
    assert worst_error(out["each"].ravel(), each) < 1e-6 and out["each"].shape == (6, 1, 1, 1)
    assert float(out["y"]) == pytest.approx(each.sum() / divisor, rel=1e-6)
    net.backward()
    wanted = (p - np.eye(3)[LABELS.astype(int)]) * (LABELS >= 0)[:, None] / divisor
    assert worst_error(net.blobs["x0"].diff, wanted) < 1e-6


@pytest.mark.parametrize("settings, divisor", [
    ("", 4), ("loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 32 }", 32),
    ("loss_param { normalization: NONE }", 1)])
def test_smooth_l1_ohem(settings, divisor):
    a, b, w = (2 * RNG(i).standard_normal((4, 6)).astype(F4) for i in range(3))
    net = one_layer(f'type: "SmoothL1LossOHEM" loss_weight: [1, 0] {settings}', [a, b, w], tops="y each")
    d = (a.astype(float) - b) * w
    losses = np.where(abs(d) < 1, d * d / 2, abs(d) - 0.5)
    out = net.forward()
    assert float(out["y"]) == pytest.approx(losses.sum() / divisor, rel=1e-6)
    assert worst_error(out["each"].reshape(4), losses.sum(1)) < 1e-6
    net.backward()
    slope = np.where(abs(d) < 1, d, np.sign(d)) * w / divisor
    assert worst_error(net.blobs["x0"].diff, slope) < 1e-6 and worst_error(net.blobs["x1"].diff, -slope) < 1e-6


@pytest.mark.parametrize("type_name", ["FocalLoss", "SoftmaxWithFocalLoss"])
def test_focal_loss_of_classes(type_name):
    def loss(x, labels):
        total = 0
        for n, h in np.ndindex(2, 4):
            if labels[n, 0, h] != 3:
                p = softmax(x[n, :, h])[int(labels[n, 0, h])]
                total -= 0.4 * (1 - p) ** 1.5 * math.log(p)
        return total / 6
    x, labels = RNG(2).standard_normal((2, 3, 4)).astype(F4), RNG(2).integers(0, 3, (2, 1, 4)).astype(F4)
    labels[0, 0, :2] = 3
    net = one_layer(f'type: "{type_name}" focal_loss_param {{ alpha: 0.4 gamma: 1.5 }} propagate_down: [true, false] '
                    "loss_param { ignore_label: 3 }", [x, labels])
    check_layer(net, loss, [0], backward=lambda top, *bottoms: [float(top) * slope(loss, *bottoms)])


def test_focal_loss_of_single_answers():
    def loss(x, labels):
        p = 1 / (1 + np.exp(-x))
        p = np.where(labels == 1, p, 1 - p)
        a = np.where(labels == 1, 0.3, 0.7)
        return np.where(labels < 2, -a * (1 - p) ** 2 * np.log(p), 0).sum() / 3
    x, labels = 3 * RNG(4).standard_normal((3, 5)).astype(F4), RNG(5).integers(0, 3, (3, 5)).astype(F4)
    net = one_layer('type: "FocalLoss" focal_loss_param { alpha: 0.3 gamma: 2 } propagate_down: [true, false]',
                    [x, labels])
    check_layer(net, loss, [0], backward=lambda top, *bottoms: [float(top) * slope(loss, *bottoms)])


def slope(loss, x, *others, step=1e-5):
    found = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        moved = [x.copy(), x.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        found[place] = (loss(moved[0], *others) - loss(moved[1], *others)) / (2 * step)
    return found


@pytest.mark.parametrize("holes, dilation", [("hole: 2", "dilation: 2"), ("hole_h: 2 hole_w: 1", "dilation: [2, 1]")])
def test_hole_is_dilation(holes, dilation):
    x, tops = RNG(6).standard_normal((1, 2, 9, 9)).astype(F4), []
    for settings in (holes, dilation):
        net = one_layer('type: "Convolution" convolution_param { num_output: 3 kernel_size: 3 '
                        f'weight_filler {{ type: "xavier" }} {settings} }}', [x])
        tops.append(net.forward()["y"].copy())
    np.testing.assert_array_equal(*tops)


@pytest.mark.parametrize("definition, axes, order", [
    ('type: "L2Normalization"', (1, 2, 3), 2), ('type: "Normalization"', (1, 2, 3), 2), ('type: "Normalize"', (1,), 2),
    ('type: "L2Normalize"', (1, 2, 3), 2), ('type: "Normalize" norm_param { normalize_type: "L1" }', (1,), 1)])
def test_layers_that_normalise(definition, axes, order, tmp_path):
    def reference(x):
        return x / (np.abs(x) ** order).sum(axes, keepdims=True) ** (1 / order)
    x = RNG(7).standard_normal((2, 3, 2, 4)).astype(F4)
    check_layer(one_layer(definition, [x]), reference, [0])
    assert not one_layer(definition, [x]).params
    check(net_text(definition, x.shape), 3, tmp_path)
    assert (one_layer(definition, [np.zeros_like(x)]).forward()["y"] == 0).all()


def test_normalize_tells_the_norm():
    x = RNG(8).standard_normal((2, 3, 2, 4)).astype(F4)
    out = one_layer('type: "Normalize"', [x], tops="y norm").forward()
    assert worst_error(out["norm"], np.linalg.norm(x.astype(float), axis=1, keepdims=True)) < 1e-6


def test_spatial_dropout_of_enet():
    text = 'type: "Python" python_param {{ module: "spatial_dropout" layer: "SpatialDropoutLayer" param_str: "{}" }}'
    x = 1 + RNG(9).random((20, 50, 2, 2)).astype(F4)
    net = one_layer(text.format(r"{\'phase\': \'TEST\', \'p\': \'0.3\'}"), [x])
    np.testing.assert_array_equal(net.forward()["y"], x)
    net = one_layer(text.format("'phase': 'TRAIN', 'p': 0.3"), [x], phase=caffe.TRAIN)
    kept = net.forward()["y"] / x
    assert abs((kept > 0).mean() - 0.7) < 0.05 and ((kept > 0).all((2, 3)) | (kept == 0).all((2, 3))).all()
    np.testing.assert_allclose(kept[kept > 0], 1 / 0.7, rtol=1e-5)
    net.blobs["y"].diff = 1
    net.backward()
    np.testing.assert_allclose(net.blobs["x0"].diff, np.broadcast_to(kept, x.shape), rtol=1e-5)


@pytest.mark.parametrize("definition, shapes, reason", [
    ('type: "BoxAnnotatorOHEM" top: "z"', [(2, 5), (2,), (2,), (2, 4)], "needs roi_per_img"),
    ('type: "BoxAnnotatorOHEM" top: "z" box_annotator_ohem_param { roi_per_img: 1 }',
     [(2, 4), (2,), (2,), (2, 4)], "takes regions"),
    ('type: "SmoothL1LossOHEM"', [(2, 3), (2, 4)], "bottoms of one size"),
    ('type: "FocalLoss" focal_loss_param { gamma: -1 }', [(2, 3), (2,)], "must not be negative"),
    ('type: "FocalLoss"', [(2, 3), (2, 2)], "expected 2"),
    ('type: "Convolution" convolution_param { num_output: 1 kernel_size: 1 hole: 2 dilation: 2 }', [(1, 1, 5, 5)],
     "mean the same"),
    ('type: "Normalize" norm_param { fix_gradient: true }', [(2, 3)], "fix_gradient false"),
    ('type: "Normalize" norm_param { normalize_type: "L3" }', [(2, 3)], "must be L2 or L1")])
def test_refused(definition, shapes, reason):
    with pytest.raises(caffe.NetError, match=f"layer 'op': .*{reason}"):
        one_layer(definition, [np.zeros(shape, F4) for shape in shapes])
