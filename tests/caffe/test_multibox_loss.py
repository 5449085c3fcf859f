"""MultiBoxLoss against loops in float64, and a small SSD that learns to find drawn squares."""
import math

import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.boxes import decode, encode, match
from tests.helpers.layer_checks import one_layer

F4 = np.float32
PRIORS = np.array([[0.1, 0.1, 0.4, 0.4], [0.15, 0.1, 0.45, 0.45], [0.5, 0.5, 0.9, 0.8], [0.6, 0.1, 0.8, 0.3],
                   [0, 0.6, 0.3, 1], [0.52, 0.5, 0.9, 0.85]], F4)
VARIANCES = np.tile(np.array([0.1, 0.1, 0.2, 0.2], F4), (6, 1))
TRUTH = np.array([[0, 1, 0, 0.12, 0.1, 0.42, 0.42, 0], [0, 2, 1, 0.5, 0.52, 0.88, 0.8, 1], [-1] * 8,
                  [1, 2, 0, 0.05, 0.55, 0.3, 0.95, 0]], F4)


def iou(a, b):
    sides = [min(a[2 + k], b[2 + k]) - max(a[k], b[k]) for k in (0, 1)]
    shared = max(0, sides[0]) * max(0, sides[1])
    return shared / sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)) * 1 / (1 - shared / sum(
        (c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))) if shared else 0


def matched(truth, threshold, per_prediction):
    """Object of every prior or None, by the two rounds."""
    found, left = {}, list(range(len(truth)))
    while left:
        best = max((iou(PRIORS[p], truth[g]), -p, -g) for p in range(6) if p not in found for g in left)
        if best[0] <= 1e-6:
            break
        found[-best[1]] = -best[2]
        left.remove(-best[2])
    for p in range(6):
        share, g = max((iou(PRIORS[p], t), -i) for i, t in enumerate(truth))
        if per_prediction and p not in found and share >= threshold:
            found[p] = -g
    return found, [max(iou(p, t) for t in truth) for p in PRIORS]


def loss_by_loops(offsets, scores, sigmoid=False, mining=True, difficult=True, per_prediction=True, ratio=1.0):
    total, count = 0, 0
    for n in range(3):
        rows = [row for row in TRUTH if row[0] == n and (difficult or not row[7])]
        if not rows:
            total += 0 if mining else sum(cost(scores[n, p], 0, sigmoid) for p in range(6))
            continue
        found, shares = matched([row[3:7] for row in rows], 0.5, per_prediction)
        count += len(found)
        for p, g in found.items():
            w, h = PRIORS[p, 2:] - PRIORS[p, :2]
            t = rows[g][3:7].astype(float)
            code = [((t[0] + t[2]) - (PRIORS[p, 0] + PRIORS[p, 2])) / 2 / w / 0.1,
                    ((t[1] + t[3]) - (PRIORS[p, 1] + PRIORS[p, 3])) / 2 / h / 0.1,
                    math.log((t[2] - t[0]) / w) / 0.2, math.log((t[3] - t[1]) / h) / 0.2]
            for x in offsets[n, p] - code:
                total += 2 * (x * x / 2 if abs(x) < 1 else abs(x) - 0.5)
            total += cost(scores[n, p], int(rows[g][1]), sigmoid)
        others = [p for p in range(6) if p not in found and (not mining or shares[p] < 0.5)]
        others.sort(key=lambda p: -cost(scores[n, p], 0, sigmoid))
        total += sum(cost(scores[n, p], 0, sigmoid) for p in others[:int(len(found) * ratio) if mining else None])
    return total / max(count, 1)


def cost(scores, label, sigmoid):
    if sigmoid:
        p = 1 / (1 + np.exp(-scores))
        return -sum(math.log(p[c] if c == label else 1 - p[c]) for c in range(3))
    return math.log(np.exp(scores - scores[label]).sum())


@pytest.mark.parametrize("settings, options", [
    ("neg_pos_ratio: 1", {}), ("neg_pos_ratio: 1 conf_loss_type: LOGISTIC", dict(sigmoid=True)),
    ("mining_type: NONE", dict(mining=False)), ("neg_pos_ratio: 2.5 use_difficult_gt: false",
                                                dict(difficult=False, ratio=2.5)),
    ("neg_pos_ratio: 1 do_neg_mining: true match_type: BIPARTITE", dict(per_prediction=False))])
def test_loss_and_gradient(settings, options):
    rng = np.random.default_rng(3)
    offsets, scores = rng.standard_normal((3, 24)).astype(F4), 2 * rng.standard_normal((3, 18)).astype(F4)
    priors = np.stack([PRIORS.ravel(), VARIANCES.ravel()])[None]
    net = one_layer(f"""type: "MultiBoxLoss" propagate_down: [true, true, false, false] multibox_loss_param {{
        num_classes: 3 loc_weight: 2 overlap_threshold: 0.5 neg_overlap: 0.5 code_type: CENTER_SIZE {settings} }}""",
                    [offsets, scores, priors, TRUTH[None, None]])
    arrays = [offsets.reshape(3, 6, 4).astype(float), scores.reshape(3, 6, 3).astype(float)]
    assert float(net.forward()["y"]) == pytest.approx(loss_by_loops(*arrays, **options), rel=1e-5)
    net.backward()
    for index, array in enumerate(arrays):
        diff, wanted = net.blobs[f"x{index}"].diff.reshape(array.shape), np.zeros_like(array)
        for place in np.ndindex(array.shape):
            values = []
            for step in (1e-4, -1e-4):
                moved = [a.copy() for a in arrays]
                moved[index][place] += step
                values.append(loss_by_loops(*moved, **options))
            wanted[place] = (values[0] - values[1]) / 2e-4
        np.testing.assert_allclose(diff, wanted, atol=2e-4)


@pytest.mark.parametrize("code", [1, 2, 3])
@pytest.mark.parametrize("in_target", [False, True])
def test_encode_undoes_decode(code, in_target):
    truth = TRUTH[[0, 1, 3, 0, 1, 3], 3:7]
    offsets = encode(PRIORS, VARIANCES, truth, code, in_target)
    np.testing.assert_allclose(decode(PRIORS, VARIANCES, offsets, code, in_target), truth, atol=1e-6)


@pytest.mark.parametrize("settings", ["background_label_id: 3", "background_label_id: 2 map_object_to_agnostic: true"])
def test_a_background_beyond_the_classes(settings):
    shapes = [(3, 24), (3, 18), (1, 2, 24), (1, 1, 2, 8)]
    with pytest.raises(caffe.NetError, match="leaves no class among 3"):
        one_layer(f'type: "MultiBoxLoss" multibox_loss_param {{ num_classes: 3 {settings} }}',
                  [np.zeros(shape, F4) for shape in shapes])


def test_nothing_shared_is_nothing_matched():
    found, most = match(PRIORS, np.array([[0.95, 0.95, 1, 1]], F4), 0.5)
    assert (found == -1).all() and (most == 0).all()


SSD = """name: "toy"
layer { name: "data" type: "Input" top: "data" top: "truth" input_param { shape { dim: 8 dim: 1 dim: 32 dim: 32 }
  shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1" convolution_param { num_output: 12
  kernel_size: 5 stride: 4 pad: 2 weight_filler { type: "msra" } } }
layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "c2" type: "Convolution" bottom: "c1" top: "c2" convolution_param { num_output: 24
  kernel_size: 5 stride: 2 pad: 2 weight_filler { type: "msra" } } }
layer { name: "r2" type: "ReLU" bottom: "c2" top: "c2" }
layer { name: "loc" type: "Convolution" bottom: "c2" top: "loc" convolution_param { num_output: 4 kernel_size: 3 pad: 1
  weight_filler { type: "xavier" } } }
layer { name: "locp" type: "Permute" bottom: "loc" top: "locp" permute_param { order: [0, 2, 3, 1] } }
layer { name: "locf" type: "Flatten" bottom: "locp" top: "locf" }
layer { name: "conf" type: "Convolution" bottom: "c2" top: "conf" convolution_param { num_output: 2
  kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "confp" type: "Permute" bottom: "conf" top: "confp" permute_param { order: [0, 2, 3, 1] } }
layer { name: "conff" type: "Flatten" bottom: "confp" top: "conff" }
layer { name: "priors" type: "PriorBox" bottom: "c2" bottom: "data" top: "priors" prior_box_param { min_size: 12
  variance: [0.1, 0.1, 0.2, 0.2] } }
layer { name: "loss" type: "MultiBoxLoss" bottom: "locf" bottom: "conff" bottom: "priors" bottom: "truth" top: "loss"
  include { phase: TRAIN } propagate_down: [true, true, false, false]
  multibox_loss_param { num_classes: 2 overlap_threshold: 0.35 neg_overlap: 0.35 code_type: CENTER_SIZE } }
layer { name: "rows" type: "Reshape" bottom: "conff" top: "rows" include { phase: TEST }
  reshape_param { shape { dim: [0, -1, 2] } } }
layer { name: "soft" type: "Softmax" bottom: "rows" top: "soft" softmax_param { axis: 2 } include { phase: TEST } }
layer { name: "softf" type: "Flatten" bottom: "soft" top: "softf" include { phase: TEST } }
layer { name: "out" type: "DetectionOutput" bottom: "locf" bottom: "softf" bottom: "priors" top: "out"
  include { phase: TEST } detection_output_param { num_classes: 2 code_type: CENTER_SIZE keep_top_k: 1
  nms_param { nms_threshold: 0.4 top_k: 10 } confidence_threshold: 0.1 } }
layer { name: "none" type: "Silence" bottom: "truth" include { phase: TEST } }"""


def squares(rng):
    """Eight pictures with a bright square each, and the truth."""
    data, truth = rng.random((8, 1, 32, 32)).astype(F4) * 0.3, np.zeros((1, 1, 8, 8), F4)
    for n in range(8):
        side = rng.integers(9, 15)
        x, y = rng.integers(0, 32 - side, 2)
        data[n, 0, y:y + side, x:x + side] += 0.7
        truth[0, 0, n] = [n, 1, n, x / 32, y / 32, (x + side) / 32, (y + side) / 32, 0]
    return data, truth


@pytest.mark.slow
def test_a_small_ssd_learns_to_find_squares(tmp_path):
    (tmp_path / "net.prototxt").write_text(SSD)
    (tmp_path / "solver.prototxt").write_text(
        f'net: "{tmp_path}/net.prototxt" type: "Adam" base_lr: 0.005 momentum: 0.9 momentum2: 0.999 lr_policy: "fixed" '
        f'max_iter: 1000 random_seed: 4 snapshot_prefix: "{tmp_path}/n"')
    solver, rng, losses = caffe.get_solver(str(tmp_path / "solver.prototxt")), np.random.default_rng(0), []
    for _ in range(250):
        solver.net.blobs["data"].data, solver.net.blobs["truth"].data = squares(rng)
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data))
    assert np.mean(losses[-20:]) < 0.4 * np.mean(losses[:5])
    solver.net.save(tmp_path / "n.caffemodel")
    net = caffe.Net(SSD, str(tmp_path / "n.caffemodel"), caffe.TEST)
    data, truth = squares(np.random.default_rng(99))
    net.blobs["data"].data = data
    rows = net.forward()["out"][0, 0]
    found = [max((iou(row[3:7], one[3:7]) for row in rows if row[0] == one[0]), default=0) for one in truth[0, 0]]
    print("overlaps", np.round(found, 2))
    assert np.mean(np.array(found) > 0.5) >= 0.75
