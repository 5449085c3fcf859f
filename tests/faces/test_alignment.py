"""Similarity transforms and aligned crops."""

import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplandmark.faces import FacesError
from deeplandmark.faces.alignment import ARCFACE, Template, crop_aligned, read_template, scale_of, similarity_to
from deeplandmark.faces.augment import apply

numbers = st.floats(-500, 500).map(lambda value: round(value, 3))


def similarity(degrees, scale, x, y):
    turn = np.deg2rad(degrees)
    return np.array([[scale * np.cos(turn), -scale * np.sin(turn), x], [scale * np.sin(turn), scale * np.cos(turn), y]])


@given(st.floats(-180, 180), st.floats(0.01, 50), numbers, numbers)
def test_an_exact_similarity_is_found_again(degrees, scale, x, y):
    matrix = similarity(degrees, scale, x, y)
    found = similarity_to(ARCFACE.points, apply(matrix, ARCFACE.points))
    np.testing.assert_allclose(found, matrix, atol=1e-7 * max(1, scale))
    assert scale_of(found) == pytest.approx(scale)


@given(st.integers(0, 10**6), st.integers(2, 9))
def test_least_squares_against_numpys(seed, k):
    """u = a x - b y + c, v = b x + a y + d is linear in a, b, c, d."""
    rng = np.random.default_rng(seed)
    points, target = rng.normal(50, 20, (k, 2)), rng.normal(80, 30, (k, 2))
    x, y = points.T
    zero, one = np.zeros(k), np.ones(k)
    system = np.concatenate([np.column_stack([x, -y, one, zero]), np.column_stack([y, x, zero, one])])
    a, b, c, d = np.linalg.lstsq(system, target.T.ravel(), rcond=None)[0]
    np.testing.assert_allclose(similarity_to(points, target), [[a, -b, c], [b, a, d]], rtol=1e-6, atol=1e-6)


def test_a_mirrored_face_is_turned_not_reflected():
    matrix = similarity_to(ARCFACE.points * [-1, 1], ARCFACE.points)
    assert np.linalg.det(matrix[:, :2]) > 0


@pytest.mark.parametrize("points, target", [(np.zeros((5, 2)), ARCFACE.points), ([[1, 2]], [[3, 4]]),
                                            (np.zeros((3, 2)), np.ones((5, 2)))])
def test_points_that_fix_no_similarity(points, target):
    with pytest.raises(ValueError):
        similarity_to(points, target)


@pytest.mark.parametrize("scale", [0.07, 0.3, 0.9, 1.0, 3.0])
@pytest.mark.parametrize("degrees", [0, 25, -140])
def test_a_crop_shows_the_right_place(scale, degrees):
    """A smooth ramp of grey tells, in every pixel of the crop, where it was taken from."""
    size = (40, 30)
    matrix = similarity(degrees, scale, 0, 0)
    matrix[:, 2] = np.array(size) / 2 - matrix[:, :2] @ [600, 500]
    for axis in (0, 1):
        ramp = np.indices((1000, 1200))[1 - axis] * (250 / 1200)
        crop = crop_aligned(ramp.astype(np.float32), matrix, size)
        places = np.dstack(np.meshgrid(np.arange(40), np.arange(30)))
        expected = apply(cv2.invertAffineTransform(matrix), places)[..., axis] * (250 / 1200)
        np.testing.assert_allclose(crop, expected, atol=0.12 * 250 / 1200 / scale + 0.05)


def test_shrinking_averages_instead_of_sampling():
    stripes = np.tile(np.array([[0, 255]], np.uint8), (600, 300))
    warped_alone = cv2.warpAffine(stripes, similarity(0, 0.13, 0, 0), (60, 60))
    assert np.ptp(warped_alone.astype(int)) > 150
    crop = crop_aligned(stripes, similarity(0, 0.13, 0, 0), (60, 60))
    assert abs(crop.astype(int)[2:-2, 2:-2] - 127).max() < 25


def test_beyond_the_picture_it_is_black_and_far_away_is_no_error():
    white = np.full((50, 50, 3), 255, np.uint8)
    assert crop_aligned(white, similarity(0, 0.5, 40, 40), (60, 60))[0, 0].tolist() == [0, 0, 0]
    for scale in (0.01, 0.5, 2):
        assert crop_aligned(white, similarity(30, scale, 1e4, -1e4), (20, 10)).shape == (10, 20, 3)


def test_templates_of_other_sizes():
    double = ARCFACE.resized(224, 224)
    np.testing.assert_allclose(double.points, 2 * ARCFACE.points + 0.5)  # pixel centres are whole numbers
    wide = ARCFACE.resized(212, 112)
    np.testing.assert_allclose(wide.points, ARCFACE.points + [50, 0])


def test_a_template_file(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps({"size": [96, 112], "points": [[30, 51], [65, 51], [48, 71]]}))
    template = read_template(tmp_path / "t.json")
    assert isinstance(template, Template) and template.size == (96, 112) and template.points.shape == (3, 2)
    (tmp_path / "t.json").write_text(json.dumps({"size": [96, 112], "points": [[30, 51], [65, 51]]}))
    assert read_template(tmp_path / "t.json").points.tolist() == [[30, 51], [65, 51]]     # two eyes, side by side


@pytest.mark.parametrize("text", ["", "[]", '{"size": [1]}', '{"size": [9, 9], "points": [1, 2]}',
                                  '{"size": [0, 9], "points": [[1, 2]]}',
                                  '{"size": [9, 9], "points": [[1, 2], [1, 2]]}',
                                  '{"size": [9, 9], "points": [[1, NaN], [1, 2]]}'])
def test_wrong_template_files(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(FacesError, match="t.json"):
        read_template(tmp_path / "t.json")
    with pytest.raises(FacesError, match="cannot be read"):
        read_template(tmp_path / "nothing.json")
