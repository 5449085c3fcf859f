"""Errors in closed form, and what is refused."""
import numpy as np
import pytest

from deeplandmark.cascade.metrics import (INTEROCULAR_FAILURE, cumulative_curve, detection_error, failure_rate,
                                          interocular_error)

TRUTH = np.array([[[0, 0], [10, 0], [5, 5], [2, 8], [8, 8]]], dtype=float)


def test_error_is_distance_over_box_width():
    predicted = TRUTH + [[[3, 4]]]
    np.testing.assert_allclose(detection_error(predicted, TRUTH, [50]), np.full((1, 5), 0.1))
    np.testing.assert_allclose(detection_error(predicted[0], TRUTH[0], 100), np.full(5, 0.05))


def test_each_face_has_its_own_width():
    errors = detection_error(np.repeat(TRUTH + [[[0, 1]]], 2, axis=0), np.repeat(TRUTH, 2, axis=0), [10, 100])
    np.testing.assert_allclose(errors, [[0.1] * 5, [0.01] * 5])


def test_interocular_error_uses_the_true_eyes():
    predicted = TRUTH + [[[5, 0], [0, 0], [0, 0], [0, 0], [0, 1]]]
    np.testing.assert_allclose(interocular_error(predicted, TRUTH), [[0.5, 0, 0, 0, 0.1]])


def test_interocular_error_of_one_eye_is_not_a_number():
    assert np.isnan(interocular_error(np.zeros((1, 5, 2)), np.ones((1, 5, 2)))).all()


def test_a_failure_lies_above_the_limit_not_on_it():
    np.testing.assert_allclose(failure_rate([[0.05, 0.0501], [0.0, np.nan]]), [0, 1])
    assert failure_rate([0.05, 0.1, 0.11], INTEROCULAR_FAILURE) == pytest.approx(1 / 3)


def test_cumulative_curve_counts_what_lies_on_the_threshold():
    np.testing.assert_allclose(cumulative_curve([[0.01, 0.02], [0.03, 0.5]], [0, 0.02, 0.03, 1]), [0, 0.5, 0.75, 1])
    with pytest.raises(ValueError, match="at least one error"):
        cumulative_curve([], [0.1])


def test_refusals():
    with pytest.raises(ValueError, match="box width must be above 0, found 0"):
        detection_error(TRUTH, TRUTH, [0])
    with pytest.raises(ValueError, match="shapes"):
        detection_error(TRUTH[:, :3], TRUTH, [10])
