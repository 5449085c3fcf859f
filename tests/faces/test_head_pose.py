"""Poses of heads: angles, axes and points tell the same; OpenCV's projection and plain geometry are the truth."""
import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deeplandmark.faces.augment import apply, mirror_points, similarity
from deeplandmark.faces.box import BBox
from deeplandmark.faces.head_pose import (
    HeadPose,
    angles_of,
    axes_of_points,
    mean_face,
    pose_of_points,
    rotation_of,
)
from deeplandmark.faces.points import FIVE_POINTS, HEAD_AXES, IBUG_68, known
from deeplandmark.faces.synthetic.face import FAR, MOST, draw_posed_face

ANGLES = st.tuples(st.floats(-80, 80), st.floats(-85, 85), st.floats(-179, 179)).map(np.array)
FACING = st.tuples(st.floats(-80, 80), st.floats(-80, 80), st.floats(-179, 179)).map(np.array)
PIXELS = st.floats(-500, 500)


def pose(angles, scale=50.0, middle=(100.0, 90.0)):
    return HeadPose(np.array([angles], float), np.array([scale]), np.array([middle], float))


@given(ANGLES)
def test_a_rotation_tells_its_angles(angles):
    rotation = rotation_of(angles)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(angles_of(rotation), angles, atol=1e-6)


@pytest.mark.parametrize("angles, nose, right", [
    ((0, 0, 0), (0, 0), (1, 0)), ((0, 30, 0), (0.5, 0), (np.sqrt(3) / 2, 0)), ((30, 0, 0), (0, -0.5), (1, 0)),
    ((0, 0, 30), (0, 0), (np.sqrt(3) / 2, 0.5)), ((0, 90, 30), (np.sqrt(3) / 2, 0.5), (0, 0))])
def test_what_the_signs_mean(angles, nose, right):
    """Yaw: the nose goes to the right; pitch: up, where y is less; roll: the right end of the eyes' line goes down."""
    left, right_end, front = (pose(angles).axes[0] - [100, 90]) / 50
    np.testing.assert_allclose(front, nose, atol=1e-12)
    np.testing.assert_allclose(right_end, right, atol=1e-12)
    np.testing.assert_allclose(left, -right_end, atol=1e-12)


@given(FACING, st.floats(1, 500), PIXELS, PIXELS)
def test_axes_tell_the_pose(angles, scale, x, y):
    found = HeadPose.of_axes(pose(angles, scale, (x, y)).axes)
    np.testing.assert_allclose(rotation_of(found.angles[0]), rotation_of(angles), atol=1e-5)
    np.testing.assert_allclose([*found.scale, *found.middle[0]], [scale, x, y], rtol=1e-6, atol=1e-6)


@given(st.lists(PIXELS, min_size=6, max_size=6))
def test_no_three_points_are_wrong(values):
    """Whatever a network answers is exactly one pose, whose axes end there; but for yaw of just 90 degrees, where a
    pose's pitch and roll are not told apart."""
    points = np.array(values).reshape(1, 3, 2)
    assume(np.linalg.norm(points[0, 0] - points[0, 1]) > 1)
    found = HeadPose.of_axes(points)
    assert found.scale[0] > 0
    np.testing.assert_allclose(found.axes, points, atol=1e-4)


@given(FACING)
def test_a_mirrored_head_looks_the_other_way(angles):
    axes = mirror_points(pose(angles).axes, 200, HEAD_AXES.pairs)
    expected = np.array(angles) * [1, -1, -1]
    np.testing.assert_allclose(rotation_of(HeadPose.of_axes(axes).angles[0]), rotation_of(expected), atol=1e-5)


@given(FACING, st.floats(-90, 90))
def test_a_turned_picture_adds_to_the_roll_alone(angles, turn):
    axes = apply(similarity(BBox(60, 60, 140, 140), -turn), pose(angles).axes)             # OpenCV turns the other way
    expected = np.array(angles) + [0, 0, turn]
    np.testing.assert_allclose(rotation_of(HeadPose.of_axes(axes).angles[0]), rotation_of(expected), atol=1e-5)


def opencv_projection(shape, angles, distance):
    """Points (k, 2) of a head in front of a camera, by OpenCV, whose z points away from it."""
    flip = np.diag([1.0, 1, -1])
    turn = cv2.Rodrigues(flip @ rotation_of(angles) @ flip)[0]
    camera = np.array([[60.0 * distance, 0, 120], [0, 60 * distance, 110], [0, 0, 1]])
    return cv2.projectPoints(shape @ flip, turn, np.array([0, 0, distance]), camera, None)[0][:, 0]


@pytest.mark.parametrize("distance, near", [(8, 1.0), (10, 1.0), (30, 1.7), (1000, 2.5)])
def test_points_tell_the_pose_that_opencv_projected_them_by(distance, near):
    rng = np.random.default_rng(3)
    angles = rng.uniform(-1, 1, (60, 3)) * [25, 55, 40]
    points = np.array([opencv_projection(mean_face(), each, float(distance)) for each in angles])
    found = pose_of_points(points)
    assert np.abs(found.angles - angles).mean(axis=0).max() < near
    np.testing.assert_allclose(found.scale, 60, rtol=0.04)
    np.testing.assert_allclose(found.middle, np.tile([120, 110], (60, 1)), atol=2)


def test_points_a_little_off_and_hidden_ones():
    rng = np.random.default_rng(4)
    points = opencv_projection(mean_face(), [5, -20, 10], 10.0)
    spoilt = points + rng.normal(0, 1, points.shape)
    spoilt[:40:2] = np.nan
    np.testing.assert_allclose(pose_of_points(spoilt[None]).angles[0], [5, -20, 10], atol=4)
    few = np.full((68, 2), np.nan)
    few[30:35] = points[30:35]
    assert np.isnan(pose_of_points(few[None]).angles).all() and np.isnan(axes_of_points(few)).all()
    assert pose_of_points(np.zeros((0, 68, 2))).axes.shape == (0, 3, 2)


def test_the_mean_face_is_a_face():
    face = mean_face()
    np.testing.assert_allclose(face[list(IBUG_68.mirror)] * [-1, 1, 1], face, atol=1e-3)    # it is written so finely
    left, right, nose, left_mouth, right_mouth = IBUG_68.to_five(face[:, :2])
    assert np.ptp(face[:, 0]) == pytest.approx(2, abs=1e-3)
    assert left[0] < 0 < right[0] and left[1] < nose[1] < left_mouth[1]
    assert face[30, 2] == face[:, 2].max()                                                 # the tip of the nose
    assert face[[0, 16], 2].max() < face[17:, 2].min()                                     # the contour at the ears
    np.testing.assert_allclose((left + right + left_mouth + right_mouth) / 4, 0, atol=0.02)


def test_five_of_the_mean_face():
    found = pose((0, 0, 0)).points(FIVE_POINTS)
    np.testing.assert_allclose(found[0], [100, 90] + 50 * IBUG_68.to_five(mean_face()[:, :2]))
    assert pose((0, 0, 0)).points().shape == (1, 68, 2)


def test_drawn_heads_have_the_pose_that_is_told():
    """The nose lies where yaw says, the line through the eyes where roll does; all of them within what may be drawn."""
    for seed in range(20):
        image, told, box = draw_posed_face(np.random.default_rng(seed))
        assert image.dtype == np.uint8 and (np.abs(told.angles[0]) <= FAR).all()
        assert box.width == pytest.approx(1.79 * told.scale[0], rel=0.35)
        assert np.abs(box.centre - told.middle[0]).max() < 0.4 * box.width
        assert (np.abs(draw_posed_face(np.random.default_rng(seed), far=False)[1].angles[0]) <= MOST).all()
    again = draw_posed_face(np.random.default_rng(19))
    np.testing.assert_array_equal(again[0], image)


def test_axes_are_known_by_their_names():
    assert known(list(HEAD_AXES.names), list(HEAD_AXES.mirror)) is HEAD_AXES
