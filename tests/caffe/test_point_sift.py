"""PointSIFT against OpenCV's SIFT of the same keypoints, loops written from its definition, and as ONNX."""
import cv2
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from tests.helpers.layer_checks import one_layer, worst_error
from tests.helpers.onnx_runs import check, net_text

EDGES = "left: -0.5 top: -0.5 right: 39.5 bottom: 33.5"         # units are pixels of 34 x 40


def pictures(count, seed=5, size=(34, 40)):
    rng = np.random.default_rng(seed)
    grey = [cv2.GaussianBlur(rng.integers(0, 256, size).astype(np.uint8), (0, 0), 1.5) for _ in range(count)]
    return np.array([cv2.normalize(each, None, 0, 255, cv2.NORM_MINMAX) for each in grey])


def descriptor(grey, x, y, cell, sigma):
    """One descriptor by loops over its pixels."""
    if sigma:
        grey = cv2.GaussianBlur(grey, (0, 0), sigma)
    found = np.zeros((4, 4, 8))
    for row, column in np.ndindex(*np.subtract(grey.shape, 2)):
        row, column = row + 1, column + 1
        dx = grey[row, column + 1] - grey[row, column - 1]
        dy = grey[row - 1, column] - grey[row + 1, column]
        direction = np.arctan2(dy, dx) % (2 * np.pi) / (np.pi / 4)
        v, u = (row - y) / cell, (column - x) / cell
        for i, j, o in np.ndindex(found.shape):
            off = abs(direction - o)
            share = [max(0, 1 - abs(part)) for part in (v + 1.5 - i, u + 1.5 - j, min(off, 8 - off))]
            found[i, j, o] += np.hypot(dx, dy) * np.prod(share) * np.exp(-(u * u + v * v) / 8)
    found = np.minimum(found / np.linalg.norm(found), 0.2)
    return (found / np.linalg.norm(found)).ravel()


def test_as_opencv():
    """OpenCV rounds the places, here whole numbers, to pixels and the numbers to 1/512."""
    (grey,), rng = pictures(1, size=(60, 70)), np.random.default_rng(2)
    for cell in (3.0, 4.5):
        places = np.stack([rng.integers(0, 70, 20), rng.integers(0, 60, 20)], 1)        # some reach over the edge
        keypoints = [cv2.KeyPoint(float(x), float(y), cell / 1.5, 0.0) for x, y in places]
        _, wanted = cv2.SIFT_create().compute(grey, keypoints)
        net = one_layer(f'type: "PointSIFT" point_sift_param {{ cell: {cell} left: -0.5 top: -0.5 right: 69.5 bottom: '
                        "59.5 }", [grey[None, None].astype(np.float32), places.reshape(1, -1).astype(np.float32)])
        found = net.forward()["y"].reshape(20, 128)
        assert np.abs(512 * found - wanted).max() < 0.55 and wanted.max() > 100


@pytest.mark.parametrize("sigma", [0, 0.8])
def test_loops(sigma):
    """Between pixels, in two pictures, and points of all pictures at once."""
    grey, cell = pictures(2, size=(9, 11)).astype(np.float64), 1.4
    points = np.array([[4.3, 5.8, 8.0, 4.1], [1.2, 7.7, 6.5, 3.5]])
    definition = (f'type: "PointSIFT" point_sift_param {{ cell: {cell} sigma: {sigma} left: -0.5 top: -0.5 right: 10.5 '
                  "bottom: 8.5 }")
    for given in (points, points[:1]):
        wanted = [np.concatenate([descriptor(picture, *place, cell, sigma) for place in row.reshape(2, 2)])
                  for picture, row in zip(grey, np.broadcast_to(given, points.shape))]
        net = one_layer(definition, [grey[:, None].astype(np.float32), given.astype(np.float32)])
        assert worst_error(net.forward()["y"], np.array(wanted)) < 1e-5


def test_light_changes_nothing_and_a_flat_picture_says_nothing():
    grey, points = pictures(1)[:, None].astype(np.float32), np.array([[20, 15, 8, 25]], np.float32)
    definition = f'type: "PointSIFT" point_sift_param {{ cell: 3 {EDGES} }}'
    found = [one_layer(definition, [values, points]).forward()["y"] for values in (grey, grey / 60 - 2)]
    np.testing.assert_allclose(*found, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found[0].reshape(2, 128), axis=1), 1, rtol=1e-5)
    assert not np.abs(one_layer(definition, [np.full_like(grey, 0.7), points]).forward()["y"]).max() > 0.05


@pytest.mark.parametrize("settings", [f"cell: 3.3 {EDGES}", f"cell: 2 sigma: 0 {EDGES}",
                                      "cell: 5 sigma: 1 left: -20 top: 3 right: 60 bottom: 40"])
@pytest.mark.parametrize("each", [True, False])
def test_as_onnx(settings, each, tmp_path):
    """Also where each picture has its own points, and in areas of one colour."""
    grey = pictures(5)[:, None].astype(np.float32)
    grey[1:, :, :17] = 60
    points = np.random.default_rng(3).uniform(-5, 45, (5 if each else 1, 6)).astype(np.float32)
    definition = f'type: "PointSIFT" point_sift_param {{ {settings} }}'
    if each:
        check(net_text(definition, (2, 1, 34, 40), (2, 6)), 5, tmp_path, x0=grey, x1=points)
    else:
        kept = (f'layer {{ name: "x1" type: "Parameter" top: "x1" parameter_param {{ shape {{ dim: 1 dim: 6 }} }} '
                f'blobs {{ shape {{ dim: 1 dim: 6 }} {" ".join(f"data: {value}" for value in points[0])} }} }}')
        text = net_text(definition, (2, 1, 34, 40), (1, 6))
        first, _, last = text.partition('layer { name: "x1"')
        check(first + kept + last.partition("} } }")[2], 5, tmp_path, x0=grey)


@pytest.mark.parametrize("settings, shapes, reason", [
    ("cell: 0", ((1, 1, 20, 20), (1, 2)), "needs a cell above 0"),
    ("sigma: -1", ((1, 1, 20, 20), (1, 2)), "not negative"), ("right: -2", ((1, 1, 20, 20), (1, 2)), "left < right"),
    ("", ((1, 3, 20, 20), (1, 2)), "takes pictures"), ("", ((1, 1, 20, 6), (1, 2)), "of at least 7 x 7"),
    ("", ((3, 1, 20, 20), (2, 2)), "takes points"), ("", ((1, 1, 20, 20), (1, 3)), "takes points")])
def test_what_is_refused(settings, shapes, reason):
    with pytest.raises(caffe.NetError, match=reason):
        one_layer(f'type: "PointSIFT" point_sift_param {{ {settings} }}',
                  [np.zeros(shape, np.float32) for shape in shapes])
