"""Errors in closed form, and what is refused."""
import numpy as np
import pytest

from deeplandmark.faces.metrics import (
    INTEROCULAR_FAILURE,
    cumulative_curve,
    detection_error,
    failure_rate,
    interocular_error,
    mean_error,
    rejection_curve,
    reliability,
)

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


def test_points_that_are_not_visible_are_left_out():
    """Of every mean, share and curve; a prediction that is no number is as far off as can be."""
    truth, predicted = np.repeat(TRUTH, 3, axis=0), np.repeat(TRUTH, 3, axis=0) + [[[3, 0]]]
    truth[0, 2] = truth[1] = np.nan
    predicted[2, 4] = np.nan
    errors = detection_error(predicted, truth, [10, 10, 20])
    nan = np.nan
    np.testing.assert_array_equal(errors, [[0.3, 0.3, nan, 0.3, 0.3], [nan] * 5, [0.15] * 4 + [np.inf]])
    np.testing.assert_allclose(mean_error(errors), [0.225, 0.225, 0.15, 0.225, np.inf])
    np.testing.assert_allclose(failure_rate(errors, 0.2), [0.5, 0.5, 0, 0.5, 1])
    assert failure_rate(errors, 0.2, axis=None) == pytest.approx(5 / 9)
    np.testing.assert_allclose(cumulative_curve(errors, [0.2, 0.4]), [4 / 9, 8 / 9])
    assert np.isnan(mean_error(errors[1])) and np.isnan(failure_rate(errors[1]))
    truth[2, 1] = nan                                            # an eye, by which the others are measured
    assert np.isnan(interocular_error(predicted, truth)[2]).all()
    np.testing.assert_allclose(rejection_curve([0.1, 0.9], [[1, nan, 1], [0, 1, nan]], [0, 0.5]), [0.75, 0.5])


def test_cumulative_curve_counts_what_lies_on_the_threshold():
    np.testing.assert_allclose(cumulative_curve([[0.01, 0.02], [0.03, 0.5]], [0, 0.02, 0.03, 1]), [0, 0.5, 0.75, 1])
    with pytest.raises(ValueError, match="at least one error"):
        cumulative_curve([], [0.1])


def test_reliability_by_hand():
    found = reliability([[0.1, 0.3], [0.9, 1.0]], [[False, True], [True, False]], bins=2)
    np.testing.assert_allclose(found.edges, [[0, 0.5], [0.5, 1]])
    np.testing.assert_allclose([found.count, found.confidence, found.right], [[2, 2], [0.2, 0.95], [0.5, 0.5]])
    assert found.expected_calibration_error == pytest.approx((0.3 + 0.45) / 2)
    uneven = reliability([0.2, 0.7, 0.7, 0.7], [False, True, True, True], bins=2)
    assert uneven.expected_calibration_error == pytest.approx((0.2 + 3 * 0.3) / 4)       # a mean over points, not bins
    assert len(reliability([0.99] * 4, [True] * 4).count) == 1  # empty bins are left out


def test_confidences_drawn_true_are_found_calibrated():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0, 1, 200000)
    right = rng.uniform(0, 1, 200000) < confidence
    assert reliability(confidence, right).expected_calibration_error < 0.01
    assert reliability(confidence ** 2, right).expected_calibration_error == pytest.approx(1 / 2 - 1 / 3, abs=0.01)


def test_rejecting_the_least_confident_faces():
    wrong = np.zeros((20, 5), bool)
    wrong[3], wrong[7, 0] = True, True
    confidence = np.ones(20)
    confidence[3] = 0.1
    np.testing.assert_allclose(rejection_curve(confidence, wrong, [0, 0.04, 0.05]), [0.06, 0.06, 1 / 95])
    # 0.29 of 100 faces are 29, though 0.29 * 100 is less in binary fractions.
    wrong = np.arange(100)[:, None] < 29
    assert rejection_curve(np.arange(100), wrong, [0.28, 0.29]).tolist() == [1 / 72, 0]


def test_refusals():
    with pytest.raises(ValueError, match="box width must be above 0, found 0"):
        detection_error(TRUTH, TRUTH, [0])
    with pytest.raises(ValueError, match="shapes"):
        detection_error(TRUTH[:, :3], TRUTH, [10])
    for confidence, right in (([], []), ([0.5], [True, False]), ([1.5], [True]), ([np.nan], [True])):
        with pytest.raises(ValueError, match="0..1"):
            reliability(confidence, right)
