"""Tilt and turn of heads that are turned by known angles."""
import numpy as np
import pytest

from deeplandmark.faces.poses import pose_subsets, tilt_and_turn

FRONT = np.array([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80.0]])


@pytest.mark.parametrize("degrees", [-90, -25, -5, 0, 12, 170])
def test_a_tilted_head_is_not_turned(degrees):
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    tilt, turn = tilt_and_turn([3 * FRONT @ [[cos, sin], [-sin, cos]]])
    assert tilt == pytest.approx([abs(degrees)]) and turn == pytest.approx([0], abs=1e-9)


@pytest.mark.parametrize("side", [-1, 1])
def test_the_nose_tells_the_turn_whatever_the_tilt(side):
    turned = FRONT.copy()
    turned[2, 0] += side * 12
    for degrees in (0, 30):
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        tilt, turn = tilt_and_turn([turned @ [[cos, sin], [-sin, cos]]])
        assert tilt == pytest.approx([degrees], abs=1e-9) and turn == pytest.approx([0.3])


def test_each_face_is_in_one_subset_of_each_kind_unless_its_eyes_are_one_point():
    faces = np.random.default_rng(1).normal(50, 20, (500, 5, 2))
    faces[7, 1] = faces[7, 0]
    found = pose_subsets(faces)
    for kind in ("tilt", "turn"):
        times = sum(chosen.astype(int) for name, chosen in found.items() if name.startswith(kind))
        assert times[7] == 0 and (np.delete(times, 7) == 1).all()


def test_a_subset_begins_with_its_lower_edge():
    """0 degrees are from 0 to 10; a turn of exactly 0.25 is one from 0.25 on."""
    turned = FRONT.copy()
    turned[2, 0] += 0.25 * 40
    found = pose_subsets([FRONT, turned])
    assert found["tilt 0-10"].tolist() == [True, True] and not found["tilt 10-20"].any()
    assert found["turn 0-0.1"].tolist() == [True, False] and found["turn over 0.25"].tolist() == [False, True]
