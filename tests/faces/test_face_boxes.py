"""Boxes and changes of pose: every step has a way back."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplandmark.faces import FIVE_POINTS, BBox, augment, box, mirror, similarity

edge = st.floats(-500, 500)
length = st.floats(1, 400)
boxes = st.builds(lambda left, top, w, h: BBox(left, top, left + w, top + h), edge, edge, length, length)
landmarks = st.lists(st.tuples(edge, edge), min_size=5, max_size=5).map(np.array)


@given(boxes, landmarks)
def test_reproject_undoes_project(bbox, landmark_px):
    np.testing.assert_allclose(bbox.reproject(bbox.project(landmark_px)), landmark_px, atol=1e-6)


@given(boxes, landmarks)
def test_many_boxes_at_once_give_what_one_gives(bbox, landmark_px):
    in_box = box.project([bbox.as_array()], [landmark_px])
    np.testing.assert_allclose(in_box[0], bbox.project(landmark_px))
    np.testing.assert_allclose(box.reproject([bbox.as_array()], in_box)[0], landmark_px, atol=1e-6)


def test_corners_of_a_box_are_zero_and_one():
    bbox = BBox.from_left_right_top_bottom(84, 161, 92, 169)
    assert (bbox.left, bbox.top, bbox.right, bbox.bottom) == (84, 92, 161, 169)
    assert (bbox.width, bbox.height) == (77, 77)
    np.testing.assert_array_equal(bbox.project([[84, 92], [161, 169]]), [[0, 0], [1, 1]])


def test_windows_are_fractions_of_the_box():
    bbox = BBox(100, 200, 200, 400)
    windows = box.centred_windows([bbox.as_array()], [(150, 300)], 0.1)
    np.testing.assert_allclose(windows, [[140, 280, 160, 320]])  # of the width in x, of the height in y
    assert bbox.square(1.5) == BBox(0, 150, 300, 450) and BBox(0, 0, 200, 100).square() == BBox(0, -50, 200, 150)


@pytest.mark.parametrize("bbox", [BBox(5, 0, 5, 9), BBox(5, 0, 3, 9), BBox(0, 0, float("nan"), 9),
                                  BBox(0, 5, 9, 5), BBox(0, 9, 9, 3), BBox(0, 0, 9, float("inf"))])
def test_no_area(bbox):
    assert not bbox.has_area


@pytest.mark.parametrize("left, top, seen", [
    (0, 0, True), (-9, -4, True), (-10, 0, False), (0, -5, False), (199, 0, True), (200, 0, False), (0, 29, True),
    (0, 30, False), (150, 20, True)])
def test_a_box_overlaps_a_picture_that_it_shares_area_with(left, top, seen):
    """A box of 10 x 5, a picture of 200 x 30."""
    assert BBox(left, top, left + 10, top + 5).overlaps(200, 30) == seen


@pytest.mark.parametrize("left, right, expected", [
    (10, 10.0625, True), (10, 10.0624, False), (9, 3, False), (-9, 3, True), (999_999, 999_999.0625, True),
    (999_999.09375, 999_999.15625, False),  # two ties of float32, both rounded to the same even number
    (16_777_216, 16_777_217, False), (0, 1e6, False), (-1e6, 0, False), (0, 1e300, False), (0, float("inf"), False),
    (float("-inf"), float("inf"), False), (float("nan"), 9, False)])
def test_which_boxes_are_usable(left, right, expected):
    given = [[left, 0, right, 9], [0, left, 9, right], [0, 0, 9, 9]]
    assert box.usable(given).tolist() == [expected, expected, True]
    assert box.usable([]).shape == (0,)


def test_projecting_into_nothing_is_an_error():
    with pytest.raises(ValueError, match="no area"):
        BBox(5, 0, 5, 9).project([[1, 1]])


@given(landmarks, st.integers(0, 2 ** 31))
def test_mirrored_twice_is_the_same(landmark_px, seed):
    image = np.random.default_rng(seed).integers(0, 256, (7, 11), dtype=np.uint8)
    once = mirror(image, landmark_px, BBox(1, 2, 6, 5), FIVE_POINTS.pairs)
    again_image, again_px, again_box = mirror(*once, FIVE_POINTS.pairs)
    np.testing.assert_array_equal(again_image, image)
    np.testing.assert_allclose(again_px, landmark_px, atol=1e-9)
    assert again_box == BBox(1, 2, 6, 5)


def test_mirrored_points_sit_on_the_same_pixels_and_change_names():
    image = np.zeros((10, 20), np.uint8)
    landmark_px = np.array([[3, 2], [12, 2], [8, 5], [4, 8], [11, 7]])
    for value, (x, y) in enumerate(landmark_px, 1):
        image[y, x] = value
    mirrored, points, _ = mirror(image, landmark_px, BBox(0, 0, 19, 9))
    names = [int(mirrored[int(y), int(x)]) for x, y in points]
    assert names == [2, 1, 3, 5, 4]
    assert points[0, 0] < points[1, 0] and points[3, 0] < points[4, 0]  # left is left in the picture again


@given(boxes, landmarks, st.floats(-30, 30), st.floats(0.7, 1.4), st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)))
def test_a_similarity_can_be_undone(bbox, landmark_px, angle, scale, shift):
    matrix = similarity(bbox, angle, scale, shift)
    there = augment.apply(matrix, landmark_px)
    back = augment.apply(cv2.invertAffineTransform(matrix), there)
    np.testing.assert_allclose(back, landmark_px, atol=1e-6)


def test_similarity_turns_about_the_box_and_shifts_by_its_size():
    bbox = BBox(0, 0, 100, 200)
    np.testing.assert_allclose(augment.apply(similarity(bbox, 90), [[60, 100]]), [[50, 90]], atol=1e-9)
    moved = augment.apply(similarity(bbox, 30, 1.2, (0.1, 0.1)), [[50, 100]])
    np.testing.assert_allclose(moved, [[60, 120]], atol=1e-9)


def test_a_turned_picture_shows_the_turned_point():
    image = np.zeros((200, 200), np.uint8)
    image[70:73, 110:113] = 255  # a dot around (111, 71)
    turn = similarity(BBox(50, 40, 150, 140), 20, 1.1, (0.03, -0.04))
    seen = cv2.warpAffine(image, turn, (200, 200))
    y, x = np.unravel_index(np.argmax(cv2.GaussianBlur(seen, (5, 5), 1)), seen.shape)
    np.testing.assert_allclose([x, y], augment.apply(turn, [111, 71]), atol=1)


@pytest.mark.parametrize("bounds, says", [
    ((0, 0, 40, 30), None), ((-30, -20, 1, 1), None), ((-60, -60, 100, 100), None), ((39, 29, 60, 60), None),
    ((-60, 0, 101, 30), "more than 4 times as large as the picture of 40 x 30"),
    ((0, -100, 40, 61), "more than 4 times"), ((-9, -9, 0, 9), "outside the picture of 40 x 30"),
    ((40, 0, 60, 9), "outside"), ((0, 30, 9, 60), "outside")])
def test_boxes_beyond_a_picture(bounds, says):
    problem = box.beyond_picture([(1, 1, 9, 9), bounds], 40, 30)
    assert problem is None if says is None else says in problem and f"box {bounds[0]}," in problem
    assert box.beyond_picture([], 40, 30) is None
