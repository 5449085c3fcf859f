"""Posing: picture, box and points change together, by exactly what was drawn."""
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplandmark.faces.augment import NO_AUGMENTATION, Augmentation, Face, posed
from deeplandmark.faces.points import FIVE_POINTS

BOX = np.array([70.0, 60, 150, 180])                             # higher than wide
POINTS_PX = np.array([[90.0, 90], [131, 94], [108, 120], [95, 150], [128, 148]])
MOST = Augmentation(angle=30, scale=0.2, shift=0.1)
draws = st.tuples(*[st.floats(-1, 1)] * 4)


class Drawn:
    """A generator whose uniform numbers are known: -1 .. 1 of the way from the middle to an end."""

    def __init__(self, *places):
        self.places = np.array(places)

    def uniform(self, low, high, size):
        assert size == len(self.places)
        return (low + high) / 2 + (high - low) / 2 * self.places


@cache
def face():
    """Dots around the points, of 50, 100, ... 250 grey levels."""
    image = np.zeros((240, 260), np.float64)
    y, x = np.mgrid[:240, :260]
    for level, (px, py) in enumerate(POINTS_PX, 1):
        image = np.maximum(image, 50 * level * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 3 ** 2)))
    return Face(np.rint(image).astype(np.uint8), BOX, POINTS_PX)


def dot(image, point_px, reach=7):
    """Middle (2,), pixels, and greatest value of what is bright near a point."""
    left, top = np.rint(point_px).astype(int) - reach
    part = image[top:top + 2 * reach + 1, left:left + 2 * reach + 1].astype(np.float64)
    rows, columns = np.mgrid[:len(part), :len(part)]
    return np.array([(columns * part).sum(), (rows * part).sum()]) / part.sum() + [left, top], part.max()


@settings(max_examples=30, deadline=None)
@given(draws, st.booleans())
def test_dots_stay_under_their_points(places, mirrored):
    changed = posed(face(), MOST, mirrored, FIVE_POINTS, Drawn(*places))
    for i, point_px in enumerate(changed.points_px):
        middle, brightest = dot(changed.image, point_px)
        assert np.abs(middle - point_px).max() < 0.25
        former = FIVE_POINTS.mirror[i] if mirrored else i        # left is left in the picture, another dot than before
        assert brightest == pytest.approx(50 * (former + 1), rel=0.08)


@settings(max_examples=50, deadline=None)
@given(draws, st.booleans())
def test_the_box_moves_and_grows_by_what_was_drawn(places, mirrored):
    changed = posed(face(), MOST, mirrored, FIVE_POINTS, Drawn(*places))
    _, scale, dx, dy = places
    left, top, right, bottom = (259 - 150, 60, 259 - 70, 180) if mirrored else BOX
    middle = np.array([left + right, top + bottom]) / 2 + np.array([dx * 0.1 * 80, dy * 0.1 * 120])
    size = np.exp(scale * 0.2) * np.array([80, 120])
    np.testing.assert_allclose(changed.box, np.concatenate([middle - size / 2, middle + size / 2]), atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(draws)
def test_points_turn_about_the_middle_of_the_box_as_it_was(places):
    """Counter-clockwise to the eye, rows pointing down; neither the box's shift nor its size matters to them."""
    changed = posed(face(), MOST, False, FIVE_POINTS, Drawn(*places))
    turned = (POINTS_PX - [110, 120]) @ [1, 1j] * np.exp(-1j * np.radians(30 * places[0]))
    np.testing.assert_allclose((changed.points_px - [110, 120]) @ [1, 1j], turned, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.floats(-1, 1), st.booleans())
def test_a_pose_and_its_opposite(place, mirrored):
    """Turned there and back, or mirrored twice, every point is where it was, and so is what is seen around it."""
    once = posed(face(), Augmentation(30, 0, 0), mirrored, FIVE_POINTS, Drawn(place, 0, 0, 0))
    place = place if mirrored else -place                        # the mirrored picture turns the other way round
    twice = posed(once, Augmentation(30, 0, 0), mirrored, FIVE_POINTS, Drawn(place, 0, 0, 0))
    np.testing.assert_allclose(twice.points_px, POINTS_PX, atol=1e-9)
    np.testing.assert_allclose(twice.box, BOX, atol=1e-9)
    inside = np.s_[60:180, 70:150]
    assert np.abs(twice.image[inside].astype(int) - face().image[inside]).max() < 30    # interpolated twice


@pytest.mark.parametrize("mirrored", [False, True])
def test_nothing_drawn_changes_nothing(mirrored):
    rng = np.random.default_rng(3)
    changed = posed(face(), NO_AUGMENTATION, mirrored, FIVE_POINTS, rng)
    assert np.array_equal(changed.image, face().image[:, ::-1] if mirrored else face().image)
    for before, after in ((BOX, changed.box), (POINTS_PX, changed.points_px)):
        assert np.allclose(before, after) != mirrored
    assert rng.uniform() == np.random.default_rng(3).uniform(size=5)[4]     # the next face's draws do not depend on it


def test_what_is_drawn_fills_its_range():
    """Both ways, up to the bound and not beyond: seen in the box and in the points."""
    rng, count = np.random.default_rng(7), 400
    print("seed 7")
    small = Face(np.zeros((4, 4), np.uint8), BOX, POINTS_PX)
    changed = [posed(small, MOST, False, FIVE_POINTS, rng) for _ in range(count)]
    boxes = np.array([each.box for each in changed])
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2 - [110, 120]
    eyes = np.array([(each.points_px[1] - each.points_px[0]) @ [1, 1j] for each in changed])
    found = np.column_stack([middle / [80, 120] / 0.1, np.log((boxes[:, 2] - boxes[:, 0]) / 80) / 0.2,
                             np.degrees(np.angle(eyes / (41 + 4j))) / 30])
    assert (np.abs(found) < 1 + 1e-9).all() and (found.max(0) > 0.97).all() and (found.min(0) < -0.97).all()
    assert (np.abs(found.mean(0)) < 0.12).all() and np.abs(np.corrcoef(found.T) - np.eye(4)).max() < 0.2


@pytest.mark.parametrize("image", [np.full((60, 80), 90, np.uint8), np.full((60, 80, 3), 90, np.uint8)])
def test_beyond_its_edge_a_turned_picture_repeats_its_border(image):
    changed = posed(Face(image, np.array([10.0, 10, 70, 50]), np.array([[30.0, 30]] * 5)), MOST, False, FIVE_POINTS,
                    Drawn(1, 0, 0, 0))
    assert changed.image.shape == image.shape and (changed.image == 90).all()


def test_colours_turn_like_grey():
    one = face()
    colour = Face(np.dstack([one.image] * 3), one.box, one.points_px)
    found = posed(colour, MOST, True, FIVE_POINTS, Drawn(0.7, 0.1, -0.4, 1))
    expected = posed(one, MOST, True, FIVE_POINTS, Drawn(0.7, 0.1, -0.4, 1))
    assert np.array_equal(found.image, cv2.cvtColor(expected.image, cv2.COLOR_GRAY2BGR))
