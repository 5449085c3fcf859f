"""The two cutting rules against plain loops and OpenCV."""
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplandmark.faces.cutting import EACH_PATCH, Normalisation, area_weights, cut


def overlap(start, stop, pixel, length):
    """How much of [start, stop) picture pixel `pixel` covers; the border pixels reach to infinity."""
    low = -np.inf if pixel == 0 else pixel - 0.5
    high = np.inf if pixel == length - 1 else pixel + 0.5
    return max(0.0, min(stop, high) - max(start, low))


@settings(max_examples=60, deadline=None)
@given(st.floats(-30, 40), st.floats(0.5, 60), st.integers(1, 20), st.integers(1, 25))
def test_weights_of_one_axis(start, extent, count, length):
    first, weights = area_weights(start, start + extent, count, length)
    cell = extent / count
    half = max(cell, 1.0) / 2
    for i in range(count):
        middle = start + (i + 0.5) * cell
        for j in range(length):
            found = weights[i, j - first] if 0 <= j - first < weights.shape[1] else 0.0
            assert found == pytest.approx(overlap(middle - half, middle + half, j, length) / (2 * half), abs=1e-5)


def test_a_window_of_whole_pixels_is_the_picture_itself():
    image = np.random.default_rng(0).integers(0, 256, (20, 30), np.uint8)
    assert np.array_equal(cut(image, (4.5, 2.5, 24.5, 12.5), (10, 20)), image[3:13, 5:25])


def test_shrinking_by_whole_factors_averages():
    image = np.random.default_rng(1).integers(0, 256, (20, 30), np.uint8)
    expected = image.reshape(10, 2, 10, 3).mean((1, 3))
    assert np.allclose(cut(image, (-0.5, -0.5, 29.5, 19.5), (10, 10)), expected, atol=1e-3)


def test_enlarging_is_bilinear():
    image = np.random.default_rng(2).integers(0, 256, (20, 30), np.uint8)
    expected = cv2.resize(image.astype(np.float32), (90, 80), interpolation=cv2.INTER_LINEAR)
    assert np.allclose(cut(image, (-0.5, -0.5, 29.5, 19.5), (80, 90)), expected, atol=1e-2)


def test_outside_the_picture_its_border_is_repeated():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    found = cut(image, (-3.5, -2.5, 6.5, 4.5), (7, 10))
    assert np.allclose(found, np.pad(image, ((2, 2), (3, 3)), mode="edge"))


def test_the_originals_rule():
    image = np.random.default_rng(3).integers(0, 256, (60, 50), np.uint8)
    for window, part in (((10.9, 5.2, 40.7, 33.9), image[5:34, 10:41]), ((-8.0, -3.0, 70.0, 80.0), image)):
        expected = cv2.resize(part, (39, 31))
        assert np.array_equal(cut(image, window, (31, 39), "truncate"), expected)


@pytest.mark.parametrize("window, part", [
    ((60, 5, 70, 9), np.s_[5:10, 49:50]), ((-30, 5, -20, 9), np.s_[5:10, :1]), ((5, 70, 9, 80), np.s_[59:60, 5:10]),
    ((5, -20, 9, -10), np.s_[:1, 5:10])])
def test_the_originals_rule_sees_the_border_when_the_window_lies_outside(window, part):
    image = np.random.default_rng(3).integers(0, 256, (60, 50), np.uint8)
    assert np.array_equal(cut(image, window, (15, 15), "truncate"), cv2.resize(image[part], (15, 15)))


@pytest.mark.parametrize("window", [(5, 5, 5, 9), (9, 5, 3, 9), (float("nan"), 1, 2, 3)])
def test_a_window_of_no_area_is_refused(window):
    with pytest.raises(ValueError, match="no area"):
        cut(np.zeros((9, 9), np.uint8), window, (3, 3))


@pytest.mark.parametrize("rule", ["area", "truncate"])
def test_each_channel_of_a_colour_picture_is_cut_as_a_grey_one(rule):
    image = np.random.default_rng(5).integers(0, 256, (40, 50, 3), np.uint8)
    window = (3.2, -4.5, 44.1, 38.7)
    found = cut(image, window, (11, 13), rule)
    for channel in range(3):
        grey = np.ascontiguousarray(image[..., channel])
        assert np.allclose(found[..., channel], cut(grey, window, (11, 13), rule), atol=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_normalised_patches(channels):
    """One patch has mean 0 and deviation 1 over all its channels together; one colour: zeros, not a division by 0."""
    patch = np.random.default_rng(4).normal(3, 7, (channels, 15, 15))
    found = EACH_PATCH.apply(patch)
    assert found.mean() == pytest.approx(0, abs=1e-9) and found.std() == pytest.approx(1, abs=1e-5)
    assert not EACH_PATCH.apply(np.full((channels, 9, 9), 7.0)).any()
    assert np.allclose(Normalisation(127.5, 128).apply(patch), (patch - 127.5) / 128)


@pytest.mark.parametrize("normalisation", [EACH_PATCH, Normalisation(127.5, 128)])
def test_a_normalisation_written_and_read_again(normalisation):
    assert Normalisation.from_json(normalisation.to_json()) == normalisation


def test_half_a_normalisation_is_refused():
    for values in ((127.5, None), (None, 128), (0, 0), (0, float("nan"))):
        with pytest.raises(ValueError, match="normalisation"):
            Normalisation(*values)
