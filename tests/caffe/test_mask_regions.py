"""MNC's layers, ROIWarping, MaskPooling and MaskResize, against loops, and the Python layers of its test nets."""
import math

import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe import proposals
from tests.helpers.layer_checks import check_layer, one_layer, worst_error
from tests.helpers.onnx_runs import check, net_text

F4 = np.float32
REGIONS = np.array([[0, 0, 0, 63, 47], [1, 10.5, 3.5, 30, 40], [0, 5, 5, 5, 5], [1, -20, -9, 200, 100],
                    [0, 70, 60, 90, 90], [1, 40.2, 30.7, 20, 10], [0, 7, 0, 24, 47]], F4)
MAPS = np.random.default_rng(0).standard_normal((2, 3, 6, 8)).astype(F4)


def c_round(x):
    return math.copysign(math.floor(abs(x) + 0.5), x)


def sides(region, scale):
    """((first row, end row), (first column, end column)) in whole cells."""
    x1, y1, x2, y2 = (c_round(F4(v) * F4(scale)) for v in region[1:])
    return (y1, y2), (x1, x2)


def sample_place(start, end, bins, index, size):
    """The place held within the map, or None outside."""
    place = start + index * max(end - start, 0) / bins
    return None if not -0.5 <= place <= size - 0.5 else min(max(place, 0), size - 1)


def neighbours(place, size):
    first = int(place)
    return first, min(first + 1, size - 1), place - first


def samples(x, regions, rows, columns, scale):
    """(region, i, j, (row, column), (r0, r1, q), (c0, c1, p), number) of every sample on a map."""
    height, width = x.shape[2:]
    for n, region in enumerate(regions):
        (top, bottom), (left, right) = sides(region, scale)
        for i in range(rows):
            for j in range(columns):
                place = sample_place(top, bottom, rows, i, height), sample_place(left, right, columns, j, width)
                if None not in place:
                    yield n, i, j, place, neighbours(place[0], height), neighbours(place[1], width), int(region[0])


def warped(x, regions, rows, columns, scale):
    top = np.zeros((len(regions), x.shape[1], rows, columns))
    for n, i, j, _, (r0, r1, q), (c0, c1, p), number in samples(x, regions, rows, columns, scale):
        m = x[number]
        top[n, :, i, j] = (1 - q) * ((1 - p) * m[:, r0, c0] + p * m[:, r0, c1]) + \
            q * ((1 - p) * m[:, r1, c0] + p * m[:, r1, c1])
    return top


def warped_diffs(top_diff, x, regions, rows, columns, scale):
    """Of the maps, the derivative, and of the regions, after roi_warping_layer.cu."""
    maps, found = np.zeros(x.shape), np.zeros(regions.shape)
    for n, i, j, place, (r0, r1, q), (c0, c1, p), number in samples(x, regions, rows, columns, scale):
        for c in range(x.shape[1]):
            d, m = float(top_diff[n, c, i, j]), x[number, c]
            for row, column, weight in ((r0, c0, (1 - q) * (1 - p)), (r0, c1, (1 - q) * p), (r1, c0, q * (1 - p)),
                                        (r1, c1, q * p)):
                maps[number, c, row, column] += weight * d
            if r0 + 1 > x.shape[2] - 1 or c0 + 1 > x.shape[3] - 1:
                continue
            along = (1 - q) * (m[r0, c1] - m[r0, c0]) + q * (m[r1, c1] - m[r1, c0])
            down = (1 - p) * (m[r1, c0] - m[r0, c0]) + p * (m[r1, c1] - m[r0, c1])
            for axis, slope, (start, end), at in zip((1, 0), (down, along), sides(regions[n], scale), place):
                share = (at - start) / max(end - start + 1, 1)
                found[n, 1 + axis] += scale * d * slope * (1 - share)
                found[n, 3 + axis] += scale * d * slope * share
    return [maps, found]


@pytest.mark.parametrize("rows, columns, scale", [(2, 3, 0.125), (7, 5, 0.125), (1, 1, 0.0625), (3, 4, 0.25)])
def test_roi_warping(rows, columns, scale):
    net = one_layer(f'type: "ROIWarping" roi_warping_param {{ pooled_h: {rows} pooled_w: {columns} spatial_scale: '
                    f'{scale} }}', [MAPS, REGIONS])
    settings = rows, columns, scale
    check_layer(net, lambda x, regions: warped(x, regions, *settings), [0, 1],
                backward=lambda top_diff, x, regions: warped_diffs(top_diff, x, regions, *settings))


def test_roi_warping_of_the_maps_is_the_derivative():
    net = one_layer('type: "ROIWarping" roi_warping_param { pooled_h: 5 pooled_w: 3 spatial_scale: 0.125 }',
                    [MAPS, REGIONS])
    check_layer(net, lambda x, regions: warped(x, regions, 5, 3, 0.125), [0])


def test_no_regions_no_rows():
    net = one_layer('type: "ROIWarping" roi_warping_param { pooled_h: 2 pooled_w: 4 }', [MAPS, REGIONS])
    net.blobs["x1"].reshape(0, 5)
    assert net.forward()["y"].shape == (0, 3, 2, 4)


def test_mask_pooling(tmp_path):
    masks = np.random.default_rng(1).random((2, 1, 6, 8)).astype(F4)
    net = one_layer('type: "MaskPooling"', [MAPS, masks])

    def masked(x, mask):
        top = np.zeros(x.shape)
        for n, c, h, w in np.ndindex(x.shape):
            top[n, c, h, w] = x[n, c, h, w] * mask[n, 0, h, w]
        return top

    check_layer(net, masked, [0, 1])
    check(net_text('type: "MaskPooling"', MAPS.shape, masks.shape), 3, tmp_path)


def resized(x, height, width):
    top = np.zeros((*x.shape[:2], height, width))
    for n, c, h, w in np.ndindex(top.shape):
        row, column = (min(max((at + 0.5) * old / new - 0.5, 0), old - 1)
                       for at, old, new in ((h, x.shape[2], height), (w, x.shape[3], width)))
        (r0, r1, q), (c0, c1, p), m = neighbours(row, x.shape[2]), neighbours(column, x.shape[3]), x[n, c]
        top[n, c, h, w] = (1 - q) * ((1 - p) * m[r0, c0] + p * m[r0, c1]) + \
            q * ((1 - p) * m[r1, c0] + p * m[r1, c1])
    return top


@pytest.mark.parametrize("settings, height, width", [
    ("", 4, 3), ("factor_height: 2.5", 15, 3), ("factor_height: 0.34 factor_width: 2", 2, 16), ("", 1, 20)])
def test_mask_resize(settings, height, width, tmp_path):
    """A factor cuts fractions off: 6 * 0.34 gives 2."""
    definition = f'type: "MaskResize" mask_resize_param {{ output_height: {height if not settings else 4} ' \
                 f'output_width: {width if "factor_width" not in settings else 3} {settings} }}'
    check_layer(one_layer(definition, [MAPS]), lambda x: resized(x, height, width), [0])
    check(net_text(definition, MAPS.shape), 3, tmp_path)


@pytest.mark.parametrize("definition, arrays, reason", [
    ('type: "ROIWarping" roi_warping_param { pooled_h: 2 }', [MAPS, REGIONS], "at least 1 bin"),
    ('type: "ROIWarping" roi_warping_param { pooled_h: 2 pooled_w: 2 }', [MAPS, REGIONS + F4([2, 0, 0, 0, 0])],
     "names the map"),
    ('type: "MaskPooling"', [MAPS, MAPS], r"masks \(N, 1, H, W\)"),
    ('type: "MaskResize" mask_resize_param { output_height: 2 }', [MAPS], "output_width above 0"),
    ('type: "MaskResize" mask_resize_param { output_height: 2 output_width: 2 factor_width: 0.1 }', [MAPS],
     "cannot resize maps of 6 x 8 cells to 2 x 0")])
def test_refused(definition, arrays, reason):
    with pytest.raises(caffe.NetError, match=f"layer 'op': .*{reason}"):
        one_layer(definition, arrays).forward()


# ------------------------------------------------------------------------------- Python layers of its test nets

STAGE = """input: "data" input_shape { dim: 1 dim: 8 dim: 4 dim: 6 } input: "im_info" input_shape { dim: 1 dim: 3 }
input: "prob" input_shape { dim: 1 dim: 18 dim: 4 dim: 6 } input: "delta" input_shape { dim: 1 dim: 36 dim: 4 dim: 6 }
layer { name: 'proposal' type: 'Python' bottom: 'prob' bottom: 'delta' bottom: 'im_info' top: 'rois'
  python_param { module: 'pylayer.proposal_layer' layer: 'ProposalLayer'
                 param_str: "{'feat_stride': 16, 'gradient_scale': 1}" } }
layer { name: "warp" type: "ROIWarping" bottom: "data" bottom: "rois" top: "warp"
  roi_warping_param { pooled_w: 4 pooled_h: 4 spatial_scale: 0.0625 } }
layer { name: "mask_fc" type: "InnerProduct" bottom: "warp" top: "mask_fc"
  inner_product_param { num_output: 441 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "mask" type: "Sigmoid" bottom: "mask_fc" top: "mask" }
layer { name: "mask_proposal" type: 'Python' bottom: 'mask' top: 'mask_proposal'
  python_param { module: 'pylayer.mask_layer' layer: 'MaskLayer' } }
layer { name: "mask_resize" type: "MaskResize" bottom: "mask_proposal" top: "mask_resize"
  mask_resize_param { output_height: 4 output_width: 4 } }
layer { name: "mask_pooling" type: "MaskPooling" bottom: "warp" bottom: "mask_resize" top: "masked" }
layer { name: "score" type: "InnerProduct" bottom: "masked" top: "score"
  inner_product_param { num_output: 5 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "bbox" type: "InnerProduct" bottom: "masked" top: "bbox"
  inner_product_param { num_output: 20 weight_filler { type: "gaussian" std: 0.2 } } }
layer { name: "bridge" type: 'Python' bottom: 'rois' bottom: 'bbox' bottom: 'score' bottom: 'im_info' top: 'rois_ext'
  python_param { module: 'pylayer.stage_bridge_layer' layer: 'StageBridgeLayer' } }
layer { name: "warp_ext" type: "ROIWarping" bottom: "data" bottom: "rois_ext" top: "warp_ext"
  roi_warping_param { pooled_w: 4 pooled_h: 4 spatial_scale: 0.0625 } }"""


def test_two_stages_of_mnc():
    net = caffe.Net(STAGE, caffe.TEST, seed=2)
    rng = np.random.default_rng(5)
    net.forward(data=rng.standard_normal((1, 8, 4, 6)), im_info=[[64, 96, 1]], prob=rng.random((1, 18, 4, 6)),
                delta=0.3 * rng.standard_normal((1, 36, 4, 6)))
    blobs = {name: blob.data.astype(np.float64) for name, blob in net.blobs.items()}
    rois = blobs["rois"]
    assert len(rois) > 5 and blobs["mask_proposal"].shape == (len(rois), 1, 21, 21)
    assert worst_error(blobs["warp"], warped(blobs["data"], rois, 4, 4, 0.0625)) < 1e-5
    assert worst_error(blobs["mask_resize"], resized(blobs["mask"].reshape(-1, 1, 21, 21), 4, 4)) < 1e-5
    wanted = []
    for roi, deltas, scores in zip(rois, blobs["bbox"], blobs["score"]):
        k, (_, x1, y1, x2, y2) = int(np.argmax(scores)), roi
        w, h, (dx, dy, dw, dh) = x2 - x1 + 1, y2 - y1 + 1, deltas[4 * k:4 * k + 4]
        cx, cy, w, h = x1 + w / 2 + dx * w, y1 + h / 2 + dy * h, w * math.exp(dw), h * math.exp(dh)
        wanted.append([0, *(min(max(v, 0), limit) for v, limit in zip(
            (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), (95, 63, 95, 63)))])
    assert worst_error(blobs["rois_ext"], wanted) < 1e-5
    assert len({tuple(row) for row in wanted}) > 3
    same = proposals.move_boxes(rois[:, 1:], np.zeros((len(rois), 4)))
    assert worst_error(same, rois[:, 1:] + [0, 0, 1, 1]) < 1e-5   # x2 moves by one where nothing is asked, as there


def test_they_are_for_test_nets():
    with pytest.raises(ValueError, match="MncProposalLayer of MNC is provided for the phase TEST alone"):
        caffe.Net(STAGE, caffe.TRAIN)
