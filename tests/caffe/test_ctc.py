"""CTC losses against all alignments, one by one; what the decoder and the accuracies make of scores, against loops."""
import itertools
import math

import numpy as np
import pytest

import deeplandmark.caffe as caffe
from tests.helpers.layer_checks import check_layer, one_layer, worst_error

T, N, C = 4, 3, 3
rng = np.random.default_rng(0)
SCORES = rng.standard_normal((T, N, C)).astype(np.float32) * 2


def spelt(path, blank):
    """An alignment without repetitions and blanks."""
    return [c for i, c in enumerate(path) if c != blank and (not i or path[i - 1] != c)]


def cost(scores, labels, blank):
    """-log of the sum of the probabilities of all alignments that spell the labels; None where there is none."""
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    paths = itertools.product(range(scores.shape[1]), repeat=len(scores))
    total = sum(math.prod(p[t, c] for t, c in enumerate(path)) for path in paths if spelt(path, blank) == labels)
    return -math.log(total) if total else None


def mean_cost(scores, lengths, labels, blank, delay=0, count=None):
    costs = [cost(scores[delay:length, n], row, blank) or 0.0
             for n, (length, row) in enumerate(zip(lengths, labels)) if length]
    return np.array(sum(costs) / (count or len(lengths)))


def checked(definition, arrays, lengths, labels, blank, delay=0, count=None):
    """Value, and the gradient of the sum, which is `count` or N times that of the value."""
    loss = f"{definition} loss_weight: 2 " + " ".join(f"propagate_down: {flag}" for flag in
                                                      ["true", *["false"] * (len(arrays) - 1)])
    net = one_layer(loss, arrays)

    def reference(scores, *_):
        return mean_cost(scores.reshape(scores.shape[:3]), lengths, labels, blank, delay, count)

    def backward(top_diff, scores, *_):
        diffs = np.zeros_like(scores)
        for place in np.ndindex(scores.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = scores.copy()
                moved[place] += step
                ends.append(reference(moved))
            diffs[place] = (ends[0] - ends[1]) / 2e-5
        return [diffs * (count or len(lengths)) * top_diff]

    return check_layer(net, reference, [0], 1e-5, backward)


@pytest.mark.parametrize("blank, steps, labels", [
    (0, 4, [[1, 2, 0], [2, 0, 0], [1, 0, 1]]), (2, 4, [[0, 1, 2], [2, 1, 2], [0, 0, 2]]),
    (1, 3, [[0, 2, 0], [1, 1, 1], [2, 1, 2]]),                   # a row of blanks: no labels
    (0, 3, [[1, 1, 1], [2, 2, 0], [1, 2, 0]])])                  # 1 1 1 takes five steps
def test_ctc_loss_of_crnn(blank, steps, labels):
    arrays = [SCORES, np.array(labels, np.float32)]
    rows = [[label for label in row if label != blank] for row in labels]
    checked(f"""type: "CtcLoss" ctc_loss_param {{ blank_label: {blank} alphabet_size: 3
        time_step: {steps} }}""", arrays, [steps] * N, rows, blank)


INDICATORS = np.array([[0, 0, 0], [1, 1, 1], [1, 1, 0], [1, 0, 1]], np.float32)      # 4, 3 and 2 steps


@pytest.mark.parametrize("settings, blank, labels", [
    ("", 2, [[0, 1], [1, 1], [0]]), ("blank_index: 0", 0, [[1, 2, 1], [1], [2, 1]]),
    ("blank_index: 1", 1, [[2, 2], [0, 2], [2]])])
@pytest.mark.parametrize("type_name", ["CTCLoss", "WarpCTCLoss"])
def test_ctc_loss_with_indicators(type_name, settings, blank, labels):
    sequences = np.full((T, N), -1, np.float32)
    for n, row in enumerate(labels):
        sequences[:len(row), n] = row
    if type_name == "WarpCTCLoss" and not settings:              # labels are one less than their classes
        blank, labels = 0, [[label + 1 for label in row] for row in labels]
    checked(f'type: "{type_name}" ctc_loss_param {{ {settings} }}', [SCORES[..., None], INDICATORS, sequences],
            [4, 3, 2], labels, blank)
    counts = np.array([len(row) for row in labels], np.float32)
    if settings:
        checked(f'type: "{type_name}" ctc_loss_param {{ {settings} }}',
                [SCORES, np.array([4, 3, 2], np.float32), counts, sequences], [4, 3, 2], labels, blank)


def test_sequences_without_labels_are_passed_over():
    indicators, sequences = INDICATORS.copy(), np.array([[0, -1, 1], [1, -1, -1]], np.float32)
    indicators[1, 1] = 0                                         # one step
    for type_name, count, labels, blank in (("CTCLoss", 3, [[0, 1], [], [1]], 2),
                                            ("WarpCTCLoss", 2, [[1, 2], [], [2]], 0)):
        checked(f'type: "{type_name}"', [SCORES, indicators, sequences], [4, 0, 2], labels, blank, count=count)
    for type_name in ("CTCLoss", "WarpCTCLoss"):
        net = one_layer(f'type: "{type_name}" propagate_down: [true, false, false]',
                        [SCORES, np.zeros((T, N), np.float32), np.full((2, N), -1, np.float32)])
        assert net.forward()["y"] == 0
        net.backward()
        assert not net.blobs["x0"].diff.any()


def test_delay_and_labels_without_repetitions():
    sequences = np.array([[0, 0, 1], [0, 0, -1], [1, -1, -1]], np.float32)
    arrays = [SCORES, np.array([4, 4, 3], np.float32), np.array([3, 2, 1], np.float32), sequences]
    checked('type: "CTCLoss" ctc_loss_param { output_delay: 1 preprocess_collapse_repeated: true }', arrays, [4, 4, 3],
            [[0, 1], [0], [1]], 2, delay=1)


def test_warp_ctc_of_caffe_ocr():
    """Labels (N, L) with zeros among them, the blank unless it is told."""
    labels = np.array([[1, 0, 2], [2, 2, 0], [0, 0, 1]], np.float32)
    checked('type: "WarpCTCLoss"', [SCORES, labels], [T] * N, [[1, 2], [2, 2], [1]], 0)
    checked('type: "WarpCTCLoss" ctc_loss_param { blank_index: 1 }', [SCORES[..., None], labels[:, :, None, None]],
            [T] * N, [[0, 2], [2, 2, 0], [0, 0]], 1)


@pytest.mark.parametrize("definition, shapes, reason", [
    ('type: "CtcLoss"', [(4, 3, 3), (3, 2)], "needs alphabet_size 3, a time_step of 1..4"),
    ('type: "CtcLoss" ctc_loss_param { alphabet_size: 3 time_step: 4 }', [(4, 3, 3), (2, 2)], "takes labels"),
    ('type: "CtcLoss"', [(4, 3), (4, 2)], "takes scores"),
    ('type: "CTCLoss"', [(4, 3, 3), (3, 4), (2, 3)], "takes scores .*, indicators"),
    ('type: "CTCLoss" ctc_loss_param { ctc_merge_repeated: false }', [(4, 3, 3), (4, 3), (2, 3)], "not covered"),
    ('type: "CTCLoss" ctc_loss_param { blank_index: 3 }', [(4, 3, 3), (4, 3), (2, 3)], "blank_index be below 3"),
    ('type: "WarpCTCLoss"', [(4, 3, 3), (2, 3)], "takes labels"),
    ('type: "CTCGreedyDecoder"', [(4, 3, 3), (2, 3)], r"takes indicators \(4, 3\) or labels"),
    ('type: "CTCGreedyDecoder"', [(4, 3, 3), (3, 2), (2, 3)], "takes indicators"),
    ('type: "CTCGreedyDecoder" top: "z"', [(4, 3, 3)], "1 bottoms give up to 1 tops, found 2"),
    ('type: "CTCGreedyDecoder" ctc_decoder_param { blank_index: 3 }', [(4, 3, 3)], "blank_index must be below"),
    ('type: "LabelsequenceAccuracy"', [(4, 3, 3), (3, 2)], "takes scores")])
def test_refused(definition, shapes, reason):
    with pytest.raises(caffe.NetError, match=reason):
        one_layer(definition, [np.zeros(shape, np.float32) for shape in shapes])


@pytest.mark.parametrize("definition, labels, reason", [
    ('type: "CtcLoss" ctc_loss_param { alphabet_size: 3 time_step: 4 }', np.full((3, 2), 3), "label 3 is not one of"),
    ('type: "CtcLoss" ctc_loss_param { alphabet_size: 3 time_step: 4 }', np.full((3, 2), -1), "label -1 is not one of"),
    ('type: "CTCLoss"', np.full((5, 3), 1), "more labels than steps"),
    ('type: "CTCLoss"', np.full((1, 3), 2), "label 2 is not one of the 3 classes 0..2 without the blank, 2")])
def test_labels_that_do_not_fit(definition, labels, reason):
    between = [np.ones((T, N), np.float32)] if "CTCLoss" in definition else []
    net = one_layer(definition, [SCORES, *between, labels.astype(np.float32)])
    with pytest.raises(caffe.NetError, match=reason):
        net.forward()


def distance(a, b):
    """Edit distance by its definition."""
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b) + 1, distance(a, b[1:]) + 1, distance(a[1:], b[1:]) + (a[0] != b[0]))


def decoded(scores, length, blank, merge=True):
    path = [max(range(scores.shape[1]), key=lambda c: scores[t, c]) for t in range(length)]
    return spelt(path, blank) if merge else [c for c in path if c != blank]


LONG = np.random.default_rng(2).standard_normal((7, 5, 4)).astype(np.float32)
LINES = [[0, 1, 2], [1, 1], [], [2], [0, 2, 0, 1]]
STEPS = [7, 3, 5, 1, 6]


def filled(rows, shape):
    found = np.full(shape, -1.0)
    for i, row in enumerate(rows):
        found[i, :len(row)] = row
    return found


@pytest.mark.parametrize("settings, blank, merge", [
    ("", 3, True), ("blank_index: 0", 0, True), ("blank_index: 1 ctc_merge_repeated: false", 1, False)])
def test_greedy_decoder_of_chwick(settings, blank, merge):
    indicators = np.ones((7, 5), np.float32)
    indicators[0] = 0
    for n, length in enumerate(STEPS):
        indicators[length:length + 1, n] = 0
    found = [decoded(LONG[:, n], STEPS[n], blank, merge) for n in range(5)]
    definition = f'type: "CTCGreedyDecoder" ctc_decoder_param {{ {settings} }}'
    values = [-sum(float(LONG[t, n].max()) for t in range(STEPS[n])) for n in range(5)]
    accuracy = 1 - np.mean([distance(a, b) / max(len(a), len(b)) if a or b else 0 for a, b in zip(found, LINES)])
    targets = filled(LINES, (5, 6)).T.astype(np.float32)
    for arrays, tops, wanted in (([LONG, indicators], "y s", [values]),
                                 ([LONG, indicators, targets], "y a", [[accuracy]]),
                                 ([LONG, indicators, targets], "y s a", [values, [accuracy]]),
                                 ([LONG[..., None], indicators], "y", [])):
        net = one_layer(f'{definition} {" ".join(["propagate_down: false"] * len(arrays))}', arrays, tops)
        out = net.forward()
        assert out["y"].shape == (7, 5, 1, 1)
        np.testing.assert_array_equal(out["y"][:, :, 0, 0], filled(found, (5, 7)).T)
        for name, expected in zip(tops.split()[1:], wanted):
            assert out[name].shape == (len(expected), 1, 1, 1)
            assert worst_error(out[name].ravel(), expected) < 1e-6


def test_greedy_decoder_of_caffe_ocr():
    found = [decoded(LONG[:, n], 7, 0) for n in range(5)]
    top = one_layer('type: "CTCGreedyDecoder" propagate_down: false', [LONG]).forward()["y"]
    assert top.shape == (5, 7, 1, 1)
    np.testing.assert_array_equal(top[:, :, 0, 0], filled(found, (5, 7)))
    lines = [found[0], found[1][:-1], [3, 1, 2], found[3], []]
    labels = np.zeros((5, 9), np.float32)                        # zeros are blanks
    for row, line in zip(labels, lines):
        row[1:1 + len(line)] = line
    labels[3, 1 + len(lines[3]):] = -1
    top = one_layer('type: "CTCGreedyDecoder" propagate_down: [false, false]', [LONG, labels]).forward()["y"]
    wanted = [1 - np.mean([distance(a, b) / max(len(a), len(b)) for a, b in zip(found, lines)]), 2 / 5]
    assert top.shape == (1, 2, 1, 1) and worst_error(top.ravel(), wanted) < 1e-6


@pytest.mark.parametrize("blank", [0, 3])
def test_accuracy_of_crnn(blank):
    found = [decoded(LONG[:, n], 7, blank) for n in range(5)]
    labels = np.full((5, 8), blank, np.float32)
    for n in (0, 2, 3):
        labels[n, :len(found[n])] = found[n]
    labels[1, 0] = 1 + (found[1][:1] == [1])
    top = one_layer(f"""type: "LabelsequenceAccuracy" propagate_down: [false, false]
        labelsequence_accuracy_param {{ blank_label: {blank} }}""", [LONG.transpose(1, 0, 2), labels]).forward()["y"]
    assert top == pytest.approx(sum(found[n] == [c for c in labels[n] if c != blank] for n in range(5)) / 5)
    assert 0.5 < top < 1


def test_a_line_of_digits_is_learned(tmp_path, monkeypatch):
    """Pictures whose columns show digits, several columns each, learned without saying where."""
    import h5py
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(1)
    shapes, rows, labels = draw.standard_normal((4, 6)), [], []
    for _ in range(120):
        line = draw.permutation(4)[:3]                           # no digit beside itself: nothing would part them
        columns = np.concatenate([np.tile(shapes[c][:, None], (1, draw.integers(2, 5))) for c in line], 1)
        rows.append(np.pad(columns, ((0, 0), (0, 12 - columns.shape[1]))) + 0.1 * draw.standard_normal((6, 12)))
        labels.append(line)
    with h5py.File("lines.h5", "w") as file:
        file["data"], file["label"] = np.array(rows, np.float32)[:, None], np.array(labels, np.float32)
    (tmp_path / "lines.txt").write_text("lines.h5\n")
    (tmp_path / "net.prototxt").write_text("""
layer { name: "d" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "lines.txt" batch_size: 40 } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 5 kernel_h: 6 kernel_w: 3
  pad_w: 1 weight_filler { type: "xavier" } } }
layer { name: "p" type: "Permute" bottom: "c" top: "p" permute_param { order: 3 order: 0 order: 1 order: 2 } }
layer { name: "s" type: "Reshape" bottom: "p" top: "s" reshape_param { shape { dim: 0 dim: 0 dim: 5 } } }
layer { name: "loss" type: "CtcLoss" bottom: "s" bottom: "label" top: "loss" ctc_loss_param { blank_label: 4
  alphabet_size: 5 time_step: 12 } }
layer { name: "q" type: "Permute" bottom: "s" top: "q" permute_param { order: 1 order: 0 order: 2 } }
layer { name: "accuracy" type: "LabelsequenceAccuracy" bottom: "q" bottom: "label" top: "accuracy"
  labelsequence_accuracy_param { blank_label: 4 } }""")
    (tmp_path / "solver.prototxt").write_text('net: "net.prototxt" base_lr: 0.03 type: "Adam" lr_policy: "fixed" '
                                              'max_iter: 120 random_seed: 1 snapshot_after_train: false')
    solver = caffe.get_solver("solver.prototxt")
    solver.step(120)
    assert float(solver.net.blobs["accuracy"].data) > 0.8
