"""LabelSpecificAdd, CosinAddm, CombinedMargin and normalised InnerProduct against loops."""
import math

import numpy as np
import pytest

import deeplandmark.caffe as caffe
from tests.helpers.layer_checks import check_layer, one_layer, worst_error
from tests.helpers.onnx_runs import check, net_text

F4 = np.float32
COSINES = np.random.default_rng(0).uniform(-0.9, 0.9, (9, 4)).astype(F4)
LABELS = np.array([0, 1, 2, 3, 0, 1, 2, 3, 2], F4)
COSINES[0, 0], COSINES[1, 1], COSINES[2, 2], COSINES[3, 3], COSINES[4, 0] = 0.34, 0.36, -0.95, 0.95, -0.2


def own_changed(x, labels, function):
    top = np.array(x, np.float64)
    for row, label in enumerate(labels):
        if label >= 0:
            top[row, int(label)] = function(top[row, int(label)])
    return top


def net_of(definition, x=COSINES, labels=LABELS, phase=caffe.TRAIN, tops="y"):
    return one_layer(f"type: {definition}", [x, labels], tops=tops, phase=phase)


@pytest.mark.parametrize("bias", [-0.35, 0.35, 0])
def test_label_specific_add(bias):
    def reference(x, labels):
        return own_changed(x, labels, lambda v: v + bias if v > -bias else v)

    definition = f'"LabelSpecificAdd" label_specific_add_param {{ bias: {bias} }}'
    check_layer(net_of(definition), reference, [0])
    assert (net_of(definition, phase=caffe.TEST).forward()["y"] == COSINES).all()


def test_a_bias_that_grows():
    net = net_of('"LabelSpecificAdd" label_specific_add_param { bias_base: -1 bias_gamma: 0.5 bias_power: 2 bias_min: '
                 '-0.5 bias_max: 1.5 iteration: 0 }', tops="y bias")
    found = []
    for _ in range(4):
        net.forward()
        found.append(float(net.blobs["bias"].data[0]))
    assert found == [-0.5, 0.25, 1.5, 1.5]                       # -1 + n^2 - 1 for n = 1, 1.5, 2, 2.5, cut
    wanted = own_changed(COSINES, LABELS, lambda v: v + 1.5 if v > -1.5 else v)
    assert worst_error(net.blobs["y"].data, wanted) < 1e-6


@pytest.mark.parametrize("m", [0.5, 0.2, 1.3])
def test_cosin_addm(m):
    def moved(v):
        return math.cos(math.acos(v) + m) if v > math.cos(math.pi - m) else v - m * math.sin(m)

    definition = f'"CosinAddm" cosin_add_m_param {{ m: {m} }}'
    check_layer(net_of(definition), lambda x, labels: own_changed(x, labels, moved), [0])
    assert (net_of(definition, phase=caffe.TEST).forward()["y"] == COSINES).all()


def test_cosines_of_one_and_beyond_stay_or_go_on():
    x = np.array([[1, 0.5], [1.01, 0.5], [-1.01, 0.5]], F4)
    net = net_of('"CosinAddm" cosin_add_m_param { m: 0.5 }', x, np.zeros(3, F4))
    check_layer(net, lambda x, labels: own_changed(x, labels, lambda v: v if v >= 1 else v - 0.5 * math.sin(0.5)), [0],
                backward=lambda top_diff, x, labels: [top_diff])


@pytest.mark.parametrize("m1, m2, m3", [(1, 0.3, 0.2), (1, 0, 0.35), (0.9, 0.4, 0.15), (4, 0.5, 0.35), (1, -1, 0)])
@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
def test_combined_margin(m1, m2, m3, phase):
    x, labels = COSINES.copy(), LABELS.copy()
    x[5, 1], x[6, 2], labels[7] = 1, -1, -1

    def angle(v):
        v = min(max(v, -1 + 1e-4), 1 - 1e-4)
        return v, min(max(m1 * math.acos(v) + m2, 0), math.pi - 1e-4)

    def backward(top_diff, x, labels):
        diff = top_diff.astype(np.float64)
        for row, label in enumerate(labels):
            if label >= 0:
                cosine, a = angle(x[row, int(label)])
                diff[row, int(label)] *= min(max(m1 / math.sqrt(1 - cosine ** 2) * math.sin(a), 0), 2)
        return [diff]

    net = net_of(f'"CombinedMargin" combined_margin_param {{ m1: {m1} m2: {m2} m3: {m3} }}', x, labels, phase)
    check_layer(net, lambda x, labels: own_changed(x, labels, lambda v: math.cos(angle(v)[1]) - m3), [0],
                backward=backward)


def test_inner_product_with_normalize(tmp_path):
    """Rows of length 1, in the blob itself; their gradient is that of a product."""
    definition = 'type: "InnerProduct" inner_product_param { num_output: 3 normalize: true ' \
                 'weight_filler { type: "gaussian" std: 2 } bias_filler { value: 0.5 } }'
    net = one_layer(definition, [COSINES])
    before = net.params["op"][0].data.astype(np.float64)
    unit = np.array([row / math.sqrt(sum(v * v for v in row) + 1e-12) for row in before])
    check_layer(net, lambda x: x @ unit.T + 0.5, [0])
    assert worst_error(net.params["op"][0].data, unit) < 1e-6
    assert worst_error(net.params["op"][0].diff, net.blobs["y"].diff.T @ COSINES) < 1e-5
    check(net_text(definition, COSINES.shape), 5, tmp_path)
    with pytest.raises(caffe.NetError, match="layer 'op': normalize is for weights"):
        one_layer(definition.replace("normalize", "transpose: true normalize", 1), [COSINES])


def test_normalize_param_is_the_other_name_of_normface():
    for settings in ('norm_param { normalize_type: "L1" }', 'normalize_param { normalize_type: "L1" bp_norm: true }'):
        net = one_layer(f'type: "Normalize" {settings}', [COSINES], tops="y norm")
        net.forward()
        assert worst_error(net.blobs["norm"].data.ravel(), [sum(map(abs, row)) for row in COSINES.tolist()]) < 1e-6


@pytest.mark.parametrize("definition, labels, reason", [
    ('"CosinAddm" cosin_add_m_param { m: 4 }', LABELS, "m must be 0 to pi"), ('"CosinAddm"', LABELS + 1, "label 4"),
    ('"CosinAddm"', LABELS[:3], "a label for each row"),
    ('"LabelSpecificAdd" label_specific_add_param { bias_base: 1 }', LABELS, "needs bias_gamma"),
    ('"CombinedMargin" combined_margin_param { m1: inf }', LABELS, "must be finite")])
def test_refused(definition, labels, reason):
    with pytest.raises(caffe.NetError, match=f"layer 'op': .*{reason}"):
        net_of(definition, labels=labels).forward()
