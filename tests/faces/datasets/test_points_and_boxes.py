"""Which points and boxes are made of what a list says, whatever its format."""
import numpy as np
import pytest

from deeplandmark.detectors.box_map import fit_edge_shifts
from deeplandmark.faces import IBUG_68, Annotation, BBox, read_faces
from deeplandmark.faces.alignment import ARCFACE
from deeplandmark.faces.box_of_points import completed
from deeplandmark.faces.datasets.formats import format_to_write
from deeplandmark.faces.points import SETS
from tests.helpers.fake_cascade import synthetic_list


def test_five_of_every_set(tmp_path):
    """The five of 68, 88 and 98 points are those that the sets tell; hidden ones stay hidden."""
    for points in SETS.values():
        px = np.random.default_rng(4).uniform(20, 80, (len(points), 2))
        px[points.five[2][0]] = np.nan
        format_to_write(tmp_path / "a.csv").write(
            tmp_path / "a.csv", [Annotation(tmp_path / "a.jpg", BBox(1, 2, 90, 99), px, "", 1)], points)
        ((face,), _) = read_faces(tmp_path / "a.csv")
        found = face.landmark_px
        assert np.isnan(found[2]).all()
        for i, part in enumerate(points.five):
            np.testing.assert_allclose(found[i], px[list(part)].mean(axis=0), atol=1e-6)


def test_a_face_without_any_point_that_is_asked_for_is_named(tmp_path):
    """Sixty-eight points of which only the contour is visible are none of the five."""
    px = np.full((68, 2), np.nan)
    px[:17] = np.random.default_rng(4).uniform(20, 80, (17, 2))
    whole = np.random.default_rng(5).uniform(20, 80, (68, 2))
    faces_of_68 = [Annotation(tmp_path / "a.jpg", BBox(1, 2, 90, 99), each, "", 1) for each in (px, whole)]
    format_to_write(tmp_path / "a.csv").write(tmp_path / "a.csv", faces_of_68, IBUG_68)
    assert len(read_faces(tmp_path / "a.csv", IBUG_68)[0]) == 2
    faces, (problem,) = read_faces(tmp_path / "a.csv")
    assert len(faces) == 1 and "a.csv:2: no point is visible" in str(problem)


@pytest.mark.parametrize("hidden", [(), (0,), (2, 4), (0, 1, 2)])
def test_boxes_are_made_of_the_points_that_are_visible(hidden):
    """A common face is completed exactly, wherever it is, however large and turned."""
    rng = np.random.default_rng(5)
    turn = rng.uniform(0.5, 3) * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    face = ARCFACE.points @ turn.T + rng.uniform(0, 99, 2)
    seen = face.copy()
    seen[list(hidden)] = np.nan
    np.testing.assert_allclose(completed(seen), face, atol=1e-6)
    with pytest.raises(ValueError):
        completed(np.where(np.arange(5)[:, None] == 2, face, np.nan))


def test_boxes_made_of_points_are_the_lists_kind(tmp_path):
    """Made of the five of synthetic faces they lie, on average, where the list's own do."""
    path = synthetic_list(tmp_path, 40)
    own, made = (np.array([face.bbox.as_array() for face in read_faces(path, boxes=kind)[0]])
                 for kind in ("", "points"))
    shifts, left_over = fit_edge_shifts(made, own)
    assert np.abs(shifts).max() < 0.2 and np.median(np.abs(left_over)) < 0.1
