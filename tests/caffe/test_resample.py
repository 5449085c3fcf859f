"""Resample and Downsample of FlowNet2 against loops over the cells around each place."""
import numpy as np
import pytest

from tests.helpers.layer_checks import check_layer, one_layer, worst_error
from tests.helpers.onnx_runs import check, net_text
from tests.helpers.resampled import resampled

SIZE = (2, 3, 5, 7)


def values(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("kind", ["NEAREST", "LINEAR", "CUBIC"])
@pytest.mark.parametrize("size", [(10, 14), (5, 7), (3, 4), (1, 1), (2, 9), (20, 28), (8, 3)])
@pytest.mark.parametrize("antialias", [True, False])
def test_resample(kind, size, antialias, tmp_path):
    settings = f'type: {kind} {"" if antialias else "antialias: false"}'
    given = f'type: "Resample" resample_param {{ {settings} height: {size[0]} width: {size[1]} }}'
    check_layer(one_layer(given, [values(SIZE)]), lambda x: resampled(x, size, kind, antialias))
    check(net_text(given, SIZE), 3, tmp_path)
    like = f'type: "Resample" resample_param {{ {settings} }}'
    check_layer(one_layer(like, [values(SIZE), values((1, 1, *size))]),
                lambda x, _: resampled(x, size, kind, antialias))


def downsampled(x, size):
    top = np.zeros((*x.shape[:2], *size))
    steps = [(before - 1) / (after - 1) for before, after in zip(x.shape[2:], size)]
    for n, c, row, column in np.ndindex(top.shape):
        total = weight = lost = 0.0
        for r, k in np.ndindex(x.shape[2:]):
            share = max(0.0, 1 - abs(r - row * steps[0]) / steps[0])
            share *= max(0.0, 1 - abs(k - column * steps[1]) / steps[1])
            if np.isnan(x[n, c, r, k]):
                lost += share
            else:
                total, weight = total + share * x[n, c, r, k], weight + share
        top[n, c, row, column] = total / weight if weight and lost / weight <= 0.5 else np.nan
    return top


@pytest.mark.parametrize("size", [(3, 4), (2, 2), (5, 3), (5, 7)])
@pytest.mark.parametrize("lost", [0.0, 0.3])
def test_downsample(size, lost):
    x = values(SIZE)
    x[np.random.default_rng(5).random(SIZE) < lost] = np.nan
    wanted = x if size == SIZE[2:] else downsampled(x.astype(np.float64), size)
    assert np.isnan(wanted).any() == bool(lost)
    for net in (one_layer(f'type: "Downsample" downsample_param {{ top_height: {size[0]} top_width: {size[1]} }}', [x]),
                one_layer('type: "Downsample"', [x, values((1, 2, *size))])):
        found = net.forward()["y"]
        np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
        assert worst_error(np.nan_to_num(found), np.nan_to_num(wanted)) < 1e-5
