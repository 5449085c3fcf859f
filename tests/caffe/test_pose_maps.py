"""ImResize and Nms of caffe_rtpose against loops over cells: scales, borders, more peaks than are kept."""
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from tests.helpers.layer_checks import check_layer, one_layer


def values(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def cubic(v, d):
    """Between v[1] and v[2], d behind v[1]: Catmull-Rom's polynomial."""
    return (-0.5 * v[0] + 1.5 * v[1] - 1.5 * v[2] + 0.5 * v[3]) * d ** 3 + \
        (v[0] - 2.5 * v[1] + 2 * v[2] - 0.5 * v[3]) * d ** 2 + (-0.5 * v[0] + 0.5 * v[2]) * d + v[1]


def axis(size, wanted, x):
    """The four cells around cell x of the top, and how far it lies behind the second."""
    at = (x - (wanted / size / 2 - 0.5)) * size / wanted
    cell = max(int(at + 1e-5), 0)
    last = size - 1
    return [max(cell - 1, 0), cell, min(cell + 1, last), min(min(cell + 1, last) + 1, last)], at - cell


def resized(x, rows, columns, start, gap):
    top = np.zeros((1, x.shape[1], rows, columns))
    for n in range(len(x)):
        free = [int(np.floor(size // 2 * (1 - start + n * gap) + 1e-9)) for size in x.shape[2:]]
        part = x[n, :, free[0]:x.shape[2] - free[0], free[1]:x.shape[3] - free[1]]
        for r, c in np.ndindex(rows, columns):
            (down, dy), (across, dx) = axis(part.shape[1], rows, r), axis(part.shape[2], columns, c)
            top[0, :, r, c] += cubic([cubic([part[:, i, j] for j in across], dx) for i in down], dy) / len(x)
    return top


@pytest.mark.parametrize("shape, settings, size, scales", [
    ((1, 2, 5, 7), "factor: 8", (40, 56), (1, 0.1)),
    ((1, 2, 5, 7), "factor: 2.5", (12, 17), (1, 0.1)),
    ((1, 1, 6, 5), "factor: 0.5", (3, 2), (1, 0.1)),
    ((1, 2, 3, 4), "target_spatial_width: 9 target_spatial_height: 4", (4, 9), (1, 0.1)),
    ((3, 2, 10, 12), "factor: 3 start_scale: 1 scale_gap: 0.3", (30, 36), (1, 0.3)),
    ((2, 2, 10, 13), "factor: 2 start_scale: 0.75 scale_gap: 0.25", (20, 26), (0.75, 0.25)),
    ((1, 1, 1, 1), "factor: 4", (4, 4), (1, 0.1))])
def test_resized(shape, settings, size, scales):
    net = one_layer(f'type: "ImResize" imresize_param {{ {settings} }}', [values(shape)])
    assert net.blobs["y"].shape == (1, shape[1], *size)
    check_layer(net, lambda x: resized(x, *size, *scales))


def peaks(x, threshold, most, parts):
    """Row by row: number of peaks, then x, y, value of the first of them."""
    n, _, height, width = x.shape
    top = np.zeros((n, parts, most + 1, 3))
    for i, p in np.ndindex(n, parts):
        maps, found = x[i, p], []
        for r in range(2, height - 1):
            for c in range(2, width - 1):
                around = maps[r - 1:r + 2, c - 1:c + 2].copy()
                around[1, 1] = -np.inf
                if maps[r, c] > max(threshold, around.max()):
                    found.append((r, c))
        top[i, p, 0, 0] = len(found)
        for k, (r, c) in enumerate(found[:most], 1):
            total = sums = 0
            for y in range(max(r - 3, 1), min(r + 4, height)):
                for z in range(max(c - 3, 1), min(c + 4, width)):
                    if maps[y, z] > 0:
                        total, sums = total + maps[y, z], sums + maps[y, z] * np.array([z, y])
            top[i, p, k] = *(sums / total), maps[r, c]
    return top


@pytest.mark.parametrize("shape", [
    (2, 3, 12, 15), (1, 3, 30, 9), (2, 4, 5, 40), (1, 3, 4, 4), (1, 3, 3, 9), (1, 3, 1, 1)])
@pytest.mark.parametrize("threshold, most", [(0.05, 64), (0.8, 3), (0.05, 2), (9, 4), (0.05, 0)])
def test_peaks(shape, threshold, most):
    x = values(shape)
    x[:, 1] = np.maximum(x[:, 1], 0.2)                           # plateaus have no peak
    net = one_layer(f'type: "Nms" nms_param {{ threshold: {threshold} max_peaks: {most} num_parts: 3 }}', [x])
    check_layer(net, lambda x: peaks(x, threshold, most, 3))
    if shape[2] > 10 and threshold < 1:
        assert net.blobs["y"].data[:, :, 0, 0].min() > 1


def test_drawn_joints():
    """Gaussians are found where they were drawn, to a part of a cell; at the border of the map there is none."""
    rows, columns = np.mgrid[:40, :50]
    drawn = [(20.3, 11.6), (35.5, 30.2), (10.0, 31.0)]
    maps = sum(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8) for x, y in [*drawn, (0, 5), (30, 39)])
    net = one_layer('type: "Nms" propagate_down: false nms_param { threshold: 0.05 max_peaks: 64 num_parts: 1 }',
                    [maps[None, None].astype(np.float32)])
    found = net.forward()["y"][0, 0]
    assert found[0, 0] == 3 and found.shape == (65, 3) and not found[4:].any()
    for x, y, value in found[1:4]:
        assert min(np.hypot(x - px, y - py) for px, py in drawn) < 0.25 and value > 0.9


def test_the_end_of_pose_deploy_linevec():
    net = caffe.Net("""layer { name: "in" type: "Input" top: "a" top: "b" input_param {
        shape { dim: 2 dim: 19 dim: 6 dim: 8 } shape { dim: 2 dim: 38 dim: 6 dim: 8 } } }
        layer { name: "concat_stage7" type: "Concat" bottom: "a" bottom: "b" top: "maps" concat_param { axis: 1 } }
        layer { name: "resize" type: "ImResize" bottom: "maps" top: "resized_map"
          imresize_param { factor: 8 scale_gap: 0.3 start_scale: 1.0 } }
        layer { name: "nms" type: "Nms" bottom: "resized_map" top: "joints" propagate_down: false
          nms_param { threshold: 0.05 max_peaks: 64 num_parts: 18 } }""", caffe.TEST)
    a, b = values((2, 19, 6, 8)), values((2, 38, 6, 8), 1)
    tops = net.forward(a=a, b=b)
    maps = resized(np.concatenate([a, b], 1).astype(np.float64), 48, 64, 1, 0.3)
    wanted = peaks(maps, 0.05, 64, 18)
    assert tops["joints"].shape == (1, 18, 65, 3)
    np.testing.assert_allclose(tops["joints"], wanted, atol=1e-4)


@pytest.mark.parametrize("text, shape, message", [
    ('type: "ImResize" imresize_param { factor: 2 }', (2, 3), "4 axes"),
    ('type: "ImResize" imresize_param { factor: 0.1 }', (1, 1, 5, 5), "to 0 x 0"),
    ('type: "ImResize" imresize_param { factor: -2 }', (1, 1, 5, 5), "cannot resize"),
    ('type: "ImResize" imresize_param { factor: nan }', (1, 1, 5, 5), "cannot resize"),
    ('type: "ImResize" imresize_param { factor: 1e30 }', (1, 1, 5, 5), "would need"),
    ('type: "ImResize" imresize_param { target_spatial_width: 0 }', (1, 1, 5, 5), "to 368 x 0"),
    ('type: "ImResize" imresize_param { factor: 2 start_scale: 1.5 }', (1, 1, 5, 5), r"less margins \[-1\]"),
    ('type: "ImResize" imresize_param { factor: 2 scale_gap: 1 }', (3, 1, 6, 6), r"less margins \[0, 3, 6\]"),
    ('type: "Nms"', (1, 3, 5, 5), "15 parts need as many maps"),
    ('type: "Nms" nms_param { num_parts: 0 }', (1, 3, 5, 5), "at least 1"),
    ('type: "Nms" nms_param { num_peak: 9 }', (1, 3, 5, 5), "of older versions"),
    ('type: "Nms" nms_param { num_parts: 1 }', (3, 5), "4 axes")])
def test_refused(text, shape, message):
    with pytest.raises(caffe.NetError, match=message):
        one_layer(text, [values(shape)])


@pytest.mark.parametrize("text", ['type: "ImResize" imresize_param { factor: 2 }',
                                  'type: "Nms" nms_param { num_parts: 1 }'])
def test_no_backward(text):
    net = one_layer(text, [values((1, 1, 6, 6))])
    net.forward()
    net.blobs["y"].diff = 1
    with pytest.raises(caffe.NetError, match="has no backward"):
        net.backward()
