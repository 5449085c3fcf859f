"""BoxOutput, BoxGroupOutput, DecodeBBox and ScaleRoute of MS-CNN and Cascade R-CNN against loops, and a small net."""
import math

import numpy as np
import pytest

import deeplandmark.caffe as caffe
from tests.helpers.layer_checks import one_layer, worst_error

F4 = np.float32
MEAN, STD = (0.1, 0, -0.05, 0), (0.5, 1, 0.8, 2)
NORMALISED = f"bbox_reg_param {{ bbox_mean: {list(MEAN)} bbox_std: {list(STD)} }}"


def decoded(deltas, row, column, width, height, stride, whr, xyr, normalised):
    """x, y, w, h of the box of a cell."""
    dx, dy, dw, dh = (d * s + m for d, s, m in zip(deltas, STD, MEAN)) if normalised else deltas
    dx, dy = (min(max(d, -1 / xyr), 1 / xyr) for d in (dx, dy))
    w, h = (size * math.exp(min(max(d, math.log(1 / whr)), math.log(whr))) for d, size in ((dw, width), (dh, height)))
    return dx * width + (column + 0.5) * stride - w / 2, dy * height + (row + 0.5) * stride - h / 2, w, h


def share(a, b, kind):
    """Of boxes x, y, w, h."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    areas = a[2] * a[3], b[2] * b[3]
    if min(a[2:4] + b[2:4]) <= 0 or w < 1 or h < 1:
        return 0
    return w * h / {"IOU": sum(areas) - w * h, "IOMU": min(areas), "IOFU": areas[0]}[kind]


def chosen(found, threshold, kind, before, after):
    """The best of `found`, tuples (score, box), best first."""
    kept = []
    for score, box in sorted(found, key=lambda pair: -pair[0])[:before or None]:
        if all(share(other, box, kind) <= threshold for _, other in kept):
            kept.append((score, box))
    return kept[:after or None]


FIELDS = ((40, 60, 8), (60, 40, 8), (90, 100, 16))


def box_output(maps, threshold, kind, before, after, least, score, normalised):
    rows = []
    for n in range(len(maps[0])):
        found = []
        for m, (width, height, stride) in zip(maps, FIELDS):
            for i, j in np.ndindex(m.shape[2:]):
                sure = max(m[n, 1:-4, i, j]) - m[n, 0, i, j]
                x, y, w, h = decoded(m[n, -4:, i, j], i, j, width, height, stride, 2, 4, normalised)
                x, y = max(x, 0), max(y, 0)
                w, h = min(w, m.shape[3] * stride - x), min(h, m.shape[2] * stride - y)
                if sure >= score and w >= least and h >= least:
                    found.append((sure, (x, y, w, h)))
        rows += [[n, x, y, x + w, y + h, sure]
                 for sure, (x, y, w, h) in chosen(found, threshold, kind, before, after)]
    return rows


@pytest.mark.parametrize("threshold, kind, before, after, least, score, normalised", [
    (0.6, "IOU", 0, 0, 15, -1, True), (0.5, "IOMU", 30, 0, 25, 0, False), (0.7, "IOFU", 0, 5, 15, -5, True)])
def test_box_output(threshold, kind, before, after, least, score, normalised):
    rng = np.random.default_rng(1)
    maps = [rng.standard_normal((2, 7, *size)).astype(F4) for size in ((8, 12), (8, 12), (4, 6))]
    fields = " ".join(f"field_w: {w} field_h: {h} downsample_rate: {s}" for w, h, s in FIELDS)
    net = one_layer(f'type: "BoxOutput" box_output_param {{ {fields} iou_thr: {threshold} nms_type: "{kind}" '
                    f'max_nms_num: {before} max_post_nms_num: {after} min_size: {least} fg_thr: {score} field_whr: 2 '
                    f'field_xyr: 4 }} {NORMALISED if normalised else ""}', maps, tops="y scores")
    net.forward()
    wanted = box_output(maps, threshold, kind, before, after, least, score, normalised)
    assert 4 < len(wanted) < 400 and {row[0] for row in wanted} == {0, 1}
    assert worst_error(net.blobs["scores"].data[..., 0, 0], wanted) < 1e-5
    assert (net.blobs["y"].data == net.blobs["scores"].data[:, :5]).all() and net.blobs["y"].shape[2:] == (1, 1)


def test_of_equal_scores_the_later_box_comes_first():
    maps = np.zeros((1, 6, 1, 3), F4)
    net = one_layer('type: "BoxOutput" box_output_param { field_w: 20 field_h: 20 downsample_rate: 32 }', [maps])
    assert net.forward()["y"][:, 1:4:2, 0, 0].tolist() == [[70, 90], [38, 58], [6, 26]]


GROUPS = ((((40, 60), (60, 40)), 8), (((90, 100),), 16))


def box_group_output(bottoms, threshold, before, after, least, score, normalised):
    rows, pictures = [], len(bottoms[0]) // 2
    for n in range(pictures):
        found = []
        for prob, deltas, (fields, stride) in zip(bottoms[::2], bottoms[1::2], GROUPS):
            for k, (width, height) in enumerate(fields):
                at = n * len(fields) + k
                for i, j in np.ndindex(prob.shape[2:]):
                    sure = 1 - float(prob[at, 0, i, j])
                    x, y, w, h = decoded(deltas[at, :, i, j], i, j, width, height, stride, 8, 1, normalised)
                    x1, y1 = max(x, 0), max(y, 0)
                    x2, y2 = min(x + w - 1, prob.shape[3] * stride), min(y + h - 1, prob.shape[2] * stride)
                    if sure >= score and x2 - x1 + 1 >= least and y2 - y1 + 1 >= least:
                        found.append((sure, (x1, y1, x2 - x1 + 1, y2 - y1 + 1)))
        rows += [[n, x, y, x + w - 1, y + h - 1, sure]
                 for sure, (x, y, w, h) in chosen(found, threshold, "IOU", before, after)]
    return rows


@pytest.mark.parametrize("threshold, before, after, least, score, normalised", [
    (0.7, 0, 0, 15, 0.05, True), (0.5, 40, 0, 20, 0.5, False), (0.7, 0, 6, 5, 0, False)])
def test_box_group_output(threshold, before, after, least, score, normalised):
    rng = np.random.default_rng(2)
    bottoms = [part.astype(F4) for count, size in ((4, (5, 8)), (2, (3, 4)))
               for part in (rng.random((count, 3, *size)), rng.standard_normal((count, 4, *size)) / 2)]
    groups = " ".join(f"box_group_param {{ {' '.join(f'field_w: {w} field_h: {h}' for w, h in fields)} stride: {s} }}"
                      for fields, s in GROUPS)
    net = one_layer(f'type: "BoxGroupOutput" box_group_output_param {{ {groups} iou_thr: {threshold} max_nms_num: '
                    f'{before} max_post_nms_num: {after} min_size: {least} fg_thr: {score} field_whr: 8 field_xyr: 1 '
                    f'}} {NORMALISED if normalised else ""}', bottoms, tops="y scores")
    net.forward()
    wanted = box_group_output(bottoms, threshold, before, after, least, score, normalised)
    assert 9 < len(wanted) < 200 and {row[0] for row in wanted} == {0, 1}
    assert worst_error(net.blobs["scores"].data[..., 0, 0], wanted) < 1e-5
    assert (net.blobs["y"].data == net.blobs["scores"].data[:, :5]).all()


@pytest.mark.parametrize("definition, arrays", [
    ('"BoxOutput" box_output_param { fg_thr: 9 field_w: 20 field_h: 20 downsample_rate: 8 }', [np.zeros((2, 6, 2, 2))]),
    ('"BoxGroupOutput" box_group_output_param { fg_thr: 9 box_group_param { field_w: 20 field_h: 20 stride: 8 } }',
     [np.zeros((2, 2, 2, 2)), np.zeros((2, 4, 2, 2))])])
def test_where_there_is_no_box(definition, arrays):
    net = one_layer(f"type: {definition}", arrays, tops="y scores")
    net.forward()
    assert net.blobs["y"].data.ravel().tolist() == [0, 1, 1, 10, 10]
    assert net.blobs["scores"].data.ravel().tolist() == [0] * 6
    net.backward()                                               # force_backward: they need no gradient
    assert not any(net.blobs[name].diff.any() for name in net.inputs)


REGIONS = np.array([[0, 10, 20, 49, 59], [1, 5, 5, 15, 9], [0, 100, 30, 130, 90], [1, 0, 0, 20, 10]], F4)
DELTAS = np.random.default_rng(3).standard_normal((4, 8)).astype(F4) / 2
DELTAS[3, 6] = -9                                                # smaller than a pixel


def moved(deltas, regions):
    found = []
    for delta, (number, x1, y1, x2, y2) in zip(deltas, regions):
        dx, dy, dw, dh = (d * s + m for d, s, m in zip(delta[4:], STD, MEAN))
        w, h = x2 - x1 + 1, y2 - y1 + 1
        cx, cy, w, h = (x1 + x2) / 2 + dx * w, (y1 + y2) / 2 + dy * h, w * math.exp(dw), h * math.exp(dh)
        x, y = cx - (w - 1) / 2, cy - (h - 1) / 2
        found.append([number, x, y, x + w - 1, y + h - 1])
    return np.array(found)


@pytest.mark.parametrize("more", [(), (1, 1)])
def test_decode_bbox(more):
    arrays = [DELTAS.reshape(4, 8, *more), REGIONS.reshape(4, 5, *more)]
    net = one_layer(f'type: "DecodeBBox" {NORMALISED}', arrays)
    found, wanted = net.forward()["y"], moved(DELTAS.astype(float), REGIONS.astype(float))
    assert found.shape == (4, 5, *more) and worst_error(found.reshape(4, 5), wanted) < 1e-6
    net = one_layer(f'type: "DecodeBBox" {NORMALISED}', arrays, phase=caffe.TRAIN)
    assert worst_error(net.forward()["y"].reshape(-1, 5), wanted[:3]) < 1e-6      # the last is inside out
    truth = np.array([[7, 0.95], [7, 0.2], [7, 0.9], [7, 0]], F4)
    net = one_layer(f'type: "DecodeBBox" {NORMALISED} decode_bbox_param {{ gt_iou_thr: 0.9 }}', [*arrays, truth],
                    phase=caffe.TRAIN)
    assert worst_error(net.forward()["y"].reshape(-1, 5), wanted[1:2]) < 1e-6


@pytest.mark.parametrize("settings, wanted", [
    ("low_scale: 20 high_scale: 41", [0]), ("high_scale: 10", [1]), ("low_scale: 41", [2]), ("", [0, 1, 2, 3]),
    ("low_scale: 40", [0, 2]),                                   # exactly 40 counts from below
    ("low_scale: 1000", [2]), ("high_scale: 1", [1]), ("low_scale: 20 high_scale: 25", [3]),
    ("low_scale: 2.5 high_scale: 3.5", [1])])
def test_scale_route(settings, wanted):
    """Sizes are 40, 7.4, 43.5 and 15.2; the nearest by the ratio where none is within."""
    labels = np.arange(4, dtype=F4)
    net = one_layer(f'type: "ScaleRoute" scale_route_param {{ {settings} }}', [REGIONS, labels], tops="y labels")
    net.forward()
    assert net.blobs["labels"].data.tolist() == wanted
    np.testing.assert_array_equal(net.blobs["y"].data, REGIONS[wanted])


MAPS = np.zeros((2, 6, 2, 2), F4)


@pytest.mark.parametrize("definition, arrays, reason", [
    ('"BoxOutput" box_output_param { field_w: 20 field_h: 20 }', [MAPS], "1 of each"),
    ('"BoxOutput" box_output_param { field_w: 20 field_h: 20 downsample_rate: 8 field_whr: 0 }', [MAPS], "field_whr"),
    ('"BoxOutput" box_output_param { field_w: 20 field_h: 20 downsample_rate: 8 }', [MAPS[:, 1:]], "2 classes"),
    ('"BoxOutput" box_output_param { field_w: 20 field_h: 20 downsample_rate: 8 } bbox_reg_param { bbox_mean: 0 '
     'bbox_std: 1 }', [MAPS], "4 bbox_mean"),
    ('"BoxGroupOutput" box_group_output_param { box_group_param { field_w: 20 field_h: 20 } }', [MAPS, MAPS[:, :4]],
     "a stride, above 0"),
    ('"BoxGroupOutput" box_group_output_param { box_group_param { field_w: 20 field_h: 20 stride: 8 } }', [MAPS, MAPS],
     "found shapes"),
    ('"BoxGroupOutput" box_group_output_param { }', [MAPS, MAPS], "two bottoms for each"),
    ('"DecodeBBox"', [DELTAS[:, :4], REGIONS], r"deltas \(R, 8\)"),
    ('"DecodeBBox"', [DELTAS, REGIONS, REGIONS], "for TRAIN alone"),
    ('"ScaleRoute" scale_route_param { low_scale: 9 high_scale: 2 }', [REGIONS], "the first not above"),
    ('"ScaleRoute" scale_route_param { low_scale: 5 }', [np.array([[0, 9, 9, 2, 2]])], "none of 1 regions has a size")])
def test_refused(definition, arrays, reason):
    with pytest.raises(caffe.NetError, match=f"layer 'op': .*{reason}"):
        one_layer(f"type: {definition}", arrays, tops="y").forward()


def test_two_stages_on_two_maps():
    """As in the published nets with a pyramid: proposals, sent to the map of their size, moved, and again."""
    stage = """layer {{ name: "to0{s}" type: "ScaleRoute" bottom: "{rois}" top: "to0{s}"
          scale_route_param {{ high_scale: 40 }} }}
        layer {{ name: "to1{s}" type: "ScaleRoute" bottom: "{rois}" top: "to1{s}"
          scale_route_param {{ low_scale: 40 }} }}
        layer {{ name: "grid0{s}" type: "ROIAlign" bottom: "data" bottom: "to0{s}" top: "grid0{s}"
          roi_pooling_param {{ pooled_w: 3 pooled_h: 3 spatial_scale: 0.125 }} propagate_down: 1 propagate_down: 0 }}
        layer {{ name: "grid1{s}" type: "ROIAlign" bottom: "coarse" bottom: "to1{s}" top: "grid1{s}"
          roi_pooling_param {{ pooled_w: 3 pooled_h: 3 spatial_scale: 0.0625 }} propagate_down: 1 propagate_down: 0 }}
        layer {{ name: "pool0{s}" type: "Pooling" bottom: "grid0{s}" top: "pool0{s}"
          pooling_param {{ pool: AVE kernel_size: 2 stride: 1 }} }}
        layer {{ name: "pool1{s}" type: "Pooling" bottom: "grid1{s}" top: "pool1{s}"
          pooling_param {{ pool: AVE kernel_size: 2 stride: 1 }} }}
        layer {{ name: "pool{s}" type: "Concat" bottom: "pool0{s}" bottom: "pool1{s}" top: "pool{s}"
          concat_param {{ axis: 0 }} }}
        layer {{ name: "all{s}" type: "Concat" bottom: "to0{s}" bottom: "to1{s}" top: "all{s}"
          concat_param {{ axis: 0 }} }}
        layer {{ name: "fc{s}" type: "InnerProduct" bottom: "pool{s}" top: "fc{s}"
          inner_product_param {{ num_output: 8 weight_filler {{ type: "gaussian" std: 0.05 }} }} }}
        layer {{ name: "rois{s}" type: "DecodeBBox" bottom: "fc{s}" bottom: "all{s}" top: "rois{s}"
          propagate_down: 0 propagate_down: 0 }}\n"""
    text = """input: "data" input_dim: 1 input_dim: 4 input_dim: 8 input_dim: 12
        layer { name: "coarse" type: "Pooling" bottom: "data" top: "coarse" pooling_param { kernel_size: 2 stride: 2 } }
        layer { name: "cls" type: "Convolution" bottom: "data" top: "cls"
          convolution_param { num_output: 6 kernel_size: 1 weight_filler { type: "gaussian" std: 1 } } }
        layer { name: "cls3" bottom: "cls" top: "cls3" type: "Reshape"
          reshape_param { shape { dim: -1 dim: 2 dim: 0 dim: 0 } } }
        layer { name: "bbox" type: "Convolution" bottom: "data" top: "bbox"
          convolution_param { num_output: 12 kernel_size: 1 weight_filler { type: "gaussian" std: 0.1 } } }
        layer { name: "bbox3" bottom: "bbox" top: "bbox3" type: "Reshape"
          reshape_param { shape { dim: -1 dim: 4 dim: 0 dim: 0 } } }
        layer { name: "prob" type: "Softmax" bottom: "cls3" top: "prob" softmax_param { axis: 1 } }
        layer { name: "rois" type: "BoxGroupOutput" bottom: "prob" bottom: "bbox3" top: "rois"
          box_group_output_param { fg_thr: 0.3 iou_thr: 0.7 nms_type: "IOU" box_group_param { field_w: 40 field_w: 30
            field_w: 60 field_h: 20 field_h: 50 field_h: 60 stride: 8 } field_whr: 8 field_xyr: 1 max_nms_num: 1000 }
          propagate_down: 0 propagate_down: 0 }\n"""
    net = caffe.Net(text + stage.format(s="_a", rois="rois") + stage.format(s="_b", rois="rois_a"), caffe.TEST, seed=4)
    out = net.forward(data=np.random.default_rng(0).standard_normal((1, 4, 8, 12)))
    count = len(net.blobs["rois"].data)
    assert out["rois_b"].shape == (count, 5, 1, 1) and count > 20
    rows = {tuple(row) for row in net.blobs["rois"].data.reshape(-1, 5).tolist()}
    assert rows == {tuple(row) for row in net.blobs["all_a"].data.reshape(-1, 5).tolist()}
    assert min(len(net.blobs[name].data) for name in ("to0_a", "to1_a", "to0_b", "to1_b")) > 3
