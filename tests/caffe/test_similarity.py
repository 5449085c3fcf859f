"""PointSimilarity, TransformPoints, TransformMaps, PointHeat and PointDistanceLoss against loops written from their
definitions, their gradients, and as ONNX."""
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deeplandmark.caffe as caffe
from tests.helpers.layer_checks import check_layer, one_layer
from tests.helpers.onnx_runs import check, net_text

RNG = np.random.default_rng(5)
POINTS, REFERENCE = RNG.uniform(-1, 1, (2, 3, 10)).astype(np.float32)
TRANSFORMS = (np.array([[1, 0, 0], [0, 1, 0]]) + RNG.uniform(-0.3, 0.3, (3, 2, 3))).astype(np.float32)
MAPS = RNG.normal(size=(3, 2, 5, 4)).astype(np.float32)
FRAME = "left: -1.2 top: -1.1 right: 1.3 bottom: 1.25"
EDGES = -1.2, -1.1, 1.3, 1.25
HEAT = f"rows: 7 columns: 6 size: 3 {FRAME}"


def similarity(points, reference):
    """By numpy's least squares: x' = a x - b y + t, y' = b x + a y + u."""
    found = []
    for row, aim in zip(points.reshape(len(points), -1, 2), reference.reshape(len(points), -1, 2)):
        equations = [line for x, y in row for line in ([x, -y, 1, 0], [y, x, 0, 1])]
        a, b, t, u = np.linalg.lstsq(np.array(equations), aim.ravel(), rcond=None)[0]
        found.append([[a, -b, t], [b, a, u]])
    return np.array(found)


def transformed(points, transforms):
    found = np.zeros_like(points)
    for n, k in np.ndindex(len(points), points.shape[1] // 2):
        x, y = points[n, 2 * k:2 * k + 2]
        (a, b, t), (c, d, u) = transforms[n]
        found[n, 2 * k:2 * k + 2] = a * x + b * y + t, c * x + d * y + u
    return found


def inverses(transforms):
    squares = np.concatenate([transforms, np.tile([[[0, 0, 1.0]]], (len(transforms), 1, 1))], 1)
    return np.linalg.inv(squares)[:, :2]


def moved_maps(maps, transforms):
    """Each cell by itself, from the four cells around the place it comes from."""
    (left, top, right, bottom), (height, width) = EDGES, maps.shape[2:]
    found = np.zeros_like(maps)
    for n, row, column in np.ndindex(len(maps), height, width):
        x, y = left + (column + 0.5) / width * (right - left), top + (row + 0.5) / height * (bottom - top)
        x, y = transformed(np.array([[x, y]]), inverses(transforms[n:n + 1]))[0]
        u = np.clip((x - left) / (right - left) * width - 0.5, 0, width - 1)
        v = np.clip((y - top) / (bottom - top) * height - 0.5, 0, height - 1)
        for i, j in np.ndindex(height, width):
            found[n, :, row, column] += max(0, 1 - abs(v - i)) * max(0, 1 - abs(u - j)) * maps[n, :, i, j]
    return found


def heat(points, rows=7, columns=6, size=3):
    left, top, right, bottom = EDGES
    found = np.zeros((len(points), 1, rows, columns))
    for n, row, column, k in np.ndindex(len(points), rows, columns, points.shape[1] // 2):
        x = (points[n, 2 * k] - left) / (right - left) * columns - 0.5 - column
        y = (points[n, 2 * k + 1] - top) / (bottom - top) * rows - 0.5 - row
        if max(abs(x), abs(y)) <= size / 2:
            found[n, 0, row, column] = max(found[n, 0, row, column], 1 / (1 + math.hypot(x, y)))
    return found


def distance(first, second):
    def loss(a, b):
        total = 0.0
        for row, truth in zip(a.reshape(len(a), -1, 2), b.reshape(len(b), -1, 2)):
            across = truth[first].mean(0) - truth[second].mean(0) if first else np.ptp(truth, 0)
            size = math.hypot(*across)
            total += sum(math.dist(p, q) for p, q in zip(row, truth)) / size / len(row)
        return np.array(total / len(a))
    return loss


CASES = {
    "similarity": ('type: "PointSimilarity"', [POINTS, REFERENCE], similarity, [0, 1]),
    "points": ('type: "TransformPoints"', [POINTS, TRANSFORMS], transformed, [0, 1]),
    "points back": ('type: "TransformPoints" transform_points_param { inverse: true }', [POINTS, TRANSFORMS],
                    lambda points, transforms: transformed(points, inverses(transforms)), [0, 1]),
    "maps": (f'type: "TransformMaps" transform_maps_param {{ {FRAME} }}', [MAPS[:2, :, :4, :3].copy(), TRANSFORMS[:2]],
             moved_maps, [0, 1]),
    "heat": (f'type: "PointHeat" point_heat_param {{ {HEAT} }}', [POINTS], heat, [0]),
    "distance of groups": ('type: "PointDistanceLoss" point_distance_loss_param { first: 0 first: 3 second: 1 }',
                           [POINTS, REFERENCE], distance([0, 3], [1]), [0]),
    "distance": ('type: "PointDistanceLoss"', [POINTS, REFERENCE], distance([], []), [0])}


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients(case):
    definition, arrays, reference, wanted = CASES[case]
    check_layer(one_layer(definition, arrays), reference, wanted)


@pytest.mark.parametrize("case", [case for case in CASES if "distance" not in case])
def test_as_onnx(case, tmp_path):
    definition, arrays, *_ = CASES[case]
    more = {f"x{i}": np.concatenate([array, array[:2][:, ::-1] if array.ndim == 2 else array[:2]])
            for i, array in enumerate(arrays)}
    check(net_text(definition, *(array.shape for array in arrays)), 5, tmp_path, **more)


@settings(max_examples=30, deadline=None)
@given(st.floats(-3, 3), st.floats(0.2, 3), st.floats(-1, 1), st.floats(-1, 1), st.integers(0, 99))
def test_a_similarity_is_found_and_undone(angle, size, x, y, seed):
    points = np.random.default_rng(seed).uniform(-1, 1, (1, 8)).astype(np.float32)
    a, b = size * math.cos(angle), size * math.sin(angle)
    true = np.array([[[a, -b, x], [b, a, y]]])
    goal = transformed(points.astype(float), true).astype(np.float32)
    found = one_layer('type: "PointSimilarity"', [points, goal]).forward()["y"].copy()
    np.testing.assert_allclose(found, true, atol=2e-5)
    back = one_layer('type: "TransformPoints" transform_points_param { inverse: true }', [goal, found]).forward()["y"]
    np.testing.assert_allclose(back, points, atol=2e-5 / min(size, 1) ** 2)


def test_a_map_stays_as_it_is_without_a_turn():
    still = np.tile(np.eye(2, 3, dtype=np.float32), (3, 1, 1))
    net = one_layer(CASES["maps"][0], [MAPS, still])
    np.testing.assert_allclose(net.forward()["y"], MAPS, atol=1e-5)


def test_a_point_in_its_place_has_no_gradient():
    near = REFERENCE.copy()
    near[0, :2] += 0.1
    net = one_layer('type: "PointDistanceLoss"', [near, REFERENCE])
    net.forward()
    net.blobs["y"].diff = np.ones((), np.float32)
    net.backward()
    assert np.isfinite(net.blobs["x0"].diff).all() and np.count_nonzero(net.blobs["x0"].diff) == 2
    assert not net.blobs["x1"].diff.any()


@pytest.mark.parametrize("definition, shapes, reason", [
    ('type: "PointSimilarity"', ((2, 2), (2, 2)), "2 points or more"),
    ('type: "PointSimilarity"', ((2, 6), (2, 4)), "2 points or more"),
    ('type: "TransformPoints"', ((2, 5), (2, 2, 3)), r"points \(N, 2k\)"),
    ('type: "TransformPoints"', ((2, 6), (2, 6)), r"transforms \(2, 2, 3\)"),
    ('type: "TransformMaps"', ((2, 6), (2, 2, 3)), "takes maps"),
    ('type: "TransformMaps" transform_maps_param { left: 2 }', ((2, 1, 3, 3), (2, 2, 3)), "left < right"),
    ('type: "PointHeat"', ((2, 6),), "needs rows"),
    ('type: "PointDistanceLoss" point_distance_loss_param { first: 0 }', ((2, 6), (2, 6)), "two groups"),
    ('type: "PointDistanceLoss" point_distance_loss_param { first: 0 second: 3 }', ((2, 6), (2, 6)), "of its 3 points"),
    ('type: "PointDistanceLoss"', ((2, 6), (2, 8)), "as many points")])
def test_what_is_refused(definition, shapes, reason):
    with pytest.raises(caffe.NetError, match=reason):
        one_layer(definition, [np.zeros(shape, np.float32) for shape in shapes])
