"""Formats of lists: as others write them, there and back, and which points and boxes are made of them."""
import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplandmark.detectors.given import read_boxes
from deeplandmark.faces import FIVE_POINTS, IBUG_68, Annotation, BBox, ListError, Points, read_faces
from deeplandmark.faces.box_of_points import boxes_of_points
from deeplandmark.faces.datasets.formats import FORMATS, format_of, format_to_write
from deeplandmark.faces.datasets.read_faces import hash_of, read_labels
from deeplandmark.faces.points import FACE_88, WFLW_98
from tests.helpers.fake_cascade import synthetic_list

FIVE = np.array([[30, 40], [60, 41], [46, 55], [33, 70], [58, 71]], float)
EARS = Points(("left_ear", "right_ear", "chin"), (1, 0, 2))


def only(path, points=FIVE_POINTS, **more):
    (found,), problems = read_faces(path, points, **more)
    assert problems == []
    return found


# ------------------------------------------------------------------------------------------ as others write the formats
def test_pts_are_counted_from_1_and_lie_beside_their_pictures(tmp_path):
    rng = np.random.default_rng(0)
    points = rng.integers(20, 200, (68, 2)).astype(float)
    (tmp_path / "helen").mkdir()
    body = "".join(f"{x:.6f} {y:.6f}\n" for x, y in points)
    for name in ("b", "a"):
        (tmp_path / "helen" / f"{name}.pts").write_text(f"version: 1\nn_points:  68\n{{\n{body}}}\n")
    (tmp_path / "helen" / "a.png").touch()
    found, _ = read_faces(tmp_path, IBUG_68)
    assert [face.path.relative_to(tmp_path).as_posix() for face in found] == ["helen/a.png", "helen/b.jpg"]
    np.testing.assert_array_equal(found[0].landmark_px, points - 1)
    np.testing.assert_allclose(found[0].bbox.as_array(), boxes_of_points(IBUG_68.to_five(points - 1)[None])[0])
    single = only(tmp_path / "helen" / "a.pts")
    assert single.path == tmp_path / "helen" / "a.png"
    np.testing.assert_array_equal(single.landmark_px, IBUG_68.to_five(points - 1))


def test_pts_that_are_wrong_are_named(tmp_path):
    good = "version: 1\nn_points: 2\n{\n1 2\n3 4\n}\n"
    for i in range(6):
        (tmp_path / f"{i}.pts").write_text(good)
    (tmp_path / "1.pts").write_text(good.replace("3 4", "3 x"))
    (tmp_path / "3.pts").write_text(good.replace("3 4\n", ""))
    (tmp_path / "4.pts").write_text(good.replace("n_points: 2", "n_points: 1").replace("3 4\n", ""))
    faces, problems = read_faces(tmp_path, Points(("A", "B"), (1, 0)))
    assert [face.line for face in faces] == [1, 3, 6] and [problem.line for problem in problems] == [2, 4, 5]
    assert "between braces" in str(problems[0]) and "expected 2 points, found 1" in str(problems[1])
    before = hash_of(tmp_path)
    (tmp_path / "0.pts").write_text(good.replace("1 2", "1 3"))
    assert hash_of(tmp_path) != before


def test_wflw(tmp_path):
    points = np.random.default_rng(1).uniform(0, 300, (98, 2))
    numbers = " ".join(f"{value:.6f}" for value in points.ravel())
    path = tmp_path / "list_98pt_rect_attr_train.txt"
    path.write_text(f"{numbers} 182 268 223 316 0 0 1 0 0 0 37--Soccer/37_Soccer_soccer ball_1.jpg\n"
                    f"{numbers} 182 268 223 316 b c.jpg\n")       # without the attributes
    (face, other), _ = read_faces(path, WFLW_98, boxes="file")
    assert face.path == tmp_path / "37--Soccer" / "37_Soccer_soccer ball_1.jpg" and other.path == tmp_path / "b c.jpg"
    assert face.bbox == BBox(182, 268, 223, 316)
    np.testing.assert_allclose(face.landmark_px, points, atol=1e-6)
    five = read_faces(path)[0][0]
    np.testing.assert_allclose(five.landmark_px, points[[96, 97, 54, 76, 82]], atol=1e-6)
    np.testing.assert_allclose(five.bbox.as_array(), boxes_of_points(five.landmark_px[None])[0], atol=1e-9)


def test_celebas_two_lists(tmp_path):
    head = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
    row = "  ".join(f"{value:g}" for value in FIVE.ravel())
    (tmp_path / "list_landmarks_celeba.txt").write_text(f"2\n{head} \n000001.jpg  {row}\n000002.jpg  {row} \n")
    (tmp_path / "list_bbox_celeba.txt").write_text(
        "2\nimage_id x_1 y_1 width height\n000001.jpg    20  10 50 60\n000002.jpg    21  10 50 60\n")
    path = tmp_path / "list_landmarks_celeba.txt"
    (face, second), _ = read_faces(path, boxes="file")
    assert face.path == tmp_path / "000001.jpg" and face.line == 3
    assert face.bbox == BBox(20, 10, 70, 70) and second.bbox.left == 21
    np.testing.assert_array_equal(face.landmark_px, FIVE)
    assert read_faces(path)[0][0].bbox != face.bbox                # CelebA's boxes are no cascade's
    with pytest.raises(ListError, match="list_bbox_celeba.txt:2: expected lefteye_x"):
        read_faces(tmp_path / "list_bbox_celeba.txt")


def coco(*annotations, names=EARS.names):
    return {"images": [{"id": 7, "file_name": "sub/a.jpg", "width": 90, "height": 80}],
            "categories": [{"id": 3, "name": "face", "keypoints": list(names), "skeleton": []}],
            "annotations": [{"id": i, "image_id": 7, "category_id": 3, "iscrowd": 0, "bbox": [10, 20, 30, 40], **each}
                            for i, each in enumerate(annotations)]}


def test_coco(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(coco(
        {"keypoints": [1, 2, 2, 3, 4, 1, 5, 6, 2]}, {"keypoints": [1, 2, 2, 0, 0, 0, 5, 6, 2]},
        {"keypoints": [0] * 9}, {"keypoints": [1, 2, 2] * 3, "iscrowd": 1})))
    (whole, part), problems = read_faces(path, EARS)
    assert problems == [] and whole.path == tmp_path / "sub" / "a.jpg" and whole.bbox == BBox(10, 20, 40, 60)
    np.testing.assert_array_equal(whole.landmark_px, [[1, 2], [3, 4], [5, 6]])      # hidden, but labelled
    np.testing.assert_array_equal(part.landmark_px, [[1, 2], [np.nan] * 2, [5, 6]])
    other_order = Points(("chin", "left_ear", "right_ear"), (0, 2, 1))
    np.testing.assert_array_equal(read_faces(path, other_order)[0][0].landmark_px, [[5, 6], [1, 2], [3, 4]])
    with pytest.raises(ListError, match=r"3 points .left_ear right_ear chin., 5 are asked for"):
        read_faces(path)
    assert read_labels(path).points.names == EARS.names


def test_points_are_found_by_their_titles_as_well(tmp_path):
    path = tmp_path / "a.json"
    names = ("Nose", "left-eye", "right_eye", "left mouth corner", "RightMouthCorner")
    values = [value for x, y in FIVE[[2, 0, 1, 3, 4]] for value in (x, y, 2)]
    path.write_text(json.dumps(coco({"keypoints": values}, names=names)))
    np.testing.assert_array_equal(only(path).landmark_px, FIVE)


def test_coco_wholebody(tmp_path):
    points = np.random.default_rng(2).uniform(1, 99, (68, 2))
    values = [value for x, y in points for value in (x, y, 0.9)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(coco({"keypoints": [1, 2, 2] * 17, "face_kpts": values, "face_box": [1, 2, 3, 4],
                                     "face_valid": True},
                                    {"keypoints": [1, 2, 2] * 17, "face_kpts": [0] * 204, "face_valid": False},
                                    names=[f"joint {i}" for i in range(17)])))
    face = only(path, IBUG_68, boxes="file")
    np.testing.assert_allclose(face.landmark_px, points)
    assert face.bbox == BBox(1, 2, 4, 6)


@pytest.mark.parametrize("change, text", [
    ({"keypoints": [10 ** 400, 2, 2, 3, 4, 1, 5, 6, 2]}, "expected 3 points as x, y, v"),
    ({"bbox": [1, 2, float("inf"), 4]}, "expected bbox as x, y, width, height"),
    ({"image_id": 9}, "a.json:1: its image_id 9 is none of the images"), ({"image_id": []}, "is none of the images"),
    ({"keypoints": [1, 2, 2]}, "expected 3 points as x, y, v, found 3 values"),
    ({"bbox": [1, 2, 3]}, "expected bbox as x, y, width, height"), ({"bbox": [1, 2, 0, 4]}, "has no area"),
    ({"keypoints": [1, 2, 2, "3", 4, 2, 5, 6, 2]}, "expected 3 points as x, y, v")])
def test_bad_annotations_are_named(change, text, tmp_path):
    good = {"keypoints": [1, 2, 2, 3, 4, 1, 5, 6, 2]}
    content = coco(good, good, good)
    content["annotations"][0].update(change)
    (tmp_path / "a.json").write_text(json.dumps(content))
    faces, (problem,) = read_faces(tmp_path / "a.json", EARS)
    assert len(faces) == 2 and text in str(problem) and problem.line == 1


@pytest.mark.parametrize("text, message", [
    ("{", "no JSON"), ("[1]", "expected {"), ('{"images": 3}', "images is no list of objects"),
    ("[" * 10 ** 5, "no JSON"), ('{"images": [], "annotations": []}', "holds no faces"),
    ('{"images": [{"id": []}], "annotations": [{"category_id": {}, "keypoints": [1, 2, 2]}]}', "its image_id None is")])
def test_json_of_another_kind(text, message, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ListError, match=message):
        read_faces(tmp_path / "a.json")


def test_csv(tmp_path):
    path = tmp_path / "faces.csv"
    path.write_text("picture,frame,left,top,right,bottom,x1,y1,x2,y2,x3,y3,confidence1,score\n"
                    "a b.jpg,,10,20,40,60,1,2,,,5,6,0.9,\n")        # columns as those of `detect --csv`
    face = only(path, EARS)
    assert face.path == tmp_path / "a b.jpg" and face.bbox == BBox(10, 20, 40, 60) and face.line == 2
    np.testing.assert_array_equal(face.landmark_px, [[1, 2], [np.nan] * 2, [5, 6]])
    path.write_text("image_id,chin_x,chin_y,left_ear_x,left_ear_y,right_ear_x,right_ear_y\na.jpg,5,6,1,2,3,4\n")
    face = only(path, EARS)
    np.testing.assert_array_equal(face.landmark_px, [[1, 2], [3, 4], [5, 6]])
    np.testing.assert_allclose(face.bbox.as_array(), boxes_of_points(face.landmark_px[None])[0])
    for text, message in (("picture,x1\na,1\n", "y1 is not there"), ("name,x1,y1\na,1,2\n", "picture is not there"),
                          ("picture,x01,y1\na,1,2\n", "x1 is not there"), ("", "picture is not there")):
        path.write_text(text)
        with pytest.raises(ListError, match=message):
            read_faces(path, EARS)
    path.write_text("picture,left,top,right,bottom,x1,y1\na.jpg,1,2,3,4,5,6\n,1,2,3,4,5,6\nb.jpg,1,2,1,4,5,6\n"
                    "c.jpg,1,2,3,4,x,6\nd.jpg,1,2\n")
    with pytest.raises(ListError, match="4 of 5 lines are bad.*faces.csv:3: names no picture"):
        read_faces(path, Points(("A",), (0,)))


# ------------------------------------------------------------------------------------------------------- there and back
@st.composite
def faces(draw, points, least=0):
    """Faces of a few pictures, some of their points not visible."""
    found = []
    for place in range(draw(st.integers(1, 4))):
        rng = np.random.default_rng(draw(st.integers(0, 2 ** 32)))
        px = np.round(rng.uniform(least, 300, (len(points), 2)), 4)
        px[rng.random(len(points)) < draw(st.sampled_from([0, 0.3]))] = np.nan
        px[0], px[-1] = (3.25, 7), (90.5, 80)
        left, top, side = (round(float(value), 3) for value in rng.uniform([-20, -20, 8], [200, 200, 250]))
        found.append(Annotation(f"sub/{place}a b.jpg" if place % 2 else f"{place}.jpg", BBox(left, top, left + side,
                                                                                         top + side), px, "", 1))
    return found


# format: (points of its own or None for any, how exact pixels are, whether boxes come back)
KEPT = {"list": (None, 1e-6, True), "csv": (None, 1e-6, True), "coco": (None, 1e-6, True), "imglab": (None, 0.5, True),
        "pts": (None, 1e-6, False), "wflw": (WFLW_98, 1e-6, True), "celeba": (FIVE_POINTS, 1e-6, True)}


@pytest.mark.parametrize("name", KEPT)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_is_written_is_read_again(name, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("round")
    own, exact, has_boxes = KEPT[name]
    points = own or data.draw(st.sampled_from([FIVE_POINTS, EARS, IBUG_68, FACE_88]))
    given_faces = [Annotation(folder / face.path.replace(" ", "_" if name == "celeba" else " "), *(
        face.bbox, face.landmark_px, "", 1)) for face in data.draw(faces(points))]
    file = folder / {"list": "a.txt", "csv": "a.csv", "coco": "a.json", "imglab": "a.xml", "pts": "a", "wflw": "w.txt",
                     "celeba": "list_landmarks_celeba.txt"}[name]
    row = format_to_write(file, name)
    row.write(file, given_faces, points)
    assert format_of(file) is row
    boxes = "file" if has_boxes and name != "imglab" else ""
    found, problems = read_faces(file, points, None if name != "pts" else folder, boxes)
    assert problems == [] and len(found) == len(given_faces)
    # A folder of .pts knows no other order than that of the names.
    order = sorted if name == "pts" else list
    for before, after in zip(order(given_faces, key=lambda f: str(f.path)) if name == "pts" else given_faces, found):
        assert after.path.with_suffix("") == before.path.with_suffix("") or name == "pts"
        np.testing.assert_allclose(after.landmark_px, before.landmark_px, atol=exact)
        if has_boxes:
            np.testing.assert_allclose(after.bbox.as_array(), before.bbox.as_array(), atol=max(exact * 2, 1e-5))


def test_every_format_is_tried():
    assert [row.name for row in FORMATS] == ["pts", "imglab", "coco", "csv", "wflw", "celeba", "list"]
    assert set(KEPT) == {row.name for row in FORMATS}


def test_what_a_format_cannot_hold_is_refused(tmp_path):
    face = Annotation(tmp_path / "a b.jpg", BBox(1, 2, 30, 40), FIVE, "", 1)
    for name, file, points, text in (
            ("wflw", "w.txt", FIVE_POINTS, "hold 98 points"), ("celeba", "landmarks.txt", EARS, "the usual five"),
            ("celeba", "landmarks.txt", FIVE_POINTS, "the blank in"),
            ("celeba", "x.txt", FIVE_POINTS, "landmarks in its")):
        with pytest.raises(ListError, match=text):
            format_to_write(tmp_path / file, name).write(tmp_path / file, [face], points)
    with pytest.raises(ListError, match="which format.*--to pts, imglab"):
        format_to_write(tmp_path / "a.yaml")


@pytest.mark.parametrize("row, text", [
    ("a.jpg,1,2,30,40,1e300,5", "more than a million pixels away"), ("a.jpg,1,2,1e9,40,5,5", "has no area, as good as"),
    ("a.jpg,1,2,1.01,40,5,5", "has no area, as good as")])
def test_slips_of_many_digits_are_named(row, text, tmp_path):
    (tmp_path / "a.csv").write_text(f"picture,left,top,right,bottom,x1,y1\n{row}\nb.jpg,1,2,30,40,5,5\n")
    faces, (problem,) = read_faces(tmp_path / "a.csv", Points(("A",), (0,)))
    assert len(faces) == 1 and text in str(problem)


def test_written_csv_is_a_file_of_boxes(tmp_path):
    path = synthetic_list(tmp_path, 3)
    known, _ = read_faces(path)
    format_to_write(tmp_path / "a.csv").write(tmp_path / "a.csv", known, FIVE_POINTS)
    boxes = read_boxes(tmp_path / "a.csv")
    assert {face.path.resolve(): [tuple(face.bbox.as_array())] for face in known} == boxes
    with (tmp_path / "a.csv").open() as file:
        assert next(csv.reader(file))[:7] == ["picture", "left", "top", "right", "bottom", "x1", "y1"]
