"""Halved pictures: what lies where, to a fraction of a pixel, told by pictures whose values are their coordinates."""
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplandmark.detectors.brightened import BRIGHT, GAIN, brightened
from deeplandmark.detectors.upright import WIDTH, brought, inverse, upright_windows
from deeplandmark.faces.halves import Halves


def ramp(width, height, axis):
    """float32 (h, w): each pixel's x or y."""
    return np.broadcast_to(np.arange((width, height)[axis], dtype=np.float32)[(None, slice(None))[::1 - 2 * axis]],
                           (height, width)).copy()


@settings(max_examples=50, deadline=None)
@given(st.integers(40, 700), st.integers(40, 700), st.integers(8, 300), st.integers(8, 300), st.integers(0, 1))
def test_a_resized_picture_shows_each_place_where_the_ratio_says(width, height, new_width, new_height, axis):
    small, ratio = Halves(ramp(width, height, axis)).resized((new_width, new_height))
    assert small.shape == (new_height, new_width)
    values = small[new_height // 2] if axis == 0 else small[:, new_width // 2]
    places = (np.arange(len(values)) + 0.5) / ratio[axis] - 0.5
    inner = slice(math.ceil(ratio[axis]) + 1, -math.ceil(ratio[axis]) - 1)      # at the edge pixels are repeated
    # Averaged over areas whose edges OpenCV rounds; half a pixel off in a step would be 0.5.
    np.testing.assert_allclose(values[inner], places[inner], atol=0.35 * max(1, 1 / ratio[axis]) / 2)
    assert abs((values[inner] - places[inner]).mean()) < 0.06 * max(1, 1 / ratio[axis])


@settings(max_examples=50, deadline=None)
@given(st.floats(-180, 180), st.floats(0.3, 9), st.integers(0, 1))
def test_a_window_shows_each_place_where_its_matrix_says(angle, scale, axis):
    side, size = 640, 48
    turn = scale * np.array([[math.cos(math.radians(angle)), -math.sin(math.radians(angle))],
                             [math.sin(math.radians(angle)), math.cos(math.radians(angle))]])
    matrix = np.column_stack([turn, np.array([317.3, 322.8]) - turn @ [23.5, 23.5]])
    found = Halves(ramp(side, side, axis)).window(matrix, size)
    places = brought(matrix[None], np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).reshape(1, -1, 2))[0]
    inner = ((places > 16) & (places < side - 17)).all(axis=1)
    np.testing.assert_allclose(found.ravel()[inner], places[inner, axis], atol=0.02 * max(1, scale) + 0.04)


def test_a_picture_of_one_row_is_halved_no_further():
    assert Halves(np.zeros((1, 300, 3), np.uint8)).halved(3)[0].shape == (1, 300, 3)
    assert Halves(np.zeros((1, 300, 3), np.uint8)).resized((32, 32))[0].shape == (32, 32, 3)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2 ** 32 - 1))
def test_upright_windows_hold_the_points_with_the_eyes_above(seed):
    rng = np.random.default_rng(seed)
    face = np.array([[-1, -1], [1, -1], [0, 0.1], [-0.8, 1], [0.8, 1]]) + rng.normal(0, 0.1, (5, 2))
    angle, scale = rng.uniform(-np.pi, np.pi), rng.uniform(3, 200)
    turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = (face @ turn + rng.uniform(-500, 500, 2))[None]
    matrices = upright_windows(points, 48)
    inside = brought(inverse(matrices), points)[0]
    np.testing.assert_allclose(brought(matrices, inside[None]), points, atol=1e-6)
    np.testing.assert_allclose(inside.mean(axis=0), 23.5, atol=0.05)
    down = inside[3:].mean(axis=0) - inside[:2].mean(axis=0)
    assert abs(down[0]) < 0.05 < down[1], f"seed {seed}"
    spread = np.sqrt(np.square(inside - inside.mean(axis=0)).sum(axis=1).mean())
    assert 4 * spread * WIDTH == pytest.approx(48, abs=0.15)


def test_points_in_one_place_make_a_window_without_an_error():
    assert np.isfinite(upright_windows(np.full((1, 5, 2), 7.0), 48)).all()


def test_dark_pictures_are_made_bright_and_others_left_alone():
    image = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)
    assert brightened(image) is image
    dark = np.rint(image * 0.1).astype(np.uint8)
    lit = brightened(dark)
    assert np.quantile(lit[..., 1], 0.99) == pytest.approx(BRIGHT, abs=8)
    np.testing.assert_allclose(lit, np.minimum(dark * (BRIGHT / np.quantile(dark[..., 1], 0.99)), 255), atol=9)
    black = np.zeros((60, 80, 3), np.uint8)
    assert brightened(black).max() == 0
    assert brightened(black + 1).max() <= GAIN
