"""Places in steps: near by, and the same whatever the last digits are."""
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deeplandmark.faces.in_steps import PARTS, in_steps


@given(st.floats(1e-3, 1e6), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_values_move_by_half_a_step_at_most_and_stay_there(side, values):
    values, sides = np.array([values]), np.array([side])
    found = in_steps(values, sides)
    assert (np.abs(found - values) <= side / PARTS / 2).all()
    np.testing.assert_array_equal(in_steps(found, sides), found)


def test_last_digits_count_for_nothing():
    rng = np.random.default_rng(3)
    sides, points = rng.uniform(20, 500, 400), rng.uniform(0, 1000, (400, 5, 2))
    noisy = in_steps(points + rng.normal(0, 1e-6, points.shape), sides + rng.normal(0, 1e-6, 400))
    assert (noisy == in_steps(points, sides)).mean() > 0.999


def test_a_window_without_a_side_keeps_its_places():
    np.testing.assert_array_equal(in_steps(np.array([[1.2345], [1.2345]]), np.array([0.0, 64])), [[1.2345], [1.25]])
