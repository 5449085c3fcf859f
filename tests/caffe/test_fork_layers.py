"""Noise and WeightEuclideanLoss of the landmark forks, against plain loops."""
import numpy as np
import pytest

import deeplandmark.caffe as caffe


def noise_net(param, phase=caffe.TRAIN, seed=0):
    return caffe.Net(f"""force_backward: true
        layer {{ name: "data" type: "Input" top: "x" input_param {{ shape {{ dim: 100 dim: 100 }} }} }}
        layer {{ name: "n" type: "Noise" bottom: "x" top: "y" noise_param {{ {param} }} }}""", phase, seed=seed)


def noise(net, data):
    net.blobs["x"].data = data
    return net.forward()["y"] - data


def test_gaussian_noise_grows_with_the_data():
    data = np.random.default_rng(0).random((100, 100)).astype(np.float32) * 8
    found = noise(noise_net("gaussian_std: 0.1 bias: 2"), data)
    deviation = 0.1 * np.sqrt((data ** 2).mean())
    assert abs(found.mean() - 2) < 5 * deviation / 100 and abs(found.std() / deviation - 1) < 0.03


def test_uniform_noise():
    found = noise(noise_net("uniform_range: 0.5 bias: 1"), np.zeros((100, 100), np.float32))
    assert found.min() >= 0.5 and found.max() <= 1.5 and found.max() - found.min() > 0.99
    assert not np.array_equal(found, noise(noise_net("uniform_range: 0.5 bias: 1", seed=1), np.zeros((100, 100))))


@pytest.mark.parametrize("param, phase", [
    ("gaussian_std: 0.1", caffe.TEST), ("", caffe.TRAIN), ("bias: 3", caffe.TRAIN)])
def test_no_noise(param, phase):
    assert not noise(noise_net(param, phase), np.ones((100, 100), np.float32)).any()


def test_gradient_of_noise_is_the_identity():
    net = noise_net("gaussian_std: 0.1")
    noise(net, np.ones((100, 100), np.float32))
    diff = np.random.default_rng(1).random((100, 100)).astype(np.float32)
    np.testing.assert_array_equal(net.backward(y=diff)["x"], diff)


def test_negative_noise_is_refused():
    with pytest.raises(caffe.NetError, match="cannot be negative"):
        noise_net("gaussian_std: -1")


def loss_net(param, width, bottoms=2, n=3):
    names = ["a", "b", "u"][:bottoms]
    tops, bottoms = (" ".join(f'{side}: "{name}"' for name in names) for side in ("top", "bottom"))
    return caffe.Net(f"""force_backward: true
        layer {{ name: "i" type: "Input" {tops} input_param {{ shape {{ dim: {n} dim: {width} }} }} }}
        layer {{ name: "l" type: "WeightEuclideanLoss" {bottoms} top: "loss"
                 weight_euclidean_loss_param {{ {param} }} }}""", caffe.TRAIN)


CASES = [
    ("", {}),
    ("main_weight: 2 contour_weight: 0.5 coarse_weight: 4", {"main": 2, "contour": 0.5, "coarse": 4}),
    ("main_weight: 1 contour_weight: 0 coarse_weight: 0", {"contour": 0, "coarse": 0}),
    ("main_weight: 0 contour_weight: 0 coarse_weight: 1", {"main": 0, "contour": 0}),
    ("normalized: 1", {"size": "eyes"}),
    ("normalized: 1 normalized_type: 2 contour_weight: 0.5", {"size": "middles", "contour": 0.5}),
    ("main_weight: 3 normalized: 1 normalized_type: 1", {"main": 3, "size": "box"})]


def weights_by_hand(main=1, contour=1, coarse=1, size=None):
    """Points counted from 1, as annotators do."""
    weights = [contour if point <= 17 else main for point in range(1, 69)]
    for point in (18, 22, 23, 27, 37, 40, 43, 46, 28, 32, 36, 49, 55):
        weights[point - 1] = coarse or weights[point - 1]
    return weights


def size_by_hand(truth, size):
    x, y = truth[:68], truth[68:]
    if size == "eyes":
        return np.hypot(x[36] - x[42], y[39] - y[45])
    if size == "middles":                                        # of the eyes, each between its two corners
        return np.hypot((x[36] + x[39]) / 2 - (x[42] + x[45]) / 2, (y[36] + y[39]) / 2 - (y[42] + y[45]) / 2)
    return np.hypot(max(x) - min(x), max(y) - min(y)) if size else 1


@pytest.mark.parametrize("bottoms", [2, 3])
@pytest.mark.parametrize("param, by_hand", CASES)
def test_loss_and_gradient(param, by_hand, bottoms):
    rng = np.random.default_rng(0)
    a, b, u = rng.random((3, 3, 136))
    net = loss_net(param, 136, bottoms)
    for name, values in zip(("a", "b", "u"), (a, b, u)[:bottoms]):
        net.blobs[name].data = values
    weights = weights_by_hand(**by_hand)
    loss, diff = 0, np.zeros((3, 136))
    for n in range(3):
        for i in range(136):
            w = weights[i % 68] / size_by_hand(b[n], by_hand.get("size")) * (u[n, i] if bottoms == 3 else 1)
            loss += w * (a[n, i] - b[n, i]) ** 2 / 6
            diff[n, i] = w * (a[n, i] - b[n, i]) / 3
    assert net.forward()["loss"] == pytest.approx(loss, rel=1e-5)
    net.backward()
    np.testing.assert_allclose(net.blobs["a"].diff, diff, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(net.blobs["b"].diff, -diff, rtol=1e-4, atol=1e-7)


def test_other_numbers_of_points():
    rng = np.random.default_rng(0)
    net = loss_net("normalized: 1 normalized_type: 1", 10)
    a, b = rng.random((2, 3, 10))
    net.blobs["a"].data, net.blobs["b"].data = a, b
    loss = sum(((a[n] - b[n]) ** 2).sum() / np.hypot(np.ptp(b[n, :5]), np.ptp(b[n, 5:])) for n in range(3)) / 6
    assert net.forward()["loss"] == pytest.approx(loss, rel=1e-5)


def test_unweighted_is_euclidean_loss():
    a, b = np.random.default_rng(0).random((2, 3, 10))
    net = loss_net("", 10)
    net.blobs["a"].data, net.blobs["b"].data = a, b
    assert net.forward()["loss"] == pytest.approx(((a - b) ** 2).sum() / 6, rel=1e-5)


@pytest.mark.parametrize("param, width, reason", [
    ("main_weight: 1", 10, "main_weight is for 68 points, found 5"),
    ("normalized: 1", 10, "normalized_type 0 is for 68 points"),
    ("normalized: 1 normalized_type: 2", 10, "normalized_type 2 is for 68 points"),
    ("normalized: 1 normalized_type: 3", 136, "normalized_type 0, 1 or 2"),
    ("normalized: 2", 136, "must be 0 or 1"),
    ("", 9, "not points")])
def test_refused(param, width, reason):
    with pytest.raises(caffe.NetError, match=reason):
        loss_net(param, width)
