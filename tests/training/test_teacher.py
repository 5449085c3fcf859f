"""Targets that are part label, part a teacher's answer."""
from dataclasses import replace

import h5py
import numpy as np
import pytest

from deeplandmark.cascade.cascade import Cascade
from deeplandmark.faces.augment import Face
from deeplandmark.faces.points import FIVE_POINTS, SETS
from deeplandmark.models.families import family_of, settings_of
from deeplandmark.networks.published import default_model
from deeplandmark.training.prepare import Plan, prepare
from deeplandmark.training.teacher import VIEWS, taught, teacher_of
from tests.helpers.fake_cascade import synthetic_list

BOX = np.array([110.0, 60, 300, 280])
POINTS_PX = np.array([[160.0, 110], [250, 112], [np.nan, np.nan], [170, 210], [240, 213]])


def test_a_target_lies_between_the_label_and_the_mean_answer():
    """The teacher is asked in several boxes near the face's; points that are not visible stay so."""
    asked = []

    class Teacher:
        def predict(self, image, boxes):
            asked.append(boxes)
            return np.stack([np.full((5, 2), 10.0 * i) for i in range(len(boxes))])
    found = taught(Face(np.zeros((300, 400), np.uint8), BOX, POINTS_PX), Teacher(), 0.25, FIVE_POINTS,
                   np.random.default_rng(0))
    visible = [0, 1, 3, 4]
    np.testing.assert_allclose(found.points_px[visible], 0.75 * POINTS_PX[visible] + 0.25 * 5 * (VIEWS - 1))
    assert np.isnan(found.points_px[2]).all() and (found.box == BOX).all()
    assert asked[0].shape == (VIEWS, 4) and (np.ptp(asked[0], axis=0) > 1).all()
    assert np.abs(asked[0] - BOX).max() < 0.08 * 220


def test_who_is_taught():
    """The light family, by the published weights; other families, and other points than those, by nobody."""
    assert teacher_of(family_of("light"), FIVE_POINTS) == default_model()
    assert teacher_of(family_of("wide"), FIVE_POINTS) is None and teacher_of(family_of("light"), SETS["68"]) is None


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return synthetic_list(tmp_path_factory.mktemp("pictures"), 10)


def test_samples_hold_the_mixture_and_held_back_faces_the_label(pictures, tmp_path):
    family, settings = family_of("light"), settings_of("light")
    plans = {name: replace(Plan.of(family, settings, 1), taught=share) for name, share in
             (("none", 0.0), ("half", 0.5), ("all", 1.0))}
    targets = {}
    for name, plan in plans.items():
        prepare(plan, pictures, tmp_path / name, jobs=1)
        for part in ("train", "test"):
            with h5py.File(tmp_path / name / "1_L" / f"{part}.h5") as file:
                targets[name, part] = np.asarray(file["landmark"])
    assert targets["all", "train"].shape == (18, 10)             # nine faces, and mirrored
    np.testing.assert_allclose(targets["half", "train"], (targets["none", "train"] + targets["all", "train"]) / 2,
                               atol=1e-6)
    assert 0.001 < np.abs(targets["all", "train"] - targets["none", "train"]).mean() < 0.3
    np.testing.assert_array_equal(targets["all", "test"], targets["none", "test"])
    assert len({plan.fingerprint(pictures) for plan in plans.values()}) == 3
    assert Cascade.load(plans["half"].teacher).points == FIVE_POINTS
