"""PSROIAlign, DeformablePSROIPooling, and the pad_ratio and grids of MS-CNN's and Cascade R-CNN's regions, by loops."""
import math

import numpy as np
import pytest

import deeplandmark.caffe as caffe
from tests.helpers.layer_checks import check_layer, one_layer

F4 = np.float32
REGIONS = np.array([[0, 0, 0, 63, 47], [1, 10.5, 3.5, 30, 40], [0, 5, 5, 5, 5], [1, -20, -9, 200, 100],
                    [0, 70, 60, 90, 90], [1, 40.2, 30.7, 20, 10], [0, 7, 0, 24, 47]], F4)
RNG = np.random.default_rng(0)
MAPS = RNG.standard_normal((2, 4, 6, 8)).astype(F4)


def c_round(x):
    return math.copysign(math.floor(abs(x) + 0.5), x)


def held(m, row, column):
    """Bilinear value of a map (..., H, W), the place held within it."""
    height, width = m.shape[-2:]
    row, column = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
    r, c = int(row), int(column)
    r1, c1, q, p = min(r + 1, height - 1), min(c + 1, width - 1), row - r, column - c
    return (1 - q) * ((1 - p) * m[..., r, c] + p * m[..., r, c1]) + q * ((1 - p) * m[..., r1, c] + p * m[..., r1, c1])


def cut_bins(x, regions, dim, g, scale, count):
    """PSROIAlign with sample_num."""
    top, (height, width) = np.zeros((len(regions), dim, g, g)), x.shape[2:]
    for (n, c, i, j) in np.ndindex(top.shape):
        number, x1, y1, x2, y2 = regions[n]
        bin_h, bin_w = (max((b + 1) * scale - a * scale, 0.1) / g for a, b in ((y1, y2), (x1, x2)))
        h0, h1 = (min(max(k * bin_h + y1 * scale, 0), height - 1) for k in (i, i + 1))
        w0, w1 = (min(max(k * bin_w + x1 * scale, 0), width - 1) for k in (j, j + 1))
        for s in range(1, count + 1):
            for t in range(1, count + 1):
                h, w = h0 + s * bin_h / (count + 1), w0 + t * bin_w / (count + 1)
                if h < h1 and w < w1:
                    top[n, c, i, j] += held(x[int(number), (c * g + i) * g + j], h, w) / count ** 2
    return top


def all_samples(x, regions, dim, g, scale, ratio):
    """PSROIAlign with sampling_ratio."""
    top, (height, width) = np.zeros((len(regions), dim, g, g)), x.shape[2:]
    for (n, c, i, j) in np.ndindex(top.shape):
        number, (x1, y1, x2, y2) = int(regions[n, 0]), regions[n, 1:] * scale
        bin_h, bin_w = max(y2 - y1, 1) / g, max(x2 - x1, 1) / g
        count_h, count_w = (ratio, ratio) if ratio > 0 else (math.ceil(bin_h), math.ceil(bin_w))
        for s in range(count_h):
            for t in range(count_w):
                h, w = y1 + (i + (s + 0.5) / count_h) * bin_h, x1 + (j + (t + 0.5) / count_w) * bin_w
                if -1 <= h <= height and -1 <= w <= width:
                    top[n, c, i, j] += held(x[number, (c * g + i) * g + j], h, w) / (count_h * count_w)
    return top


@pytest.mark.parametrize("dim, group, scale, setting, value", [
    (1, 2, 0.125, "sample_num", 2), (4, 1, 0.125, "sample_num", 3), (1, 2, 0.0625, "sample_num", 1),
    (1, 2, 0.125, "sampling_ratio", 2), (4, 1, 0.0625, "sampling_ratio", 0), (1, 2, 0.0625, "sampling_ratio", -1)])
def test_ps_roi_align(dim, group, scale, setting, value):
    net = one_layer(f'type: "PSROIAlign" psroi_align_param {{ spatial_scale: {scale} output_dim: {dim} group_size: '
                    f'{group} {setting}: {value} }}', [MAPS, REGIONS])
    reference = cut_bins if setting == "sample_num" else all_samples
    check_layer(net, lambda x, regions: reference(x, regions, dim, group, scale, value), [0])


def deformed(x, regions, moves, dim, g, scale, parts, count, std):
    top, (height, width) = np.zeros((len(regions), dim, g, g)), x.shape[2:]
    classes = 1 if moves is None else moves.shape[1] // 2
    for (n, c, i, j) in np.ndindex(top.shape):
        x1, y1 = (c_round(v) * scale - 0.5 for v in regions[n, 1:3])
        x2, y2 = ((c_round(v) + 1) * scale - 0.5 for v in regions[n, 3:])
        w, h = max(x2 - x1, 0.1), max(y2 - y1, 0.1)
        right = down = 0.0
        if moves is not None:
            k, a, b = c // (dim // classes), int(F4(i) / F4(g) * F4(parts)), int(F4(j) / F4(g) * F4(parts))
            right, down = moves[n, 2 * k, a, b] * std * w, moves[n, 2 * k + 1, a, b] * std * h
        values = []
        for s in range(count):
            for t in range(count):
                row, column = y1 + down + (i + s / count) * h / g, x1 + right + (j + t / count) * w / g
                if -0.5 <= row <= height - 0.5 and -0.5 <= column <= width - 0.5:
                    values.append(held(x[int(regions[n, 0]), (c * g + i) * g + j], row, column))
        top[n, c, i, j] = np.mean(values) if values else 0
    return top


@pytest.mark.parametrize("dim, group, classes, parts, count, scale", [
    (1, 2, 1, 2, 2, 0.13), (1, 2, 1, 3, 2, 0.13), (4, 1, 2, 1, 2, 0.06), (4, 1, 4, 2, 1, 0.26)])
def test_deformable_ps_roi_pooling(dim, group, classes, parts, count, scale):
    """Scales at which no sample stands exactly on a cell or on an end of the map."""
    moves = np.random.default_rng(3).standard_normal((7, 2 * classes, parts, parts)).astype(F4)
    net = one_layer(f'type: "DeformablePSROIPooling" deformable_psroi_pooling_param {{ spatial_scale: {scale} '
                    f'output_dim: {dim} group_size: {group} part_size: {parts} sample_per_part: {count} '
                    'trans_std: 0.1 }', [MAPS, REGIONS, moves])

    def reference(x, regions, moves):
        return deformed(x, regions, moves, dim, group, float(F4(scale)), parts, count, float(F4(0.1)))

    check_layer(net, reference, [0, 2], tolerance=3e-5)


@pytest.mark.parametrize("third", [False, True])
def test_without_moves(third):
    arrays = [MAPS, REGIONS, np.ones((7, 2, 2, 2), F4)][:3 if third else 2]
    net = one_layer('type: "DeformablePSROIPooling" deformable_psroi_pooling_param { spatial_scale: 0.13 output_dim: 1 '
                    'group_size: 2 sample_per_part: 3 no_trans: true trans_std: 0.1 pooled_size: 2 }', arrays)
    check_layer(net, lambda x, regions, *rest: deformed(x, regions, None, 1, 2, float(F4(0.13)), 2, 3, 0), [0])


def test_on_a_cell_nothing_says_where_to_move():
    """After deformable_psroi_pooling_layer.cu, where floor and ceil of such a place are one cell: a gradient of 0."""
    region = np.array([[0, 3, 3, 6, 6]], F4)                    # from 3 - 0.5 on, samples at 2.5, 3, ...
    net = one_layer('type: "DeformablePSROIPooling" deformable_psroi_pooling_param { spatial_scale: 1 output_dim: 4 '
                    'group_size: 1 sample_per_part: 1 trans_std: 0.125 }', [MAPS, region, np.zeros((1, 2, 1, 1), F4)])
    for right, down, still in ((1, 1, [True, True]), (1, 0, [True, False]), (0, 0.5, [False, False])):
        net.blobs["x2"].data = np.array([right, down]).reshape(1, 2, 1, 1)       # times 4 cells / 8
        net.forward()
        net.blobs["y"].diff = np.arange(4).reshape(1, 4, 1, 1)
        net.backward()
        assert (net.blobs["x2"].diff.ravel() == 0).tolist() == still


def test_no_regions_no_rows():
    for definition in ('type: "PSROIAlign" psroi_align_param { spatial_scale: 1 output_dim: 1 group_size: 2 }',
                       'type: "DeformablePSROIPooling" deformable_psroi_pooling_param { spatial_scale: 1 output_dim: 1 '
                       'group_size: 2 no_trans: true }'):
        net = one_layer(definition, [MAPS, REGIONS])
        net.blobs["x1"].reshape(0, 5)
        assert net.forward()["y"].shape == (0, 1, 2, 2)


# ------------------------------------------------------------------------- pad_ratio, and samples at bins' corners

def padded(region, ratio):
    number, x1, y1, x2, y2 = region.astype(F4)
    w, h = (x2 - x1 + 1) * F4(ratio), (y2 - y1 + 1) * F4(ratio)
    return int(number), x1 - w, y1 - h, x2 + w, y2 + h


def pooled(x, regions, rows, columns, scale, ratio):
    top, (height, width) = np.zeros((len(regions), x.shape[1], rows, columns)), x.shape[2:]
    for n, region in enumerate(regions):
        number, *corners = padded(region, ratio)
        x1, y1, x2, y2 = (int(c_round(v * F4(scale))) for v in corners)
        bin_h, bin_w = F4(max(y2 - y1 + 1, 1)) / F4(rows), F4(max(x2 - x1 + 1, 1)) / F4(columns)
        for i in range(rows):
            for j in range(columns):
                h0, h1 = np.clip([int(np.floor(i * bin_h)) + y1, int(np.ceil((i + 1) * bin_h)) + y1], 0, height)
                w0, w1 = np.clip([int(np.floor(j * bin_w)) + x1, int(np.ceil((j + 1) * bin_w)) + x1], 0, width)
                if h1 > h0 and w1 > w0:
                    top[n, :, i, j] = x[number, :, h0:h1, w0:w1].max((1, 2))
    return top


@pytest.mark.parametrize("ratio", [0.25, 0.1, -0.2])
def test_roi_pooling_with_pad_ratio(ratio):
    net = one_layer('type: "ROIPooling" roi_pooling_param { pooled_h: 3 pooled_w: 2 spatial_scale: 0.125 pad_ratio: '
                    f'{ratio} }}', [MAPS, REGIONS])
    check_layer(net, lambda x, regions: pooled(x, regions, 3, 2, 0.125, ratio), [0])


def at_corners(x, regions, rows, columns, scale, ratio):
    """After roi_align_layer.cpp of zhaoweicai/cascade-rcnn."""
    top, (height, width) = np.zeros((len(regions), x.shape[1], rows + 1, columns + 1)), x.shape[2:]
    for n, region in enumerate(regions):
        number, x1, y1, x2, y2 = padded(region, ratio)
        x1, y1, x2, y2 = (float(v) * scale - 0.5 for v in (x1, y1, x2, y2))
        for i, j in np.ndindex(top.shape[2:]):
            h, w = y1 + i * (y2 - y1) / rows, x1 + j * (x2 - x1) / columns
            if x2 > x1 and y2 > y1 and -0.5 <= h <= height - 0.5 and -0.5 <= w <= width - 0.5:
                top[n, :, i, j] = held(x[number], h, w)
    return top


@pytest.mark.parametrize("rows, columns, scale, ratio", [(2, 3, 0.125, 0), (3, 5, 0.125, 0.1), (1, 2, 0.0625, 0.5)])
def test_roi_align_at_the_corners_of_bins(rows, columns, scale, ratio):
    net = one_layer(f'type: "ROIAlign" roi_pooling_param {{ pooled_h: {rows} pooled_w: {columns} spatial_scale: '
                    f'{scale} pad_ratio: {ratio} }}', [MAPS, REGIONS])
    assert net.blobs["y"].shape == (7, 4, rows + 1, columns + 1)
    check_layer(net, lambda x, regions: at_corners(x, regions, rows, columns, scale, ratio), [0])


@pytest.mark.parametrize("definition, reason", [
    ('type: "PSROIAlign" psroi_align_param { spatial_scale: 1 output_dim: 2 }', "psroi_align_param needs"),
    ('type: "PSROIAlign" psroi_align_param { spatial_scale: 1 output_dim: 1 group_size: 2 sample_num: 0 }',
     "sample_num must be 1"),
    ('type: "PSROIAlign" psroi_align_param { spatial_scale: 1 output_dim: 3 group_size: 2 }', "need 12 maps"),
    ('type: "DeformablePSROIPooling" deformable_psroi_pooling_param { spatial_scale: 1 output_dim: 1 group_size: 2 }',
     "a third bottom of moves"),
    ('type: "DeformablePSROIPooling" deformable_psroi_pooling_param { spatial_scale: 1 output_dim: 1 group_size: 2 '
     'no_trans: true sample_per_part: 0 }', "sample_per_part 1 to"),
    ('type: "ROIPooling" roi_pooling_param { pooled_h: 2 pooled_w: 2 pad_ratio: inf }', "pad_ratio must lie"),
    ('type: "ROIAlign" roi_pooling_param { pooled_h: 2 pooled_w: 2 pad_ratio: 1e9 }', "pad_ratio must lie")])
def test_refused(definition, reason):
    with pytest.raises(caffe.NetError, match=f"layer 'op': .*{reason}"):
        one_layer(definition, [MAPS, REGIONS])


def test_moves_must_fit():
    definition = 'type: "DeformablePSROIPooling" deformable_psroi_pooling_param { spatial_scale: 1 output_dim: 4 ' \
                 'group_size: 1 part_size: 3 }'
    for shape in ((7, 2, 2, 2), (7, 3, 3, 3), (6, 2, 3, 3), (7, 6, 3, 3), (7, 2)):
        with pytest.raises(caffe.NetError, match=r"layer 'op': needs moves \(7, 2 K, 3, 3\), K a divisor"):
            one_layer(definition, [MAPS, REGIONS, np.zeros(shape, F4)])


@pytest.mark.parametrize("definition", ['type: "ROIPooling" roi_pooling_param { pooled_h: 2 pooled_w: 2 pad_ratio: 1 }',
                                        'type: "ROIAlign" roi_pooling_param { pooled_h: 2 pooled_w: 2 }'])
def test_no_form_in_onnx(definition, tmp_path):
    text = 'input: "x0" input_shape { dim: 2 dim: 4 dim: 6 dim: 8 } input: "x1" input_shape { dim: 7 dim: 5 }\n' \
           f'layer {{ name: "op" bottom: "x0" bottom: "x1" top: "y" {definition} }}'
    with pytest.raises(caffe.NetError, match="layer 'op': .* has no form in ONNX"):
        caffe.to_onnx(text, None, tmp_path / "net.onnx")
