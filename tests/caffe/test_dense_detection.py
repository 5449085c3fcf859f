"""DenseTargets and SigmoidFocalLoss against loops over cells in float64, and finite differences."""
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deeplandmark.caffe as caffe
from deeplandmark.caffe.errors import NetError

STRIDE, SHAPE, VALUES = 4, (2, 3, 5, 6), 4


def input_layers(**shapes):
    return "".join(f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ '
                   f'{" ".join(f"dim: {n}" for n in shape)} }} }} }}' for name, shape in shapes.items())


def targets_net(objects, param="stride: 4 unit: 8 min_size: 5 max_size: 12 radius: 0.3 ignored_radius: 0.5"):
    return caffe.Net(input_layers(map=SHAPE, objects=objects.shape) + f"""layer {{ name: "t" type: "DenseTargets"
        bottom: "map" bottom: "objects" top: "label" top: "values" top: "weights" dense_targets_param {{ {param} }} }}
        """, caffe.TEST)


def cell_by_loop(objects, x, y):
    """(label, values) of the cell whose middle is x, y, pixels."""
    found, best, left_out = None, math.inf, False
    for row in np.asarray(objects, np.float64):
        kind, left, top, right, bottom = row[:5]
        size = math.sqrt(max(right - left, 0) * max(bottom - top, 0))
        distance = max(abs(x - (left + right) / 2), abs(y - (top + bottom) / 2))
        if kind == -1 and distance <= size / 2:
            left_out = True
        if kind != 1:
            continue
        if 5 <= size < 12 and distance <= max(0.3 * size, STRIDE / 2) and distance / size < best:
            found, best = row[5:], distance / size
        if 5 / 1.4 <= size < 12 * 1.4 and distance <= max(0.5 * size, 0.75 * STRIDE):
            left_out = True
    if found is None:
        return (-1 if left_out else 0), np.zeros(VALUES)
    return 1, (found - np.tile([x, y], VALUES // 2)) / 8


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2 ** 32 - 1), st.integers(0, 6))
def test_targets_are_those_of_a_loop(seed, count):
    rng = np.random.default_rng(seed)
    middle, size = rng.uniform(-3, 27, (2, count, 2)), rng.uniform(2, 20, (2, count, 1))
    objects = np.concatenate([rng.choice([1, 1, 1, 0, -1], (2, count, 1)), middle - size / 2, middle + size / 2,
                              rng.uniform(-5, 30, (2, count, VALUES))], axis=2).astype(np.float32)
    net = targets_net(objects)
    net.blobs["objects"].data[...] = objects
    net.forward()
    for n, i, j in np.ndindex(SHAPE[0], *SHAPE[2:]):
        label, values = cell_by_loop(objects[n], j * STRIDE + 1.5, i * STRIDE + 1.5)
        where = f"seed {seed}, picture {n}, cell {i, j}"
        assert net.blobs["label"].data[n, 0, i, j] == label, where
        np.testing.assert_allclose(net.blobs["values"].data[n, :, i, j], values, atol=1e-5, err_msg=where)
        np.testing.assert_array_equal(net.blobs["weights"].data[n, :, i, j], float(label == 1), err_msg=where)


def test_targets_have_no_limit_of_size_without_one():
    objects = np.zeros((2, 1, 9), np.float32)
    objects[:, 0, :5] = 1, -500, -500, 530, 530
    net = targets_net(objects, "stride: 4")
    net.blobs["objects"].data[...] = objects
    net.forward()
    assert (net.blobs["label"].data == 1).all()
    assert net.blobs["values"].data[0, 0, 0, 1] == pytest.approx((0 - 5.5) / 4)


@pytest.mark.parametrize("shape, param, message", [
    ((2, 3, 8), "stride: 4", "even V"), ((1, 3, 9), "stride: 4", "objects"), ((2, 3, 9), "", "stride of at least 1"),
    ((2, 3, 9), "stride: 4 radius: 0.5", "radius"), ((2, 3, 9), "stride: 4 unit: -1", "unit above 0")])
def test_targets_refuse_what_does_not_fit(shape, param, message):
    with pytest.raises(NetError, match=message):
        targets_net(np.zeros(shape), param)


def focal_by_loop(scores, labels, alpha, gamma):
    total = 0.0
    for score, label in zip(scores.ravel(), labels.ravel()):
        if label in (0, 1):
            p = 1 / (1 + math.exp(-score)) if label else 1 / (1 + math.exp(score))
            total -= (alpha if label else 1 - alpha) * (1 - p) ** gamma * math.log(p)
    return total / max(1, (labels == 1).sum())


@pytest.mark.parametrize("alpha, gamma", [(0.25, 2), (0.9, 0), (0, 1.5)])
@pytest.mark.parametrize("kinds", [(-1, 0, 1), (-1, 0), (-1,)])
def test_focal_loss_is_that_of_a_loop_with_its_gradient(alpha, gamma, kinds):
    rng = np.random.default_rng(3)
    shape = (2, 1, 3, 4)
    scores, labels = rng.normal(0, 2, shape), rng.choice(kinds, shape)
    net = caffe.Net("force_backward: true " + input_layers(scores=shape, label=shape) + f"""layer {{ name: "l"
        type: "SigmoidFocalLoss" bottom: "scores" bottom: "label" top: "loss" loss_weight: 1
        focal_loss_param {{ alpha: {alpha} gamma: {gamma} }} }}""", caffe.TRAIN)
    net.blobs["scores"].data[...], net.blobs["label"].data[...] = scores, labels
    net.forward()
    assert net.blobs["loss"].data == pytest.approx(focal_by_loop(scores, labels, alpha, gamma), rel=1e-5, abs=1e-7)
    net.backward()
    for place in np.ndindex(shape):
        moved = [scores.copy(), scores.copy()]
        moved[0][place] += 1e-5
        moved[1][place] -= 1e-5
        slope = np.subtract(*(focal_by_loop(each, labels, alpha, gamma) for each in moved)) / 2e-5
        assert net.blobs["scores"].diff[place] == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_focal_loss_of_scores_far_out_is_finite():
    scores = np.array([[-500.0], [500], [500], [-500]], np.float32)
    net = caffe.Net("force_backward: true " + input_layers(scores=(4, 1), label=(4, 1)) + """layer { name: "l"
        type: "SigmoidFocalLoss" bottom: "scores" bottom: "label" top: "loss" loss_weight: 1 }""", caffe.TRAIN)
    net.blobs["scores"].data[...], net.blobs["label"].data[...] = scores, [[1], [0], [1], [0]]
    net.forward()
    assert net.blobs["loss"].data == pytest.approx((0.25 * 500 + 0.75 * 500) / 2)
    net.backward()
    assert np.isfinite(net.blobs["scores"].diff).all()


@pytest.mark.parametrize("labels, param, message", [((3, 1), "", "a label for each"), ((4, 1), "alpha: 2", "alpha"),
                                                    ((4, 1), "gamma: -1", "gamma")])
def test_focal_loss_refuses_what_does_not_fit(labels, param, message):
    with pytest.raises(NetError, match=message):
        caffe.Net(input_layers(scores=(4, 1), label=labels) + f"""layer {{ name: "l" type: "SigmoidFocalLoss"
            bottom: "scores" bottom: "label" top: "loss" focal_loss_param {{ {param} }} }}""", caffe.TRAIN)
