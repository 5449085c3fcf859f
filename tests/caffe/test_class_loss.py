"""Losses over labels where the recorded cases are silent: normalisers, clamps, ignored and impossible labels."""
import numpy as np
import pytest

import deeplandmark.caffe as caffe


def net(kind, shapes, settings="", tops=("loss",), force="force_backward: true"):
    inputs = "".join(f"""layer {{ name: "i{k}" type: "Input" top: "i{k}" input_param {{ shape {{
        {' '.join(f'dim: {n}' for n in shape)} }} }} }}\n""" for k, shape in enumerate(shapes))
    bottoms = " ".join(f'bottom: "i{k}"' for k in range(len(shapes)))
    names = " ".join(f'top: "{top}"' for top in tops)
    return caffe.Net(f'{force} {inputs} layer {{ name: "l" type: "{kind}" {bottoms} {names} {settings} }}', caffe.TRAIN)


def run(made, *values):
    for k, value in enumerate(values):
        made.blobs[f"i{k}"].data = value
    loss = float(made.forward()["loss"])
    made.backward()
    return loss, made.blobs["i0"].diff


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("normalization, divisor", [("VALID", 5), ("FULL", 8), ("BATCH_SIZE", 2), ("NONE", 1)])
def test_infogain_normalisers_and_ignored_labels(normalization, divisor):
    rng = np.random.default_rng(0)
    x, matrix = rng.normal(size=(2, 3, 4)), rng.random((3, 3))
    labels = np.array([[0, 1, 9, 2], [9, 1, 1, 9]])
    loss, diff = 0, np.zeros_like(x)
    prob = softmax(x)
    for n in range(2):
        for j in range(4):
            if labels[n, j] != 9:
                row = matrix[labels[n, j]]
                loss -= (row * np.log(prob[n, :, j])).sum() / divisor
                diff[n, :, j] = (prob[n, :, j] * row.sum() - row) / divisor
    settings = f"loss_weight: 1 loss_weight: 0 loss_param {{ ignore_label: 9 normalization: {normalization} }}"
    made = net("InfogainLoss", [(2, 3, 4), (2, 4), (3, 3)], settings, ("loss", "prob"))
    found = run(made, x, labels, matrix)
    assert found[0] == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(found[1], diff, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(made.blobs["prob"].data, prob, rtol=1e-5)


def test_infogain_clamps_the_value_only():
    """A probability of e^-100 counts as 1e-20, but its gradient is that of the softmax."""
    loss, diff = run(net("InfogainLoss", [(1, 2), (1,), (2, 2)]), [[0, 100]], [0], np.eye(2))
    assert loss == pytest.approx(-np.log(1e-20), rel=1e-5)
    np.testing.assert_allclose(diff, [[-1, 1]], rtol=1e-5)


def test_multinomial_divides_by_the_clamped_probability():
    loss, diff = run(net("MultinomialLogisticLoss", [(2, 3), (2,)]), [[0, .5, .5], [.2, .3, .5]], [0, 2])
    assert loss == pytest.approx(-(np.log(1e-20) + np.log(.5)) / 2, rel=1e-5)
    np.testing.assert_allclose(diff, [[-.5e20, 0, 0], [0, 0, -1]], rtol=1e-5)


def test_hinge_at_the_margin_has_no_gradient():
    loss, diff = run(net("HingeLoss", [(1, 3), (1,)]), [[1, -1, -2]], [0])
    assert loss == 0 and not diff.any()


@pytest.mark.parametrize("settings, divisor", [
    ("", 2), ("loss_param { normalize: true }", 6), ("loss_param { normalize: false }", 2),
    ("loss_param { normalization: FULL }", 6)])
def test_sigmoid_normalisers(settings, divisor):
    x, t = np.random.default_rng(0).normal(size=(2, 2, 3))
    prob = 1 / (1 + np.exp(-x))
    loss, diff = run(net("SigmoidCrossEntropyLoss", [(2, 3), (2, 3)], settings), x, t)
    assert loss == pytest.approx(-(t * np.log(prob) + (1 - t) * np.log(1 - prob)).sum() / divisor, rel=1e-5)
    np.testing.assert_allclose(diff, (prob - t) / divisor, rtol=1e-4, atol=1e-6)


def test_contrastive_at_distance_zero():
    """The distance is padded by 1e-4, so a pair of equals has a gradient of 0 and not NaN."""
    loss, diff = run(net("ContrastiveLoss", [(2, 3), (2, 3), (2,)]), np.ones((2, 3)), np.ones((2, 3)), [0, 1])
    assert loss == pytest.approx(0.25) and not diff.any()


@pytest.mark.parametrize("kind, shapes, settings, reason", [
    ("HingeLoss", [(2, 3), (2, 2)], "", "expected one for each"),
    ("MultinomialLogisticLoss", [(2, 3), (3,)], "", "first dimension"),
    ("InfogainLoss", [(2, 3), (2,)], "", "needs the matrix H"),
    ("InfogainLoss", [(2, 3), (2,)], 'infogain_loss_param { source: "none" }', "cannot read 'none'"),
    ("InfogainLoss", [(2, 3), (2,), (2, 2)], "", "H has 4 values"),
    ("InfogainLoss", [(2, 3), (2, 2), (3, 3)], "", "one label for each place"),
    ("InfogainLoss", [(2, 3), (2,), (3, 3)], "loss_param { normalize: true }", "use normalization"),
    ("SigmoidCrossEntropyLoss", [(2, 3), (2, 2)], "", "differ in size"),
    ("ContrastiveLoss", [(2, 3), (2, 4), (2,)], "", "rows differ"),
    ("ContrastiveLoss", [(2, 3, 2), (2, 3, 2), (2,)], "", "must be rows"),
    ("ContrastiveLoss", [(2, 3), (2, 3), (2, 2)], "", "expected one value each"),
    ("HingeLoss", [(2, 3)], "", "takes 2 bottoms, found 1")])
def test_refused(kind, shapes, settings, reason):
    with pytest.raises(caffe.NetError, match=reason):
        net(kind, shapes, settings)


@pytest.mark.parametrize("kind", ["Accuracy", "FocalLoss", "HingeLoss", "InfogainLoss", "MultinomialLogisticLoss",
                                  "SoftmaxWithLoss", "SoftmaxWithLossOHEM"])
@pytest.mark.parametrize("label", [-1, 3, np.nan])
def test_impossible_labels(kind, label):
    shapes = [(2, 3), (2,), (3, 3)][:3 if kind == "InfogainLoss" else 2]
    made = net(kind, shapes)
    made.blobs["i1"].data = [0, label]
    with pytest.raises(caffe.NetError, match=f"layer 'l': label {label} is not one of the 3 classes"):
        made.forward()
