"""Windows cut quickly, beside the same read pixel by pixel, and beside exact averages over areas."""
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplandmark.faces.cutting import cut
from deeplandmark.faces.quick_cutting import WindowCutter


def picture(height, width, seed=0):
    """Smooth, but for a little noise."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (max(2, height // 16), max(2, width // 16), 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def read(image, window, size):
    """Bilinear interpolation of the picture, halved by means of 2 x 2 pixels, in loops."""
    image, (left, top, right, bottom) = image.astype(float), window
    ratio = 1
    while min(right - left, bottom - top) / ratio >= 2 * size and min(image.shape[:2]) > 1:
        rows, columns = image.shape[0] // 2, image.shape[1] // 2
        image = image[:2 * rows, :2 * columns].reshape(rows, 2, columns, 2, 3).mean(axis=(1, 3))
        ratio *= 2
    result = np.zeros((size, size, 3))
    for row in range(size):
        for column in range(size):
            x = (left + (column + 0.5) * (right - left) / size + 0.5) / ratio - 0.5
            y = (top + (row + 0.5) * (bottom - top) / size + 0.5) / ratio - 0.5
            for j in (int(np.floor(y)), int(np.floor(y)) + 1):
                for i in (int(np.floor(x)), int(np.floor(x)) + 1):
                    if 0 <= j < image.shape[0] and 0 <= i < image.shape[1]:
                        result[row, column] += image[j, i] * (1 - abs(x - i)) * (1 - abs(y - j))
    return result


@settings(max_examples=30, deadline=None)
@given(st.integers(5, 80), st.integers(5, 80), st.floats(-20, 60), st.floats(-20, 60), st.floats(1, 90),
       st.sampled_from((5, 12)))
def test_beside_loops(height, width, left, top, side, size):
    image = picture(height, width)
    window = np.array([left, top, left + side, top + side])
    # OpenCV reads at whole 1/32 of pixels.
    np.testing.assert_allclose(WindowCutter(image).cut(window, size)[0], read(image, window, size), atol=10)
    inside = np.array([1, 1, min(width, height) - 3, min(width, height) - 3.0])
    if inside[2] > 3:
        difference = WindowCutter(image).cut(inside, size)[0] - read(image, inside, size)
        assert np.abs(difference).mean() < 3


def test_many_windows_of_many_sizes_are_those_cut_alone():
    image, rng = picture(200, 300), np.random.default_rng(1)
    corner, side = rng.uniform(-20, 200, (3000, 2)), rng.uniform(2, 250, (3000, 1))
    windows = np.concatenate([corner, corner + side], axis=1)
    together = WindowCutter(image).cut(windows, 24)
    for i in range(0, 3000, 97):
        assert np.array_equal(together[i], WindowCutter(image).cut(windows[i], 24)[0])
    assert WindowCutter(image).cut(np.zeros((0, 4)), 24).shape == (0, 24, 24, 3)
    assert WindowCutter(image[..., 0]).cut(windows[:2], 24).shape == (2, 24, 24)


@pytest.mark.parametrize("side", [24, 37, 90, 150])
def test_nearly_the_mean_over_areas(side):
    image = picture(200, 300, 2)
    window = [40.3, 20.7, 40.3 + side, 20.7 + side]
    assert np.abs(WindowCutter(image).cut(window, 24)[0] - cut(image, window, (24, 24))).mean() < 2.5


def test_a_picture_larger_than_opencv_reads():
    image = np.zeros((40, 70_000, 3), np.uint8)
    image[:, 50_000:50_040] = 200
    seen = WindowCutter(image).cut([[49_999.5, -0.5, 50_039.5, 39.5]], 8)[0]
    assert seen[2:6, 2:6].min() > 150 and WindowCutter(image).cut([[20, 0, 60, 40]], 8).max() == 0
