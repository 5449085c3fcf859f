"""Labels beside the points that people set."""
import numpy as np
import pytest

from deeplandmark.annotating.hand_points import NOISE, SHARE, compared, moved
from deeplandmark.faces.points import FIVE_POINTS
from deeplandmark.faces.upright import MEAN_FACE

SEED = 11
# What people mean: a bit below the eyes, inside the corners of the mouth.
MEANT = np.array([[0, 0.02], [0, 0.02], [0, -0.03], [0.02, 0], [-0.02, 0]])


def faces(count, noise=0.0, shift=(0.0, 0.0)):
    """(machine's five, hand-set five, the faces' turns, complex) of turned faces; hands lie by `shift` beside."""
    print("seed", SEED)
    random = np.random.default_rng(SEED)
    turns = random.uniform(40, 150, (count, 1)) * np.exp(1j * random.uniform(-0.5, 0.5, (count, 1)))

    def placed(shape):
        places = (shape @ [1, 1j]) * turns + 200
        return np.stack([places.real, places.imag], axis=-1)
    five = placed(np.broadcast_to(MEAN_FACE, (count, 5, 2)))
    hand = placed(MEAN_FACE + MEANT + shift + random.normal(0, noise, (count, 5, 2)))
    return five, hand, turns


def test_what_is_meant_is_told_from_what_lies_beside():
    five, hand, _ = faces(60, shift=(0.05, 0))
    found = compared(five, hand)
    scale = np.abs(found.frames.sides[0]) / np.linalg.norm(five[0, 1] - five[0, 0]) * 0.47     # box widths here
    assert found.meaning * scale == pytest.approx(MEANT @ [1, 1j], abs=1e-3)
    assert found.meaning == pytest.approx(-found.meaning[list(FIVE_POINTS.mirror)].conj())
    assert found.beside * scale == pytest.approx(0.05, abs=1e-3)
    assert found.errors.max() < 1e-6


def test_nothing_moves_where_both_agree():
    five, hand, _ = faces(40)
    assert moved(five, five, compared(five, hand)) == pytest.approx(five, abs=1e-6)


def test_points_near_a_hand_set_one_follow_it_and_others_by_half():
    five, hand, turns = faces(40)
    step = turns[0, 0] * 0.1
    hand[0, 2] += [step.real, step.imag]                                # one nose is a tenth of a box elsewhere
    found = compared(five, hand)
    chin = five[:, 2:3] + (five[:, 3:4] + five[:, 4:5] - 2 * five[:, 2:3]) * 3
    labels = moved(np.concatenate([five, chin], axis=1), five, found)
    went = np.linalg.norm(labels[0] - np.r_[five[0], chin[0]], axis=1) / np.abs(step)
    rest = 1 - SHARE / 5
    assert SHARE / 5 + rest / (1 + NOISE) - 0.1 < went[2] < 1
    assert went[5] == pytest.approx(SHARE / 5, abs=0.03)                # far from all five
    assert labels[1:, :5] == pytest.approx(five[1:], abs=1e-6)


def test_hidden_points_say_nothing():
    five, hand, turns = faces(40)
    hand[0, 4] = np.nan
    step = turns[0, 0] * 0.1
    hand[0, :4] += [step.real, step.imag]
    found = compared(five, hand)
    assert np.isnan(found.errors[0, 4]) and np.nanmean(found.errors[0]) > 0.05
    labels = moved(five, five, found)
    assert np.isfinite(labels).all()
    went = np.linalg.norm(labels[0] - five[0], axis=1) / np.abs(step)
    assert went[:4].min() > 0.7 and 0.3 < went[4] < 1


def test_labels_come_nearer_to_the_truth_than_either_side():
    """Where machine and hands err independently."""
    truth, hand, turns = faces(300, noise=0.02)
    random = np.random.default_rng(SEED + 1)
    together = random.normal(0, 0.03, (300, 1, 2)) + random.normal(0, 0.005, (300, 5, 2))
    off = (together @ [1, 1j]) * turns
    machine = truth + np.stack([off.real, off.imag], axis=-1)
    labels = moved(machine, machine, compared(machine, hand))

    def error(points):
        return (np.linalg.norm(points - truth, axis=2) / np.abs(turns)).mean()
    assert error(labels) < 0.85 * error(machine)
