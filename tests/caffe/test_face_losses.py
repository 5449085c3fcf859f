"""CenterLoss, MarginInnerProduct, ContinuationIndicator against loops; layer types of one's own."""
import math

import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import LAYERS
from tests.helpers.layer_checks import one_layer, worst_error
from tests.helpers.onnx_runs import check

F4 = np.float32
RNG = np.random.default_rng
LABELS = np.array([0, 2, 2, 3, 0], F4)


@pytest.mark.parametrize("shape", [(5, 6), (5, 2, 3)])
def test_center_loss(shape):
    x = RNG(0).standard_normal(shape).astype(F4)
    net = one_layer("""type: "CenterLoss" loss_weight: 0.5 propagate_down: true propagate_down: false
        center_loss_param { num_output: 4 center_filler { type: "gaussian" } }""", [x, LABELS], phase=caffe.TRAIN)
    centres, rows = net.params["op"][0].data.astype(float), x.reshape(5, 6).astype(float)
    loss, diff, moved, counts = 0, np.zeros((5, 6)), np.zeros((4, 6)), np.zeros(4)
    for i, label in enumerate(LABELS.astype(int)):
        apart = rows[i] - centres[label]
        loss += (apart ** 2).sum() / 10
        diff[i] = 0.5 * apart / 5
        moved[label] -= apart
        counts[label] += 1
    assert worst_error(net.forward()["y"], loss) < 1e-5
    net.backward()
    assert worst_error(net.blobs["x0"].diff, diff.reshape(shape)) < 1e-5
    assert worst_error(net.params["op"][0].diff, moved / (counts + 1)[:, None]) < 1e-5


def psi(angle, m):
    """SphereFace, equation 7."""
    k = min(int(angle * m / math.pi), m - 1)
    return (-1) ** k * math.cos(m * angle) - 2 * k


@pytest.mark.parametrize("kind, m", [("SINGLE", 1), ("DOUBLE", 2), ("TRIPLE", 3), ("QUADRUPLE", 4)])
def test_margin_inner_product(kind, m):
    x = RNG(m).standard_normal((5, 3)).astype(F4)
    net = one_layer(f"""type: "MarginInnerProduct" propagate_down: true propagate_down: false
        margin_inner_product_param {{ num_output: 4 type: {kind} weight_filler {{ type: "gaussian" }} base: 3
        gamma: 0.5 power: 2 iteration: 1 lambda_min: 0.1 }}""", [x, LABELS], tops="y share", phase=caffe.TRAIN)
    raw = net.params["op"][0].data.astype(float).copy()
    net.forward()
    share = max(3 * (1 + 0.5 * 2) ** -2, 0.1)
    assert net.blobs["share"].data == pytest.approx([share])
    w = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    assert worst_error(net.params["op"][0].data, w) < 1e-6

    rows, top = x.astype(float), x.astype(float) @ w.T
    for i, label in enumerate(LABELS.astype(int)):
        norm = np.linalg.norm(rows[i])
        angle = math.acos(rows[i] @ w[label] / norm)
        if m > 1:
            top[i, label] = (norm * psi(angle, m) + share * top[i, label]) / (1 + share)
    assert worst_error(net.blobs["y"].data, top) < 1e-5

    top_diff = RNG(9).standard_normal((5, 4)).astype(F4)
    net.blobs["y"].diff = top_diff
    net.blobs["share"].diff = [0]
    net.backward()
    diff = top_diff.astype(float) @ w
    if m > 1:
        for i, label in enumerate(LABELS.astype(int)):
            norm, step = np.linalg.norm(rows[i]), 1e-6
            c = rows[i] @ w[label] / norm
            slope = (psi(math.acos(c + step), m) - psi(math.acos(c - step), m)) / (2 * step)
            parts = np.array([slope, (psi(math.acos(c), m) - c * slope) / norm])
            parts /= np.linalg.norm(parts)                       # the fork's own step
            diff[i] += top_diff[i, label] / (1 + share) * (parts[0] * w[label] + parts[1] * rows[i] - w[label])
    assert worst_error(net.blobs["x0"].diff, diff) < 1e-5
    assert worst_error(net.params["op"][0].diff, top_diff.T.astype(float) @ rows) < 1e-5
    net.forward()
    assert net.blobs["share"].data == pytest.approx([max(3 * (1 + 0.5 * 3) ** -2, 0.1)])


def test_a_share_beyond_all_numbers_is_infinite():
    x = RNG(0).standard_normal((5, 3)).astype(F4)
    net = one_layer('type: "MarginInnerProduct" margin_inner_product_param { num_output: 4 type: DOUBLE base: 3 '
                    'gamma: 1 power: -1e18 weight_filler { type: "xavier" } }', [x, LABELS], tops="y share")
    assert net.forward()["share"] == np.inf


def test_wrong_labels_are_refused():
    net = one_layer('type: "CenterLoss" center_loss_param { num_output: 3 }', [np.zeros((5, 2), F4), LABELS])
    with pytest.raises(caffe.NetError, match="layer 'op': label 3 is not one of the 3 classes 0..2"):
        net.forward()


def test_continuation_indicator(tmp_path):
    text = """layer { name: "c" type: "ContinuationIndicator" top: "cont"
                      continuation_indicator_param { time_step: 3 batch_size: 2 } }"""
    assert caffe.Net(text, caffe.TEST).forward()["cont"].tolist() == [[0, 0], [1, 1], [1, 1]]
    check(f'{text} input: "x" input_shape {{ dim: 3 }} layer {{ name: "r" type: "ReLU" bottom: "x" top: "y" }}', 3,
          tmp_path)
    with pytest.raises(caffe.NetError, match="at least 1"):
        caffe.Net(text.replace("3", "0"), caffe.TEST)


@pytest.fixture
def own_types():
    """The registry of layer types is afterwards as it was before the test."""
    before = set(LAYERS)
    yield
    for name in set(LAYERS) - before:
        del LAYERS[name]


def test_a_type_of_ones_own(own_types):
    @caffe.register_layer("Shifted")
    class Shifted(caffe.Layer):
        """x + param_str."""
        def setup(self, bottom, top):
            self.shift = float(self.param_str or 1)

        def reshape(self, bottom, top):
            top[0].reshape(*bottom[0].data.shape)

        def forward(self, bottom, top):
            top[0].data[...] = bottom[0].data + self.shift

        def backward(self, top, propagate_down, bottom):
            bottom[0].diff[...] = 2 * top[0].diff

    class Cubed(Layer):
        """x^3, by torch."""
        exact_bottoms = exact_tops = 1

        def forward(self, x):
            return x ** 3,

    assert caffe.register_layer("Cubed", Cubed) is Cubed and "Shifted" in caffe.layer_type_list()
    net = one_layer('type: "Shifted" python_param { param_str: "2.5" }', [LABELS])
    assert net.forward()["y"].tolist() == (LABELS + 2.5).tolist() and net.layers[1].type == "Shifted"
    net.blobs["y"].diff = LABELS
    assert net.backward()["x0"].tolist() == (2 * LABELS).tolist()
    assert one_layer('type: "Cubed"', [LABELS]).forward()["y"].tolist() == (LABELS ** 3).tolist()
    with pytest.raises(ValueError, match="'Shifted' has two classes"):
        caffe.register_layer("Shifted", Shifted)
    with pytest.raises(TypeError, match="derives neither from"):
        caffe.register_layer("Other", dict)
