"""PointPatches against loops written from its definition, its gradient, and as ONNX."""
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from tests.helpers.layer_checks import check_layer, one_layer
from tests.helpers.onnx_runs import check, net_text

RNG = np.random.default_rng(11)
MAPS = RNG.normal(size=(2, 3, 9, 7)).astype(np.float32)
POINTS = RNG.uniform(-1.4, 1.4, (2, 6)).astype(np.float32)      # some beyond the map
SETTINGS = "rows: 4 columns: 3 half_side: 0.4 left: -1.2 top: -1.1 right: 1.3 bottom: 1.25"


def patches(maps, points, mirrored=(), rows=4, columns=3, half=0.4, edges=(-1.2, -1.1, 1.3, 1.25)):
    """Each cell of each patch by itself."""
    n, channels, height, width = maps.shape
    left, top, right, bottom = edges
    found = np.zeros((n, points.shape[1] // 2, channels, rows, columns))
    for i in np.ndindex(found.shape[:2]):
        x, y = points[i[0], 2 * i[1]:2 * i[1] + 2]
        for row, column in np.ndindex(rows, columns):
            step = half * ((2 * column + 1) / columns - 1) * (-1 if i[1] in mirrored else 1)
            u = (x + step - left) / (right - left) * width - 0.5           # in cells, 0 the middle of the first
            v = (y + half * ((2 * row + 1) / rows - 1) - top) / (bottom - top) * height - 0.5
            if not (-1 <= u <= width and -1 <= v <= height):
                continue
            u, v = np.clip(u, 0, width - 1), np.clip(v, 0, height - 1)
            for a, b in ((int(v), int(u)), (int(v), int(u) + 1), (int(v) + 1, int(u)), (int(v) + 1, int(u) + 1)):
                share = max(0, 1 - abs(v - a)) * max(0, 1 - abs(u - b))
                if share:
                    found[(*i, slice(None), row, column)] += share * maps[i[0], :, a, b]
    return found.reshape(-1, channels, rows, columns)


@pytest.mark.parametrize("mirrored", [(), (1,), (0, 2)])
def test_patches_and_their_gradient(mirrored):
    text = " ".join(f"mirrored: {point}" for point in mirrored)
    small = MAPS[:, :1, :5, :4].copy()
    net = one_layer(f'type: "PointPatches" point_patches_param {{ {SETTINGS} {text} }}', [small, POINTS])
    check_layer(net, lambda maps, points: patches(maps, points, mirrored), [0])
    assert not net.blobs["x1"].diff.any()                        # points are told nothing


@pytest.mark.parametrize("mirrored", ["", "mirrored: 2 mirrored: 0"])
def test_as_onnx(mirrored, tmp_path):
    definition = f'type: "PointPatches" point_patches_param {{ {SETTINGS} {mirrored} }}'
    check(net_text(definition, MAPS.shape, POINTS.shape), 5, tmp_path,
          x0=RNG.normal(size=(5, 3, 9, 7)).astype(np.float32), x1=RNG.uniform(-1.4, 1.4, (5, 6)).astype(np.float32))


def test_middles_are_the_points_and_in_training_near_them():
    definition = f'type: "PointPatches" point_patches_param {{ {SETTINGS} jitter: 0.1 }}'
    still, moved = (one_layer(definition, [MAPS, POINTS], "y m", phase) for phase in (caffe.TEST, caffe.TRAIN))
    np.testing.assert_array_equal(still.forward()["m"], POINTS)
    found = {name: top.copy() for name, top in moved.forward().items()}
    off = found["m"] - POINTS
    assert 0.02 < np.abs(off).max() <= 0.1 and np.ptp(off) > 0.05
    np.testing.assert_allclose(found["y"], patches(MAPS.astype(float), found["m"].astype(float)), atol=1e-5)
    assert not np.array_equal(moved.forward()["m"], found["m"])


@pytest.mark.parametrize("settings, shapes, reason", [
    ("rows: 2 columns: 2", ((2, 1, 4, 4), (2, 2)), "half_side above 0"),
    (f"{SETTINGS} jitter: -1", ((2, 1, 4, 4), (2, 2)), "not negative"),
    (f"{SETTINGS} mirrored: 1", ((2, 1, 4, 4), (2, 2)), "mirrors the points"),
    (SETTINGS, ((2, 1, 4, 4), (2, 3)), "takes maps"), (SETTINGS, ((2, 1, 4, 4), (3, 2)), "takes maps")])
def test_what_is_refused(settings, shapes, reason):
    with pytest.raises(caffe.NetError, match=reason):
        one_layer(f'type: "PointPatches" point_patches_param {{ {settings} }}',
                  [np.zeros(shape, np.float32) for shape in shapes])
