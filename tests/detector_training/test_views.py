"""Views: points and boxes go where the picture's pixels go; a face that is hardly left is no longer a labelled one."""
from dataclasses import asdict

import cv2
import numpy as np
import pytest

from deeplandmark.detector_training.views import Changes, View, draw_view, mirrored

BOX = np.array([60.0, 70.0, 120.0, 130.0])
POINTS = np.array([[74, 88], [106, 92], [91, 104], [78, 118], [104, 120]], float)
NONE = Changes(**dict.fromkeys(asdict(Changes()), 0.0))


def view_of_spots():
    """A grey picture with a bright spot for each point, of brightness by the point."""
    image = np.full((200, 180, 3), 60, np.uint8)
    for number, (x, y) in enumerate(POINTS.astype(int)):
        cv2.circle(image, (x, y), 3, (150 + 20 * number,) * 3, -1)
    return View(image, BOX[None], POINTS[None], np.array([[5.0, 5, 25, 25]]))


def check_spots(view):
    """Each point lies on its spot; left and right by the mirror pairs."""
    brightness = [150, 170, 190, 210, 230]
    seen = [float(view.image[row, column, 0]) for column, row in np.rint(view.points_px[0]).astype(int)]
    if seen[0] > seen[1]:
        brightness = [170, 150, 190, 230, 210]
    np.testing.assert_allclose(seen, brightness, atol=12)


def test_mirrored():
    view = mirrored(view_of_spots())
    check_spots(view)
    assert view.boxes[0].tolist() == [59, 70, 119, 130] and view.suspected[0].tolist() == [154, 5, 174, 25]
    twice = mirrored(view)
    assert np.array_equal(twice.points_px[0], POINTS) and np.array_equal(twice.image, view_of_spots().image)


@pytest.mark.parametrize("change", [{"turned": 1, "most_turned": 50}, {"turned": 1, "quarter": 1, "most_turned": 1},
                                    {"tight": 1}, {"cut": 1, "cut_most": 0.15}])
def test_points_go_where_their_pixels_go(change):
    rng, angles = np.random.default_rng(0), []
    for _ in range(40):
        view = draw_view(view_of_spots(), rng, Changes(**{**asdict(NONE), **change}))
        inside = (view.points_px[0] > 1).all() and (view.points_px[0] < np.array(view.image.shape[1::-1]) - 2).all()
        if inside:
            check_spots(view)
        sides = view.boxes[0, 2:] - view.boxes[0, :2]
        np.testing.assert_allclose(sides, 60)
        eyes = view.points_px[0, 1] - view.points_px[0, 0]
        angles.append(np.degrees(np.arctan2(eyes[1], eyes[0])))
    spread = np.ptp(angles)
    assert spread > 60 if change.get("quarter") or change.get("most_turned") == 50 else spread < 30


def test_cut_and_tight_pictures_end_at_the_face():
    rng = np.random.default_rng(1)
    for change, most in (({"cut": 1, "cut_most": 0.3}, 0.3), ({"tight": 1}, 0.15)):
        for _ in range(30):
            view = draw_view(view_of_spots(), rng, Changes(**{**asdict(NONE), **change}))
            height, width = view.image.shape[:2]
            left, top, right, bottom = view.boxes[0]
            beyond = max(-left, -top, right - width, bottom - height) / 60
            assert beyond <= most + 0.02 and min(left, top, width - right, height - bottom) < 60 * 0.21


def test_a_face_that_is_cut_in_half_is_suspected_and_no_longer_labelled():
    view = view_of_spots()
    other = View(view.image, np.array([BOX, [-40.0, 10, 20, 70]]), np.array([POINTS, POINTS]), view.suspected)
    seen = draw_view(other, np.random.default_rng(3), NONE)
    assert len(seen.boxes) == len(seen.points_px) == 1 and len(seen.suspected) == 2


@pytest.mark.parametrize("change, check", [
    ({"grey": 1}, lambda image: (image[..., 0] == image[..., 2]).all()),
    ({"dark": 1, "darkest": 0.05}, lambda image: image.max() <= 230),
    ({"blurred": 1, "most_blurred": 0.2}, lambda image: image.max() < 230)])
def test_tones(change, check):
    rng, changed = np.random.default_rng(4), 0
    for _ in range(10):
        view = draw_view(view_of_spots(), rng, Changes(**{**asdict(NONE), **change}))
        assert check(view.image) and len(view.boxes) == 1
        changed += not np.array_equal(view.image, view_of_spots().image)
    assert changed or "grey" in change


def test_nothing_drawn_changes_nothing_but_the_side():
    rng, sides = np.random.default_rng(5), set()
    for _ in range(10):
        view = draw_view(view_of_spots(), rng, NONE)
        expected = view_of_spots() if np.array_equal(view.boxes[0], BOX) else mirrored(view_of_spots())
        sides.add(view.boxes[0, 0])
        assert np.array_equal(view.image, expected.image) and np.array_equal(view.points_px, expected.points_px)
    assert sides == {60, 59}


def test_pictures_without_faces():
    empty = View(view_of_spots().image, np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros((0, 4)))
    rng = np.random.default_rng(6)
    for _ in range(30):
        view = draw_view(empty, rng)
        assert view.boxes.shape == (0, 4) and view.image.dtype == np.uint8 and view.image.ndim == 3
