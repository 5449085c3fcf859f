"""Recall at so many false boxes: lists of every kind, matching, what a threshold lets through, by loops."""
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplandmark import evaluate_detection
from deeplandmark.detectors import Detections, intersection_over_union
from deeplandmark.faces.box_of_points import boxes_of_points
from deeplandmark.faces.errors import ListError
from deeplandmark.measuring.detection_curve import DetectionCurve, first_on_a_face, measure_places, measure_stages
from deeplandmark.measuring.labelled_places import Places, boxes_of_ellipses, read_places
from deeplandmark.measuring.report_detection import detection_table, read_others
from tests.helpers.fake_cascade import synthetic_list


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("a/1.png", "a/2.png", "a/3.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((100, 120, 3), np.uint8))
    return tmp_path


def test_lists_of_boxes_and_of_points(pictures):
    (pictures / "boxes.csv").write_text("picture,left,top,right,bottom\na/1.png,1,2,30,40\na/1.png,50,50,70,71\n")
    found = read_places(pictures / "boxes.csv")
    assert [(place.path.name, place.boxes and np.array(place.boxes).tolist()) for place in found] == [
        ("1.png", [[1, 2, 30, 40], [50, 50, 70, 71]]), ("2.png", []), ("3.png", [])]
    points = [[20, 20], [40, 22], [30, 30], [22, 40], [38, 41.5]]
    names = [f"{name}_{axis}" for name in ("left_eye", "right_eye", "nose", "left_mouth", "middle_mouth", "right_mouth")
             for axis in "xy"]
    numbers = [*np.ravel(points[:4]), 30, 45, *points[4]]
    (pictures / "points.csv").write_text(f"picture,{','.join(names)}\na/2.png,{','.join(map(str, numbers))}\n")
    place = read_places(pictures / "points.csv")[0]
    np.testing.assert_allclose(place.as_array(), boxes_of_points([points]))


def test_ellipses(pictures):
    (pictures / "fddb.txt").write_text("1\n1\n30 20 1.570796 50 60  1\n2.png\n2\n30 20 0 50 60 1\n5 5 0.3 9 8 1\n")
    first, second = read_places(pictures / "fddb.txt", pictures / "a")
    assert (first.path.name, second.path.name) == ("1.jpg", "2.png")
    np.testing.assert_allclose(first.boxes, [[30, 30, 70, 90]], atol=1e-4)
    np.testing.assert_allclose(second.boxes, [[20, 40, 80, 80], [4, 3, 14, 13]], atol=1e-4)


@given(st.floats(1, 50), st.floats(1, 50), st.floats(-4, 4), st.floats(0, 100), st.floats(0, 100))
def test_an_ellipse_just_fits_into_its_box(first, second, angle, x, y):
    turn = np.linspace(0, 2 * np.pi, 3000)
    along, across = first * np.cos(turn), second * np.sin(turn)
    edge = np.stack([x + along * np.cos(angle) - across * np.sin(angle),
                     y + along * np.sin(angle) + across * np.cos(angle)], axis=1)
    expected = [*edge.min(axis=0), *edge.max(axis=0)]
    np.testing.assert_allclose(boxes_of_ellipses([[first, second, angle, x, y]])[0], expected, atol=1e-3)


def test_folders_and_lists_of_faces(pictures):
    assert [place.boxes for place in read_places(pictures)] == [[]] * 3
    (pictures / "more").mkdir()
    labelled = read_places(synthetic_list(pictures / "more", 4))
    assert len(labelled) == 4 and all(len(place.boxes) == 1 for place in labelled)


@pytest.mark.parametrize("text, message", [
    ("picture,left,top,right\na/1.png,1,2,3\n", "expected columns picture and left, top, right, bottom or left_eye_x"),
    ("picture,left,top,right,bottom\na/1.png,1,2,x,4\n", "list.csv:2: expected numbers left"),
    ("picture,left,top,right,bottom\na/1.png,1,2,3\n", "list.csv:2: expected numbers left")])
def test_lists_that_cannot_be_read(pictures, text, message):
    (pictures / "list.csv").write_text(text)
    with pytest.raises(ListError, match=message):
        read_places(pictures / "list.csv")
    (pictures / "list.txt").write_text("1\n2\n30 20 0 50 60 1\n")
    with pytest.raises(ListError, match="list.txt:1: expected a picture, a number"):
        read_places(pictures / "list.txt")
    (pictures / "empty").mkdir()
    with pytest.raises(ListError, match="no pictures in it"):
        read_places(pictures / "empty")


boxes_drawn = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(4, 12)), max_size=7).map(
    lambda rows: np.array([[x, y, x + side, y + side] for x, y, side in rows], float).reshape(-1, 4))


@settings(max_examples=60)
@given(boxes_drawn, boxes_drawn)
def test_matching_by_loops(boxes, faces):
    free, expected = list(range(len(faces))), []
    for box in boxes:
        best = max(free, key=lambda j: (intersection_over_union(box, faces[j])[0, 0], -j), default=None)
        right = best is not None and intersection_over_union(box, faces[best])[0, 0] >= 0.5
        expected.append(right)
        if right:
            free.remove(best)
    assert first_on_a_face(boxes, faces).tolist() == expected


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=12), st.integers(0, 6))
def test_what_a_threshold_lets_through_by_loops(rows, most):
    faces = 1 + sum(right for _, right in rows)
    scores, right = (np.array([row[i] for row in rows], kind) for i, kind in ((0, float), (1, bool)))
    result = DetectionCurve((Places("a", [0] * faces),), (np.zeros((len(rows), 4)),), (scores,), (right,), None, 0.0)
    best = 0
    for threshold in range(7):
        through = scores >= threshold
        if (through & ~right).sum() <= most:
            best = max(best, (through & right).sum())
    assert result.recall(most) == pytest.approx(best / faces) and result.recall() == right.sum() / faces


def detector_of(answers):
    """One that finds what is said for the brightness of the picture's corner."""
    return SimpleNamespace(detect=lambda image: Detections.of(*answers[int(image[0, 0, 0])]))


def test_boxes_of_another_kind_are_brought_to_the_lists(tmp_path):
    """The detector's are a third too tall; four numbers of the list itself make them fit."""
    rng, answers, places = np.random.default_rng(0), {}, []
    for number in range(30):
        left, top, side = rng.uniform(5, 40, 3)
        answers[number] = ([[left, top - 0.9 * side - 9, left + side + 10, top + side + 10]], [1])
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), np.full((100, 100, 3), number, np.uint8))
        places.append(Places(path, [[left, top, left + side + 10, top + side + 10]]))
    fitted = measure_places(detector_of(answers), places, threads=2)
    as_they_are = measure_places(detector_of(answers), places, threads=1, fit=False)
    np.testing.assert_allclose(fitted.shifts, [0, 0.9 / 1.9, 0, 0], atol=0.02)
    assert fitted.recall(0) == 1 and as_they_are.recall(0) > 0.9 and as_they_are.shifts is None
    assert measure_stages(detector_of(answers), places) == []


def test_the_table_and_the_rows_of_others(tmp_path):
    (tmp_path / "others.csv").write_text("name,false_boxes,recall\nthem,5,0.75\n")
    others = read_others(tmp_path / "others.csv")
    result = DetectionCurve((Places("a", [0, 0]), Places("b")), (np.zeros((2, 4)), np.zeros((1, 4))),
                            (np.array([3.0, 1]), np.array([2.0])), (np.array([True, True]), np.array([False])), None, 0)
    table = detection_table(result, (0, 5), others)
    assert "found at    0 false boxes         50.0%" in table and "1 on no labelled face (0.500 a picture)" in table
    assert "found at    5 false boxes         100.0%   (them 75.0%)" in table
    (tmp_path / "others.csv").write_text("name,recall\nthem,0.75\n")
    with pytest.raises(ListError, match="others.csv:2: expected name, false_boxes, recall"):
        read_others(tmp_path / "others.csv")


def test_the_command(tmp_path, capsys):
    synthetic_list(tmp_path, 3)
    arguments = ["--list", str(tmp_path / "testImageList.txt"), "--roc", str(tmp_path / "roc.png"), "--sheet",
                 str(tmp_path / "false.png"), "--false-boxes", "3"]
    assert evaluate_detection.main(arguments) == 0
    assert "labelled faces                    3\n" in capsys.readouterr().out
    assert cv2.imread(str(tmp_path / "roc.png")).shape[0] > 200
    assert not (tmp_path / "false.png").exists()                 # no box is false
    assert evaluate_detection.main([]) == 1 and "give --data FOLDER, or --list" in capsys.readouterr().err
