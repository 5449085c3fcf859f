"""SelectiveSoftmaxWithLoss and SelectiveEuclideanLoss against loops and finite differences in float64."""
import math

import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.errors import NetError

ROWS, WIDTH = 12, 4


def net_of(kind, selection, shapes):
    names = ["a", "b", "label"] if len(shapes) == 3 else ["a", "label"]
    inputs = "".join(f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ '
                     f'{" ".join(f"dim: {n}" for n in shape)} }} }} }}' for name, shape in zip(names, shapes))
    bottoms = " ".join(f'bottom: "{name}"' for name in names)
    return caffe.Net(f"""force_backward: true {inputs} layer {{ name: "l" type: "{kind}" top: "loss" {bottoms}
        loss_weight: 1 row_selection_param {{ {selection} }} }}""", caffe.TRAIN)


def softmax_row(scores, label):
    top = max(scores)
    return math.log(sum(math.exp(score - top) for score in scores)) + top - scores[int(label)]


def euclidean_row(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b)) / 2


def mean_of_kept(losses, keep):
    """Losses of the rows that count, in their order -> the mean of the largest."""
    if not losses:
        return 0.0
    kept = sorted(losses, reverse=True)[:max(1, round(keep * len(losses)))]
    return sum(kept) / len(kept)


def loss_by_loop(values, wanted, keep):
    a, labels = values["a"].reshape(ROWS, -1), values["label"]
    rows = [softmax_row(a[i], labels[i]) if "b" not in values else euclidean_row(a[i], values["b"][i])
            for i in range(ROWS) if labels[i] in wanted]
    return mean_of_kept(rows, keep)


def by_differences(values, wanted, keep, step=1e-6):
    """The gradient to a."""
    gradient, a = np.zeros(values["a"].shape), values["a"]
    for i in np.ndindex(a.shape):
        sides = []
        for sign in (1, -1):
            moved = a.copy()
            moved[i] += sign * step
            sides.append(loss_by_loop({**values, "a": moved}, wanted, keep))
        gradient[i] = (sides[0] - sides[1]) / (2 * step)
    return gradient


def check(net, values, wanted, keep):
    given = {name: value.astype(np.float32) for name, value in values.items()}
    values = {name: value.astype(np.float64) for name, value in given.items()}
    found = float(net.forward(**given)["loss"])
    assert found == pytest.approx(loss_by_loop(values, wanted, keep), rel=1e-5, abs=1e-7)
    net.backward()
    gradient = by_differences(values, wanted, keep)
    np.testing.assert_allclose(net.blobs["a"].diff, gradient, atol=2e-6)
    for name in set(values) - {"a"}:
        assert not net.blobs[name].diff.any()
    return gradient


@pytest.mark.parametrize("keep", [1, 0.7, 0.01])
@pytest.mark.parametrize("shape", [(ROWS, 2), (ROWS, 2, 1, 1), (ROWS, 5)])
def test_softmax(keep, shape):
    rng = np.random.default_rng(3)
    values = {"a": rng.normal(0, 3, shape), "label": rng.integers(-2, shape[1], ROWS)}
    wanted = set(range(shape[1]))
    gradient = check(net_of("SelectiveSoftmaxWithLoss", f"keep: {keep}", [shape, (ROWS,)]), values, wanted, keep)
    count = sum(label in wanted for label in values["label"])
    assert (gradient.reshape(ROWS, -1) != 0).any(1).sum() == max(1, round(keep * count)) < ROWS


@pytest.mark.parametrize("keep", [1, 0.5])
def test_euclidean(keep):
    rng = np.random.default_rng(4)
    values = {"a": rng.normal(size=(ROWS, WIDTH)), "b": rng.normal(size=(ROWS, WIDTH)),
              "label": rng.integers(-2, 2, ROWS)}
    net = net_of("SelectiveEuclideanLoss", f"label: 1 label: -1 keep: {keep}", [(ROWS, WIDTH)] * 2 + [(ROWS,)])
    check(net, values, {1, -1}, keep)


def test_one_class_among_those_that_count():
    rng = np.random.default_rng(5)
    values = {"a": rng.normal(size=(ROWS, 3)), "label": rng.integers(0, 3, ROWS)}
    check(net_of("SelectiveSoftmaxWithLoss", "label: 2 label: 0", [(ROWS, 3), (ROWS,)]), values, {0, 2}, 1)


@pytest.mark.parametrize("kind, shapes", [("SelectiveSoftmaxWithLoss", [(ROWS, 2), (ROWS,)]),
                                          ("SelectiveEuclideanLoss", [(ROWS, 2), (ROWS, 2), (ROWS,)])])
def test_without_rows_that_count_there_is_nothing_to_learn(kind, shapes):
    net = net_of(kind, "label: 1", shapes)
    values = {"a": np.ones(shapes[0]), "b": np.full(shapes[0], np.nan), "label": np.full(ROWS, -2.0)}
    given = {name: values[name].astype(np.float32) for name in net.inputs}
    assert net.forward(**given)["loss"] == 0
    net.backward()
    assert not net.blobs["a"].diff.any()


def test_of_equal_losses_the_first_rows_are_kept():
    net = net_of("SelectiveSoftmaxWithLoss", "keep: 0.5", [(ROWS, 2), (ROWS,)])
    net.forward(a=np.zeros((ROWS, 2), np.float32), label=np.zeros(ROWS, np.float32))
    net.backward()
    assert net.blobs["a"].diff.any(1).tolist() == [True] * 6 + [False] * 6


def test_a_batch_of_another_size():
    net = net_of("SelectiveSoftmaxWithLoss", "keep: 0.7", [(ROWS, 2), (ROWS,)])
    net.blobs["a"].reshape(3, 2)
    net.blobs["label"].reshape(3)
    net.reshape()
    scores = np.array([[0, 1], [0, 2], [0, 0]], np.float32)
    found = net.forward(a=scores, label=np.array([0, 0, 0], np.float32))["loss"]
    assert found == pytest.approx((softmax_row([0, 1], 0) + softmax_row([0, 2], 0)) / 2, rel=1e-6)


@pytest.mark.parametrize("kind, selection, shapes, reason", [
    ("SelectiveSoftmaxWithLoss", "keep: 0", [(3, 2), (3,)], "keep must be above 0 and at most 1, found 0"),
    ("SelectiveSoftmaxWithLoss", "keep: 1.5", [(3, 2), (3,)], "found 1.5"),
    ("SelectiveSoftmaxWithLoss", "label: 2", [(3, 2), (3,)], "label 2, but there are 2 classes"),
    ("SelectiveSoftmaxWithLoss", "", [(3, 2), (3, 2)], "expected one for each row, 3"),
    ("SelectiveSoftmaxWithLoss", "", [(3, 2), (4,)], "same first dimension"),
    ("SelectiveEuclideanLoss", "", [(3, 2), (3, 2), (3,)], "no label"),
    ("SelectiveEuclideanLoss", "label: 1", [(3, 2), (3, 4), (3,)], "differ in size"),
    ("SelectiveEuclideanLoss", "label: 1", [(3, 2), (3,)], "takes 3 bottoms, found 2")])
def test_refused(kind, selection, shapes, reason):
    with pytest.raises(NetError, match=reason):
        net_of(kind, selection, shapes)
