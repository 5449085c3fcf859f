"""Scenes: each face lies where its row says, none is hidden, places that are not known are marked."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplandmark.detector_training import candidates, cut_outs
from deeplandmark.detector_training.scenes import FACE, MAYBE, OBJECTS, VALUES, Scene, ScenePlan, compose
from deeplandmark.detectors.single_shot import WINDOW
from deeplandmark.faces.halves import Halves
from deeplandmark.faces.points import FIVE_POINTS

POINTS = np.array([[[70.0, 60], [110, 62], [92, 84], [76, 104], [106, 105]]])
COLOURS = np.array([(255, 40, 40), (40, 255, 40), (40, 40, 255), (255, 255, 40), (40, 255, 255)])


def dotted():
    """A grey picture with a dot of another colour at each of the five points, and a suspected place at its right."""
    image = np.full((200, 240, 3), 100, np.uint8)
    y, x = np.mgrid[:200, :240]
    for point, colour in zip(POINTS[0], COLOURS):
        image[np.hypot(x - point[0], y - point[1]) < 6] = colour
    return cut_outs.Labelled(image, POINTS.copy(), np.array([[180.0, 30, 220, 70]]))


def empty(rng=None):
    return cut_outs.Labelled(np.full((150, 150, 3), 30, np.uint8), np.zeros((0, 5, 2)), np.zeros((0, 4)))


def found_dots(image, points):
    """The middles of the dots within a few pixels of points (5, 2), so that others do not count."""
    y, x = np.mgrid[:image.shape[0], :image.shape[1]]
    found = []
    for point, colour in zip(points, COLOURS):
        near = np.hypot(x - point[0], y - point[1]) < 9
        like = near & (np.abs(image.astype(int) - colour).max(axis=2) < 70)
        found.append([x[like].mean(), y[like].mean()] if like.any() else [np.nan, np.nan])
    return np.array(found)


@settings(max_examples=40, deadline=None)
@given(st.floats(-180, 180), st.floats(0.75, 1.4), st.booleans(), st.booleans())
def test_a_face_lies_where_its_points_say(angle, scale, mirrored, reduced):
    picture = dotted()
    colours = COLOURS
    if mirrored:
        picture, colours = cut_outs.mirrored(picture), COLOURS[list(FIVE_POINTS.mirror)]
    picture = cut_outs.part_of(picture, np.array([30.0, 20, 190, 150]))
    if reduced:
        picture, left = cut_outs.shrunk(picture, 0.6)
        assert left == 1.0
    scene = Scene(np.full((256, 256, 3), 30, np.uint8))
    assert scene.lay(picture, cut_outs.placing(picture.points[0].mean(0), (128, 128), scale, angle))
    found = found_dots(scene.image, scene.points[0][np.argsort([COLOURS.tolist().index(c) for c in colours.tolist()])])
    expected = scene.points[0][np.argsort([COLOURS.tolist().index(c) for c in colours.tolist()])]
    np.testing.assert_allclose(found, expected, atol=0.6)


def test_a_mirrored_face_keeps_its_left_eye_at_the_left():
    points = cut_outs.mirrored(dotted()).points[0]
    assert points[0, 0] < points[1, 0] and points[3, 0] < points[4, 0]


def test_a_face_may_not_be_covered():
    scene = Scene(np.full((256, 256, 3), 30, np.uint8))
    over = cut_outs.placing((92, 83), (100, 100), 1, 0)
    assert scene.lay(dotted(), over)
    before = scene.image.copy()
    assert not scene.lay(empty(), cut_outs.placing((75, 75), (110, 110), 1, 0))
    np.testing.assert_array_equal(scene.image, before)
    assert scene.lay(empty(), cut_outs.placing((75, 75), (240, 240), 1, 0))


@pytest.mark.parametrize("scale, to, kind", [(1, (128, 128), FACE), (0.1, (128, 128), MAYBE), (1, (250, 128), MAYBE),
                                             (1, (900, 128), None)])
def test_faces_too_small_or_cut_off_are_not_to_be_learnt(scale, to, kind):
    scene = Scene(np.full((256, 256, 3), 30, np.uint8))
    picture = cut_outs.Labelled(dotted().image, POINTS, np.zeros((0, 4)))
    scene.lay(picture, cut_outs.placing((92, 83), to if kind != MAYBE or scale < 1 else (262, 128), scale, 0))
    objects = scene.objects(9)
    assert objects.shape == (OBJECTS, VALUES)
    assert objects[objects[:, 0] != 0, 0].tolist() == ([] if kind is None else [kind])


def test_suspected_places_are_marked_except_on_faces():
    scene = Scene(np.full((256, 256, 3), 30, np.uint8))
    face = cut_outs.face_boxes(POINTS)
    picture = cut_outs.Labelled(dotted().image, POINTS, np.concatenate([face, [[180.0, 30, 220, 70]]]))
    scene.lay(picture, cut_outs.placing((0, 0), (10, 20), 1, 0))
    objects = scene.objects(9)
    maybe = objects[objects[:, 0] == MAYBE]
    np.testing.assert_allclose(maybe[:, 1:5], [[190, 50, 230, 90]], atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2 ** 32 - 1))
def test_scenes_are_whole_and_the_same_again(seed):
    scenes = [compose(ScenePlan(), lambda rng: dotted(), empty, np.random.default_rng(seed)) for _ in range(2)]
    (image, objects), (again, others) = scenes
    np.testing.assert_array_equal(image, again)
    np.testing.assert_array_equal(objects, others)
    assert image.shape == (192, 192, 3) and image.dtype == np.uint8 and objects.dtype == np.float32
    faces = objects[objects[:, 0] == FACE]
    sides = faces[:, 3] - faces[:, 1]
    assert (sides >= 9).all() and np.isfinite(objects).all(), f"seed {seed}"
    middles = (faces[:, 1:3] + faces[:, 3:5]) / 2
    assert ((middles > -faces[:, [3]] / 2) & (middles < 192 + sides[:, None] / 2)).all()


class Sees:
    """A detector that says what it was told."""

    def __init__(self, points):
        self.points = points

    def candidates(self, picture, least_score):
        assert isinstance(picture, Halves) and least_score < 0.3
        return self.points.copy(), np.linspace(0.9, 0.2, len(self.points))


def test_windows_of_faces_of_others_and_of_neither(monkeypatch):
    for name in ("SHIFT", "SCALE", "TURN"):
        monkeypatch.setattr(candidates, name, 0)
    objects = np.zeros((3, VALUES), np.float32)
    objects[0] = [FACE, *cut_outs.face_boxes(POINTS)[0], *POINTS.ravel()]
    objects[1, :5] = MAYBE, 150, 20, 230, 80
    side = objects[0, 3] - objects[0, 1]
    seen = np.concatenate([POINTS, POINTS + 0.1 * side, POINTS + 0.25 * side, POINTS + (90, -30), POINTS + (10, 85)])
    rows = candidates.windows_of(dotted().image, objects, Sees(seen), np.random.default_rng(0))
    assert sorted(float(row["label"]) for row in rows) == [0, 1, 1]     # neither is near, and what lies in a place that
    for row in rows:                                                     # is not known
        assert row["pixels"].shape == (3, WINDOW, WINDOW) and row["pixels"].dtype == np.uint8
        np.testing.assert_array_equal(row["weights"], row["label"])
        if row["label"]:
            image = row["pixels"][::-1].transpose(1, 2, 0)
            places = row["place"].reshape(5, 2) * WINDOW + (WINDOW - 1) / 2
            np.testing.assert_allclose(found_dots(image, places), places, atol=0.8)
