"""SoftArgmax against loops written from its definition, its gradient, and as ONNX."""
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from tests.helpers.layer_checks import check_layer, one_layer
from tests.helpers.onnx_runs import check, net_text

MAPS = np.random.default_rng(4).normal(0, 2, (2, 3, 4, 5)).astype(np.float32)
DEFINITION = 'type: "SoftArgmax" soft_argmax_param { left: -1.2 top: -0.5 right: 1.3 bottom: 2 }'


def places(maps, left=-1.2, top=-0.5, right=1.3, bottom=2.0):
    """Each cell of each map by itself."""
    n, count, rows, columns = maps.shape
    found = np.zeros((n, count, 2))
    for i in np.ndindex(n, count):
        total = sum(np.exp(value) for value in maps[i].ravel())
        for row, column in np.ndindex(rows, columns):
            share = np.exp(maps[i][row, column]) / total
            found[i] += share * np.array([left + (right - left) * (column + 0.5) / columns,
                                          top + (bottom - top) * (row + 0.5) / rows])
    return found.reshape(n, -1)


def test_places_and_their_gradient():
    check_layer(one_layer(DEFINITION, [MAPS]), places, [0])


def test_one_high_cell_is_the_answer():
    maps = np.zeros((1, 2, 6, 8), np.float32)
    maps[0, 0, 2, 7] = maps[0, 1, 5, 0] = 1e4
    found = one_layer('type: "SoftArgmax"', [maps]).forward()["y"]
    np.testing.assert_allclose(found, [[1 - 1 / 8, -1 + 5 / 6, -1 + 1 / 8, 1 - 1 / 6]], rtol=1e-6)


def test_as_onnx(tmp_path):
    check(net_text(DEFINITION, MAPS.shape), 7, tmp_path)


@pytest.mark.parametrize("settings, shape, reason", [
    ("left: 2", (1, 1, 2, 2), "needs left < right"), ("top: 1 bottom: 1", (1, 1, 2, 2), "top < bottom"),
    ("", (1, 4), "takes maps"), ("", (1, 1, 0, 3), "at least one cell")])
def test_what_is_refused(settings, shape, reason):
    with pytest.raises(caffe.NetError, match=reason):
        one_layer(f'type: "SoftArgmax" soft_argmax_param {{ {settings} }}', [np.zeros(shape, np.float32)])
