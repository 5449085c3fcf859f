"""Targets that are part label, part a teacher's answer."""
from dataclasses import replace

import h5py
import numpy as np
import pytest

from deeplandmark.cascade.cascade import Cascade
from deeplandmark.faces.augment import Face, mirror_points
from deeplandmark.faces.points import FIVE_POINTS, SETS
from deeplandmark.models.families import family_of, settings_of
from deeplandmark.networks.published import model_at
from deeplandmark.training.prepare import Plan, prepare
from deeplandmark.training.teacher import VIEWS, taught, teachers_of
from tests.helpers.fake_cascade import synthetic_list

BOX = np.array([110.0, 60, 300, 280])
POINTS_PX = np.array([[160.0, 110], [250, 112], [np.nan, np.nan], [170, 210], [240, 213]])


def test_a_target_lies_between_the_label_and_the_mean_answer():
    """Teachers are asked in several boxes near the face's, mirrored in half of them; points that are not visible stay
    so."""
    asked = []

    class Teacher:
        def __init__(self, right):
            self.right = right                                   # of every point, in any picture

        def predict(self, image, boxes):
            asked.append((image, boxes))
            return np.full((len(boxes), 5, 2), (self.right, 30.0))
    image = np.zeros((300, 400), np.uint8)
    image[:, :7] = 255
    found = taught(Face(image, BOX, POINTS_PX), [Teacher(100.0), Teacher(140.0)], 0.25, FIVE_POINTS,
                   np.random.default_rng(0))
    visible, mean = [0, 1, 3, 4], [(100 + (399 - 100) + 140 + (399 - 140)) / 4, 30]
    np.testing.assert_allclose(found.points_px[visible], 0.75 * POINTS_PX[visible] + 0.25 * np.array(mean))
    assert np.isnan(found.points_px[2]).all() and (found.box == BOX).all()
    assert [picture[0, 0] for picture, _ in asked] == [255, 0] * 2
    boxes = np.concatenate([boxes if picture[0, 0] else 399 - boxes[:, [2, 1, 0, 3]] * [1, -1, 1, -1] - [0, 399] * 2
                            for picture, boxes in asked])
    assert boxes.shape == (2 * VIEWS, 4) and (np.ptp(boxes, axis=0) > 1).all()
    assert np.abs(boxes - BOX).max() < 0.08 * 220


def test_a_point_of_a_mirrored_view_is_that_of_the_other_side():
    class Teacher:
        def predict(self, image, boxes):
            truth = POINTS_PX if image[0, 0] else mirror_points(POINTS_PX, 400)
            return np.repeat(truth[None], len(boxes), axis=0)
    image = np.zeros((300, 400), np.uint8)
    image[:, :7] = 255
    found = taught(Face(image, BOX, POINTS_PX), [Teacher()], 1.0, FIVE_POINTS, np.random.default_rng(0))
    np.testing.assert_allclose(found.points_px, POINTS_PX)


def test_who_is_taught():
    """The light family, by the published weights; other families, and other points than those, by nobody."""
    assert teachers_of(family_of("light"), FIVE_POINTS) == (model_at("wide"), model_at("light"))
    assert not teachers_of(family_of("wide"), FIVE_POINTS) and not teachers_of(family_of("light"), SETS["68"])


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
    assert all(Cascade.load(teacher).points == FIVE_POINTS for teacher in plans["half"].teachers)
