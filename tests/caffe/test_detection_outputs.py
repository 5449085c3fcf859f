"""PriorBox and DetectionOutput against OpenCV's importer, YOLO's outputs against loops; a small SSD from end to end."""
import math

import cv2
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe import boxes
from tests.helpers.layer_checks import check_layer, one_layer, worst_error
from tests.helpers.onnx_runs import check, net_text

F4 = np.float32


def opencv(text, tmp_path, weights=None, **inputs):
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("OpenCV 5 reads no Caffe nets")
    path = tmp_path / "cv.prototxt"
    path.write_text(text)
    net = cv2.dnn.readNetFromCaffe(str(path), *([str(weights)] if weights else []))
    path.unlink()
    for name, array in inputs.items():
        net.setInput(array, name)
    return net.forward()


@pytest.mark.parametrize("settings, boxes_of_a_cell", [
    ("min_size: 30", 1), ("min_size: 30 max_size: 60", 2), ("min_size: 30 aspect_ratio: 2", 3),
    ("min_size: 30 max_size: 60 aspect_ratio: 2 aspect_ratio: 3 flip: true clip: true", 6),
    ("min_size: 30 aspect_ratio: 2 flip: false variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2", 2),
    ("min_size: 20 min_size: 40 max_size: 30 max_size: 80 aspect_ratio: 0.5 step: 16 offset: 0.25", 8),
    ("min_size: 9 step_h: 10 step_w: 12", 1)])
def test_prior_box(settings, boxes_of_a_cell, tmp_path):
    # OpenCV has another default of clip, and none of variance.
    said = ("" if "clip" in settings else "clip: false ") + ("" if "variance" in settings else "variance: 0.1")
    definition = f'type: "PriorBox" prior_box_param {{ {settings} {said} }}'
    arrays = [np.zeros((1, 4, 5, 7), F4), np.zeros((1, 3, 80, 112), F4)]
    top = one_layer(definition, arrays).forward()["y"]
    assert top.shape == (1, 2, 5 * 7 * boxes_of_a_cell * 4)
    theirs = opencv(net_text(definition, *(a.shape for a in arrays)), tmp_path, x0=arrays[0], x1=arrays[1])
    assert worst_error(top, theirs.reshape(top.shape)) < 1e-6
    check(net_text(definition, *(a.shape for a in arrays)), 1, tmp_path)


def test_prior_boxes_of_a_picture_of_another_size():
    top = one_layer('type: "PriorBox" prior_box_param { min_size: 9 img_h: 90 img_w: 120 step_h: 10 step_w: 12 }',
                    [np.zeros((1, 1, 1, 1), F4), np.zeros((1, 1, 100, 100), F4)]).forward()["y"]
    np.testing.assert_allclose(top[0, 0], [1.5 / 120, 0.5 / 90, 10.5 / 120, 9.5 / 90], rtol=1e-5)


def test_sizes_of_prior_boxes_are_whole_pixels():
    top = one_layer('type: "PriorBox" prior_box_param { min_size: 10.9 max_size: 20.9 }',
                    [np.zeros((1, 1, 1, 1), F4), np.zeros((1, 1, 100, 100), F4)]).forward()["y"]
    sides = top[0, 0].reshape(-1, 4)[:, 2] - top[0, 0].reshape(-1, 4)[:, 0]
    np.testing.assert_allclose(sides, [0.10, math.sqrt(10 * 20) / 100], rtol=1e-6)


@pytest.mark.parametrize("code", ["CORNER", "CENTER_SIZE"])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("more", ["background_label_id: 0 keep_top_k: 900", "background_label_id: 0 keep_top_k: 7",
                                  "background_label_id: 2 keep_top_k: 200"])
def test_detection_output(code, shared, more, tmp_path):
    rng = np.random.default_rng(3)
    priors, classes, n = 40, 4, 2
    corners = np.sort(rng.random((priors, 2, 2)), 1).reshape(priors, 4)
    prior = np.stack([corners.ravel(), np.tile([0.1, 0.1, 0.2, 0.2], priors)])[None].astype(F4)
    offsets = rng.standard_normal((n, priors * 4 * (1 if shared else classes))).astype(F4) * F4(0.5)
    confidences = rng.random((n, priors * classes)).astype(F4)
    definition = f"""type: "DetectionOutput" detection_output_param {{ num_classes: {classes} code_type: {code} {more}
        share_location: {str(shared).lower()} nms_param {{ nms_threshold: 0.45 top_k: 20 }}
        confidence_threshold: 0.3 }}"""
    arrays = [offsets, confidences, prior]
    text = net_text(definition, *(a.shape for a in arrays))
    net = caffe.Net(text, caffe.TEST)
    for i, array in enumerate(arrays):
        net.blobs[f"x{i}"].data = array
    found = net.forward()["out"]
    theirs = opencv(text, tmp_path, x0=offsets, x1=confidences, x2=prior)
    theirs = theirs[:, :, theirs[0, 0, :, 2] > 0]  # zeros fill up keep_top_k rows
    assert found.shape[2] > 10
    assert worst_error(sorted_rows(found), sorted_rows(theirs)) < 1e-5


def sorted_rows(top):
    """OpenCV parts the rows by class as well, in another order of equals."""
    rows = top.reshape(-1, 7)
    return rows[np.lexsort((-rows[:, 2], rows[:, 1], rows[:, 0]))]


def test_refine_det_moves_the_priors_first():
    """As if each picture had priors of its own, and no class where there is no object."""
    rng, settings = np.random.default_rng(12), """num_classes: 3 code_type: CENTER_SIZE keep_top_k: 20
        nms_param { nms_threshold: 0.5 top_k: 30 } confidence_threshold: 0.2 objectness_score: 0.3"""
    corners = rng.random((10, 4)).astype(np.float32) * 0.5
    corners[:, 2:] += corners[:, :2] + 0.1
    variances = np.tile(np.array([0.1, 0.1, 0.2, 0.2], np.float32), (10, 1))
    offsets, first = rng.standard_normal((2, 2, 40)).astype(np.float32)
    classes, objects = rng.random((2, 30)).astype(np.float32), rng.random((2, 20)).astype(np.float32)
    found = one_layer(f'type: "DetectionOutput" detection_output_param {{ {settings} }}', [
        offsets, classes, np.stack([corners.ravel(), variances.ravel()])[None], objects, first]).forward()["y"][0, 0]
    wanted = []
    for n in range(2):
        d, sizes = first[n].reshape(10, 4) * variances, corners[:, 2:] - corners[:, :2]
        centres, half = (corners[:, :2] + corners[:, 2:]) / 2 + d[:, :2] * sizes, np.exp(d[:, 2:]) * sizes / 2
        moved = np.concatenate([centres - half, centres + half], 1)
        sure = np.where(objects[n].reshape(10, 2)[:, 1:] < 0.3, 0, classes[n].reshape(10, 3)).reshape(1, 30)
        rows = one_layer(f'type: "DetectionOutput" detection_output_param {{ {settings} }}', [
            offsets[n:n + 1], sure, np.stack([moved.ravel(), variances.ravel()])[None]]).forward()["y"][0, 0]
        wanted.append(np.concatenate([np.full((len(rows), 1), n), rows[:, 1:]], 1))
    np.testing.assert_allclose(found, np.concatenate(wanted), atol=1e-6)


def test_nothing_found():
    net = one_layer('type: "DetectionOutput" detection_output_param { num_classes: 2 confidence_threshold: 2 } '
                    "propagate_down: false propagate_down: false propagate_down: false",
                    [np.zeros((2, 8), F4), np.zeros((2, 4), F4), np.zeros((1, 2, 8), F4)])
    assert net.forward()["y"].tolist() == [[[[0, *[-1] * 6], [1, *[-1] * 6]]]]


def test_corner_size_and_adaptive_threshold():
    prior, variance, offset = (np.array([v], F4) for v in ((0.1, 0.2, 0.5, 0.4), (0.1, 0.1, 0.2, 0.2), (1, 2, 3, 4)))
    np.testing.assert_allclose(boxes.decode(prior, variance, offset, boxes.CORNER_SIZE),
                               [[0.1 + 0.1 * 0.4, 0.2 + 0.2 * 0.2, 0.5 + 0.6 * 0.4, 0.4 + 0.8 * 0.2]], rtol=1e-6)
    np.testing.assert_allclose(boxes.decode(prior, variance, offset, boxes.CORNER, variance_in_target=True),
                               [[1.1, 2.2, 3.5, 4.4]], rtol=1e-6)
    row = np.array([[0, 0, 1, 1], [0.25, 0, 1.25, 1], [0.6, 0, 1.6, 1]])   # shares 0.6, 0.48; 0.25 with the first
    assert boxes.keep_apart(row, 0.65) == [0, 1, 2]
    assert boxes.keep_apart(row, 0.65, 0.9) == [0, 2]            # 0.585 after the first


def sure(x):
    return 1 / (1 + math.exp(-x))


def kept(rows, threshold):
    """Rows (confidence, class, x, y, w, h), box by box."""
    rows, left = sorted(rows, key=lambda row: -row[0]), []
    for row in rows:
        for other in left:
            w, h = (min(row[i] + row[i + 2] / 2, other[i] + other[i + 2] / 2) -
                    max(row[i] - row[i + 2] / 2, other[i] - other[i + 2] / 2) for i in (2, 3))
            shared = w * h if w > 0 and h > 0 else 0
            if shared / (row[4] * row[5] + other[4] * other[5] - shared) >= threshold:
                break
        else:
            left.append(row)
    return [[0, c + 1, s, x - w / 2, y - h / 2, x + w / 2, y + h / 2] for s, c, x, y, w, h in left]


def test_yolo_v2():
    rng, side, anchors, classes = np.random.default_rng(0), 5, [(1.1, 2), (3, 2.5)], 3
    x = rng.standard_normal((1, 16, side, side)).astype(F4)
    biases = " ".join(f"biases: {n}" for anchor in anchors for n in anchor)
    net = one_layer(f"""type: "YoloDetectionOutput" propagate_down: false yolo_detection_output_param {{ {biases}
        num_classes: {classes} num_box: 2 confidence_threshold: 0.2 nms_threshold: 0.4 }}""", [x])
    rows = []
    for j in range(side):
        for i in range(side):
            for n, (width, height) in enumerate(anchors):
                v = x[0, 8 * n:8 * n + 8, j, i].astype(float)
                odds = [math.exp(c) for c in v[5:]]
                best = odds.index(max(odds))
                confidence = sure(v[4]) * odds[best] / sum(odds)
                if confidence >= 0.2:
                    rows.append((confidence, best, (i + sure(v[0])) / side, (j + sure(v[1])) / side,
                                 math.exp(v[2]) * width / side, math.exp(v[3]) * height / side))
    wanted = kept(rows, 0.4)
    assert 3 < len(wanted) < len(rows)
    assert worst_error(net.forward()["y"][0, 0], wanted) < 1e-5


def test_yolo_v3():
    rng, classes = np.random.default_rng(1), 2
    anchors = [(10, 14), (23, 27), (37, 58), (81, 82)]
    arrays = [rng.standard_normal((1, 14, side, side)).astype(F4) for side in (3, 6)]
    biases = " ".join(f"biases: {n}" for anchor in anchors for n in anchor)
    net = one_layer(f"""type: "Yolov3DetectionOutput" propagate_down: false propagate_down: false
        yolov3_detection_output_param {{ {biases} num_classes: {classes} num_box: 2 mask: 2 mask: 3 mask: 0 mask: 1
        anchors_scale: 32 anchors_scale: 16 mask_group_num: 2 confidence_threshold: 0.3 }}""", arrays)
    rows = []
    for x, mask, scale in zip(arrays, ((2, 3), (0, 1)), (32, 16)):
        side = x.shape[2]
        for j in range(side):
            for i in range(side):
                for n, number in enumerate(mask):
                    v = x[0, 7 * n:7 * n + 7, j, i].astype(float)
                    for c in range(classes):
                        confidence = sure(v[4]) * sure(v[5 + c])
                        if confidence > 0.3:
                            rows.append((confidence, c, (i + sure(v[0])) / side, (j + sure(v[1])) / side,
                                         math.exp(v[2]) * anchors[number][0] / (side * scale),
                                         math.exp(v[3]) * anchors[number][1] / (side * scale)))
    wanted = kept(rows, 0.45)
    assert 5 < len(wanted) < len(rows)
    assert worst_error(net.forward()["y"][0, 0], wanted) < 1e-5


@pytest.mark.parametrize("softmax", [True, False])
def test_region(softmax, tmp_path):
    def reference(x):
        y = np.zeros((x.shape[0], 12, 2 * 7))                    # 3 x 4 cells, 2 boxes of 4 + 1 + 2
        for n, k in np.ndindex(x.shape[0], 12):
            for box in range(2):
                v = x[n, 7 * box:7 * box + 7, k // 4, k % 4].copy()
                v[4] = sure(v[4])
                if softmax:
                    v[5:] = np.exp(v[5:]) / np.exp(v[5:]).sum()
                y[n, k, 7 * box:7 * box + 7] = v
        return y.reshape(x.shape)
    definition = (f'type: "Region" region_param {{ classes: 2 coords: 4 boxes_of_each_grid: 2 '
                  f'softmax: {str(softmax).lower()} }}')
    x = np.random.default_rng(2).standard_normal((2, 14, 3, 4)).astype(F4)
    check_layer(one_layer(definition, [x]), reference, [0])
    check(net_text(definition, x.shape), 3, tmp_path)


SSD = """input: "data" input_shape { dim: 1 dim: 3 dim: 64 dim: 64 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 8 kernel_size: 3 stride: 8 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "norm" type: "Normalize" bottom: "conv1" top: "norm"
  norm_param { across_spatial: false channel_shared: false scale_filler { value: 20 } } }
""" + "".join(f"""
layer {{ name: "{kind}" type: "Convolution" bottom: "norm" top: "{kind}" convolution_param {{ num_output: {count}
  kernel_size: 3 pad: 1 weight_filler {{ type: "gaussian" std: 0.01 }} }} }}
layer {{ name: "{kind}_perm" type: "Permute" bottom: "{kind}" top: "{kind}_perm"
  permute_param {{ order: 0 order: 2 order: 3 order: 1 }} }}
layer {{ name: "{kind}_flat" type: "Flatten" bottom: "{kind}_perm" top: "{kind}_flat" flatten_param {{ axis: 1 }} }}
""" for kind, count in (("loc", 16), ("conf", 12))) + """
layer { name: "prior" type: "PriorBox" bottom: "norm" bottom: "data" top: "prior" prior_box_param { min_size: 16
  max_size: 30 aspect_ratio: 2 clip: false variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 } }
layer { name: "shape" type: "Reshape" bottom: "conf_flat" top: "shape"
  reshape_param { shape { dim: 0 dim: -1 dim: 3 } } }
layer { name: "soft" type: "Softmax" bottom: "shape" top: "soft" softmax_param { axis: 2 } }
layer { name: "conf_out" type: "Flatten" bottom: "soft" top: "conf_out" flatten_param { axis: 1 } }
layer { name: "detection_out" type: "DetectionOutput" bottom: "loc_flat" bottom: "conf_out" bottom: "prior"
  top: "detection_out" include { phase: TEST } detection_output_param { num_classes: 3 share_location: true
  background_label_id: 0 nms_param { nms_threshold: 0.45 top_k: 100 } code_type: CENTER_SIZE keep_top_k: 50
  save_output_param { label_map_file: "labelmap_voc.prototxt" } confidence_threshold: 0.01 } }
"""


def test_a_small_ssd(tmp_path):
    net = caffe.Net(SSD, caffe.TEST, seed=2)
    x = np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype(F4)
    found = net.forward(data=x)["detection_out"].copy()
    net.save(tmp_path / "ssd.caffemodel")
    theirs = opencv(SSD, tmp_path, tmp_path / "ssd.caffemodel", data=x)
    assert found.shape == theirs.shape and found.shape[2] == 50
    assert worst_error(sorted_rows(found), sorted_rows(theirs)) < 1e-5


@pytest.mark.parametrize("definition, shapes, reason", [
    ('type: "PriorBox"', [(1, 1, 2, 2)] * 2, "needs min_size"),
    ('type: "PriorBox" prior_box_param { min_size: 9 max_size: 8 }', [(1, 1, 2, 2)] * 2, "above min_size"),
    ('type: "PriorBox" prior_box_param { min_size: 9 variance: 1 variance: 2 }', [(1, 1, 2, 2)] * 2, "1 or 4 numbers"),
    ('type: "PriorBox" prior_box_param { min_size: 9 step: 1 step_h: 2 }', [(1, 1, 2, 2)] * 2, "give step"),
    ('type: "DetectionOutput"', [(1, 8), (1, 4), (1, 2, 8)], "needs num_classes"),
    ('type: "DetectionOutput" detection_output_param { num_classes: 3 }', [(1, 8), (1, 4), (1, 2, 8)],
     "2 priors need 6 confidences"),
    ('type: "YoloDetectionOutput" yolo_detection_output_param { num_classes: 1 num_box: 1 }', [(1, 6, 2, 2)],
     "0 biases are not"),
    ('type: "YoloDetectionOutput" yolo_detection_output_param { num_classes: 1 num_box: 1 biases: 1 biases: 1 }',
     [(2, 6, 2, 2)], r"bottoms \(1, 6, S, S\)"),
    ('type: "Yolov3DetectionOutput"', [(1, 75, 2, 2)], "need mask_group_num 1"),
    ('type: "Region" region_param { classes: 2 }', [(1, 6, 2, 2)], "boxes of 7 values")])
def test_refused(definition, shapes, reason):
    with pytest.raises(caffe.NetError, match=f"layer 'op': .*{reason}"):
        one_layer(definition, [np.zeros(shape, F4) for shape in shapes])
