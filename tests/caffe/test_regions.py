"""ROIPooling, PSROIPooling, ROIAlign and Proposal against loops written from their definitions, and ONNX Runtime."""
import math
import sys

import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe import proposals
from tests.helpers.layer_checks import check_layer, one_layer, worst_error
from tests.helpers.onnx_runs import check, net_text

F4 = np.float32
REGIONS = np.array([[0, 0, 0, 63, 47], [1, 10.5, 3.5, 30, 40], [0, 5, 5, 5, 5], [1, -20, -9, 200, 100],
                    [0, 70, 60, 90, 90], [1, 40.2, 30.7, 20, 10], [0, 7, 0, 24, 47]], F4)
MAPS = np.random.default_rng(0).standard_normal((2, 4, 6, 8)).astype(F4)


def c_round(x):
    return math.copysign(math.floor(abs(x) + 0.5), x)


def roi_pooled(x, regions, rows, columns, scale):
    """(top, position of every maximum or None), after roi_pooling_layer.cpp."""
    n_regions, (_, maps, height, width) = len(regions), x.shape
    top, winners = np.zeros((n_regions, maps, rows, columns)), {}
    for r, region in enumerate(regions.astype(F4)):
        x1, y1, x2, y2 = (int(c_round(F4(v) * F4(scale))) for v in region[1:])
        bin_h, bin_w = F4(max(y2 - y1 + 1, 1)) / F4(rows), F4(max(x2 - x1 + 1, 1)) / F4(columns)
        for c in range(maps):
            for i in range(rows):
                for j in range(columns):
                    top_row = min(max(int(np.floor(F4(i) * bin_h)) + y1, 0), height)
                    end_row = min(max(int(np.ceil(F4(i + 1) * bin_h)) + y1, 0), height)
                    left = min(max(int(np.floor(F4(j) * bin_w)) + x1, 0), width)
                    end = min(max(int(np.ceil(F4(j + 1) * bin_w)) + x1, 0), width)
                    best = None
                    for h in range(top_row, end_row):
                        for w in range(left, end):
                            if best is None or x[int(region[0]), c, h, w] > best:
                                best = x[int(region[0]), c, h, w]
                                winners[r, c, i, j] = (int(region[0]), c, h, w)
                    top[r, c, i, j] = 0 if best is None else best
    return top, winners


@pytest.mark.parametrize("rows, columns, scale", [(2, 3, 0.125), (7, 7, 0.125), (1, 1, 0.0625), (3, 2, 1)])
@pytest.mark.parametrize("ties", [False, True])
def test_roi_pooling(rows, columns, scale, ties):
    x = np.round(MAPS) if ties else MAPS
    net = one_layer(f'type: "ROIPooling" roi_pooling_param {{ pooled_h: {rows} pooled_w: {columns} '
                    f'spatial_scale: {scale} }}', [x, REGIONS])

    def backward(top_diff, x, regions):
        diff = np.zeros(x.shape)
        for place, winner in roi_pooled(x, regions, rows, columns, scale)[1].items():
            diff[winner] += top_diff[place]
        return [diff]

    check_layer(net, lambda x, regions: roi_pooled(x, regions, rows, columns, scale)[0], [0], backward=backward)


def ps_roi_pooled(x, regions, dim, group, scale):
    _, _, height, width = x.shape
    top = np.zeros((len(regions), dim, group, group))
    for r, region in enumerate(regions.astype(F4)):
        x1, y1 = (F4(c_round(v)) * F4(scale) for v in region[1:3])
        x2, y2 = (F4(c_round(v) + 1) * F4(scale) for v in region[3:])
        bin_h, bin_w = F4(max(y2 - y1, F4(0.1))) / F4(group), F4(max(x2 - x1, F4(0.1))) / F4(group)
        for c in range(dim):
            for i in range(group):
                for j in range(group):
                    h0, h1 = int(np.floor(F4(i) * bin_h + y1)), int(np.ceil(F4(i + 1) * bin_h + y1))
                    w0, w1 = int(np.floor(F4(j) * bin_w + x1)), int(np.ceil(F4(j + 1) * bin_w + x1))
                    (h0, h1), (w0, w1) = np.clip([h0, h1], 0, height), np.clip([w0, w1], 0, width)
                    cells = x[int(region[0]), (c * group + i) * group + j, h0:h1, w0:w1]
                    top[r, c, i, j] = cells.mean() if cells.size else 0
    return top


@pytest.mark.parametrize("dim, group, scale", [(1, 2, 0.125), (4, 1, 0.25), (1, 2, 0.0625)])
def test_ps_roi_pooling(dim, group, scale):
    net = one_layer(f'type: "PSROIPooling" psroi_pooling_param {{ spatial_scale: {scale} output_dim: {dim} '
                    f'group_size: {group} }}', [MAPS, REGIONS])
    check_layer(net, lambda x, regions: ps_roi_pooled(x, regions, dim, group, scale), [0])


def roi_aligned(x, regions, rows, columns, scale, ratio):
    _, maps, height, width = x.shape
    top = np.zeros((len(regions), maps, rows, columns))
    for r, region in enumerate(regions):
        x1, y1, x2, y2 = region[1:] * scale
        bin_h, bin_w = max(y2 - y1, 1) / rows, max(x2 - x1, 1) / columns
        count_h, count_w = (ratio, ratio) if ratio > 0 else (math.ceil(bin_h), math.ceil(bin_w))
        for i in range(rows):
            for j in range(columns):
                for s in range(count_h):
                    for t in range(count_w):
                        y = y1 + i * bin_h + (s + 0.5) * bin_h / count_h
                        z = x1 + j * bin_w + (t + 0.5) * bin_w / count_w
                        if -1 <= y <= height and -1 <= z <= width:
                            y, z = min(max(y, 0), height - 1), min(max(z, 0), width - 1)
                            a, b = int(y), int(z)
                            c, d = min(a + 1, height - 1), min(b + 1, width - 1)
                            p, q, m = y - a, z - b, x[int(region[0])]
                            top[r, :, i, j] += ((1 - p) * ((1 - q) * m[:, a, b] + q * m[:, a, d]) +
                                                p * ((1 - q) * m[:, c, b] + q * m[:, c, d])) / (count_h * count_w)
    return top


@pytest.mark.parametrize("rows, columns, scale, ratio", [(2, 3, 0.125, 2), (7, 7, 0.125, -1), (1, 2, 0.25, 3)])
def test_roi_align(rows, columns, scale, ratio, tmp_path):
    definition = (f'type: "ROIAlign" roi_align_param {{ pooled_h: {rows} pooled_w: {columns} spatial_scale: {scale} '
                  f'sampling_ratio: {ratio} }}')
    net = one_layer(definition, [MAPS, REGIONS])
    check_layer(net, lambda x, regions: roi_aligned(x, regions, rows, columns, scale, ratio), [0])
    check(net_text(definition, MAPS.shape, (2, 5)), 2, tmp_path, x0=MAPS, x1=REGIONS[[0, 1]])


def test_roi_pooling_as_onnx(tmp_path):
    for scale, rows in ((0.125, 3), (0.0625, 7)):
        definition = f'type: "ROIPooling" roi_pooling_param {{ pooled_h: {rows} pooled_w: 2 spatial_scale: {scale} }}'
        check(net_text(definition, MAPS.shape, (2, 5)), 2, tmp_path, x0=MAPS, x1=REGIONS[[0, 6]])
        (tmp_path / "net.onnx").unlink()


def test_no_regions_no_rows():
    for definition in ('type: "ROIPooling" roi_pooling_param { pooled_h: 2 pooled_w: 2 }',
                       'type: "ROIAlign" roi_align_param { pooled_h: 2 pooled_w: 2 }',
                       'type: "PSROIPooling" psroi_pooling_param { spatial_scale: 1 output_dim: 1 group_size: 2 }'):
        net = one_layer(definition, [MAPS, REGIONS])
        net.blobs["x1"].reshape(0, 5)
        assert net.forward()["y"].shape == (0, 1 if "PS" in definition else 4, 2, 2)


@pytest.mark.parametrize("definition, regions, reason", [
    ("roi_pooling_param { pooled_h: 2 }", REGIONS, "at least 1 bin"),
    ("roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 0 }", REGIONS, "spatial_scale above 0"),
    ("roi_pooling_param { pooled_h: 2 pooled_w: 2 }", REGIONS[:, :4], r"regions \(R, 5\)"),
    ("roi_pooling_param { pooled_h: 2 pooled_w: 2 }", REGIONS + [2, 0, 0, 0, 0], "names the map"),
    ("roi_pooling_param { pooled_h: 2 pooled_w: 2 }", REGIONS * F4(np.nan), "not finite")])
def test_refused(definition, regions, reason):
    with pytest.raises(caffe.NetError, match=f"layer 'op': .*{reason}"):
        one_layer(f'type: "ROIPooling" {definition}', [MAPS, regions.astype(F4)]).forward()


# ----------------------------------------------------------------------------------------------- proposals

PUBLISHED_ANCHORS = [                                            # of the comment in generate_anchors.py
    (-84, -40, 99, 55), (-176, -88, 191, 103), (-360, -184, 375, 199), (-56, -56, 71, 71), (-120, -120, 135, 135),
    (-248, -248, 263, 263), (-36, -80, 51, 95), (-80, -168, 95, 183), (-168, -344, 183, 359)]


def test_published_anchors():
    np.testing.assert_array_equal(proposals.make_anchors(16, (0.5, 1, 2), (8, 16, 32)), PUBLISHED_ANCHORS)


def overlap(a, b):
    w, h = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) + 1 for i in (0, 1))
    shared = max(w, 0) * max(h, 0)
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return shared / (sum(areas) - shared)


def proposed(scores, deltas, info, before, after, threshold=0.7, least=16, drop=True):
    """Box by box, after proposal_layer.py (drop) and proposal_layer.cpp."""
    found = []
    for y in range(scores.shape[2]):
        for x in range(scores.shape[3]):
            for a, anchor in enumerate(PUBLISHED_ANCHORS):
                x1, y1, x2, y2 = anchor[0] + 16 * x, anchor[1] + 16 * y, anchor[2] + 16 * x, anchor[3] + 16 * y
                w, h = x2 - x1 + 1, y2 - y1 + 1
                dx, dy, dw, dh = deltas[0, 4 * a:4 * a + 4, y, x].astype(float)
                cx, cy, w, h = x1 + w / 2 + dx * w, y1 + h / 2 + dy * h, math.exp(dw) * w, math.exp(dh) * h
                box = [min(max(v, 0), limit - 1) for v, limit in zip((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2),
                                                                    (info[1], info[0]) * 2)]
                score = float(scores[0, 9 + a, y, x])
                if box[2] - box[0] + 1 < least * info[2] or box[3] - box[1] + 1 < least * info[2]:
                    if drop:
                        continue
                    score = 0.0
                found.append((score, box))
    found = sorted(found, key=lambda pair: -pair[0])[:before]
    kept = []
    for score, box in found:
        if len(kept) < after and all(overlap(box, other) <= threshold for _, other in kept):
            kept.append((score, box))
    return kept


def rpn_output(seed, height=4, width=6):
    rng = np.random.default_rng(seed)
    return (rng.random((1, 18, height, width)).astype(F4),
            (rng.standard_normal((1, 36, height, width)) * 0.3).astype(F4),
            np.array([[height * 16, width * 16, 1.2]], F4))


PYTHON = '''type: "Python" python_param {{ module: "rpn.proposal_layer" layer: "ProposalLayer" param_str: "{}" }}'''


@pytest.mark.parametrize("param_str", ["'feat_stride': 16", "feat_stride: 16\\nscales: [8, 16, 32]",
                                       "{'feat_stride': 16, 'ratios': (0.5, 1, 2)}"])
@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
def test_proposal_layer_of_py_faster_rcnn(param_str, phase):
    arrays = rpn_output(1)
    text = f"""input: "x0" input_shape {{ dim: 1 dim: 18 dim: 4 dim: 6 }} input: "x1"
        input_shape {{ dim: 1 dim: 36 dim: 4 dim: 6 }} input: "x2" input_shape {{ dim: 1 dim: 3 }}
        layer {{ name: "op" bottom: "x0" bottom: "x1" bottom: "x2" top: "rois" top: "scores"
                 {PYTHON.format(param_str)} }}"""
    net = caffe.Net(text, phase)
    net.forward(x0=arrays[0], x1=arrays[1], x2=arrays[2])
    wanted = proposed(*arrays[:2], arrays[2][0], 6000, 300)
    assert 5 < len(wanted) < 216
    assert worst_error(net.blobs["rois"].data, [[0, *box] for _, box in wanted]) < 1e-5
    assert worst_error(net.blobs["scores"].data, [[score] for score, _ in wanted]) < 1e-6


@pytest.mark.parametrize("before, after, threshold", [(100, 10, 0.7), (6000, 300, 0.5), (30, 300, 0.3)])
def test_proposal(before, after, threshold):
    arrays = rpn_output(2)
    net = one_layer(f'type: "Proposal" proposal_param {{ pre_nms_topn: {before} post_nms_topn: {after} nms_thresh: '
                    f'{threshold} min_size: 40 }} propagate_down: false propagate_down: false propagate_down: false',
                    arrays, tops="y scores")
    assert net.blobs["y"].shape == (after, 5) and net.blobs["scores"].shape == (after,)
    net.forward()
    wanted = proposed(*arrays[:2], arrays[2][0], before, after, threshold, 40, drop=False)
    assert worst_error(net.blobs["y"].data, [[0, *box] for _, box in wanted]) < 1e-5
    assert worst_error(net.blobs["scores"].data, [score for score, _ in wanted]) < 1e-6


def test_the_users_own_module_comes_first(tmp_path, monkeypatch):
    (tmp_path / "rpn").mkdir()
    (tmp_path / "rpn" / "__init__.py").write_text("")
    (tmp_path / "rpn" / "proposal_layer.py").write_text(
        "import caffe\nclass ProposalLayer(caffe.Layer):\n    def setup(self, bottom, top): top[0].reshape(7)\n"
        "    def reshape(self, bottom, top): pass\n    def forward(self, bottom, top): top[0].data[...] = 5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    net = caffe.Net(f'layer {{ name: "op" top: "y" {PYTHON.format("")} }}', caffe.TEST)
    for name in [name for name in sys.modules if name.split(".")[0] == "rpn"]:
        del sys.modules[name]
    assert net.forward()["y"].tolist() == [5] * 7


def test_a_faster_rcnn_head_runs():
    """Backbone, RPN, proposals, pooled regions and classifier, small; rows follow the regions."""
    text = """input: "data" input_shape { dim: 1 dim: 3 dim: 64 dim: 96 } input: "im_info" input_shape { dim: 1 dim: 3 }
        layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
          convolution_param { num_output: 8 kernel_size: 16 stride: 16 weight_filler { type: "xavier" } } }
        layer { name: "cls" type: "Convolution" bottom: "conv" top: "cls"
          convolution_param { num_output: 18 kernel_size: 1 weight_filler { type: "gaussian" std: 0.5 } } }
        layer { name: "bbox" type: "Convolution" bottom: "conv" top: "bbox"
          convolution_param { num_output: 36 kernel_size: 1 weight_filler { type: "gaussian" std: 0.01 } } }
        layer { name: "r1" type: "Reshape" bottom: "cls" top: "r1"
          reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 0 } } }
        layer { name: "prob" type: "Softmax" bottom: "r1" top: "prob" }
        layer { name: "r2" type: "Reshape" bottom: "prob" top: "r2"
          reshape_param { shape { dim: 0 dim: 18 dim: -1 dim: 0 } } }
        layer { name: "proposal" type: "Python" bottom: "r2" bottom: "bbox" bottom: "im_info" top: "rois"
          python_param { module: 'rpn.proposal_layer' layer: 'ProposalLayer' param_str: "'feat_stride': 16" } }
        layer { name: "pool" type: "ROIPooling" bottom: "conv" bottom: "rois" top: "pool"
          roi_pooling_param { pooled_w: 3 pooled_h: 3 spatial_scale: 0.0625 } }
        layer { name: "score" type: "InnerProduct" bottom: "pool" top: "score" inner_product_param { num_output: 21 } }
        layer { name: "out" type: "Softmax" bottom: "score" top: "out" }"""
    net = caffe.Net(text, caffe.TEST, seed=1)
    x = np.random.default_rng(0).standard_normal((1, 3, 64, 96))
    out = net.forward(data=x, im_info=[[64, 96, 1]])["out"]
    probabilities = net.blobs["r2"].data
    wanted = proposed(probabilities, net.blobs["bbox"].data, (64, 96, 1), 6000, 300)
    assert worst_error(net.blobs["rois"].data[:, 1:], [box for _, box in wanted]) < 1e-5
    pooled = roi_pooled(net.blobs["conv"].data, net.blobs["rois"].data, 3, 3, 0.0625)[0]
    assert worst_error(net.blobs["pool"].data, pooled) < 1e-6
    assert out.shape == (len(wanted), 21)
