"""imglab's XML: five of 68 points, the box, and files that are something else."""
import numpy as np
import pytest

from deeplandmark.faces import BBox, ListError
from deeplandmark.faces.datasets.imglab import cascade_box
from deeplandmark.faces.datasets.labels import as_annotations
from deeplandmark.faces.datasets.read_faces import read_labels
from deeplandmark.faces.points import FIVE_POINTS, IBUG_68, Points

POINTS = np.random.default_rng(3).integers(20, 90, (68, 2)).astype(float)


def face(points=POINTS, box="left='20' top='30' width='60' height='80'"):
    parts = "".join(f"<part name='{i:02d}' x='{x:g}' y='{y:g}'/>\n" for i, (x, y) in enumerate(points))
    return f"<box {box}>\n{parts}</box>\n"


def file_of(folder, *faces, picture="sub\\a.jpg"):
    text = f"<?xml version='1.0' encoding='ISO-8859-1'?>\n<dataset><name>\xe9</name><images><image file='{picture}'>\n"
    path = folder / "faces.xml"
    path.write_text(text + "".join(faces) + "</image></images></dataset>", encoding="latin-1")
    return path


def read(path, points=FIVE_POINTS, folder=None):
    """(faces, problems), whatever their number."""
    labels = read_labels(path, len(points), folder)
    return list(as_annotations(labels, points, path)), labels.problems


def test_a_face_is_five_points_and_a_square(tmp_path):
    ((found,), _) = read(file_of(tmp_path, face()))
    assert found.path == tmp_path / "sub" / "a.jpg" and (found.list_file, found.line) == ("faces.xml", 3)
    expected = [POINTS[36:42].mean(0), POINTS[42:48].mean(0), POINTS[30], POINTS[48], POINTS[54]]
    np.testing.assert_allclose(found.landmark_px, expected)
    assert found.bbox == cascade_box(BBox(20, 30, 80, 110))
    assert found.bbox.width == pytest.approx(found.bbox.height) == pytest.approx(0.89 * 70)
    np.testing.assert_allclose(found.bbox.centre, [50, 70 - 0.08 * 70])
    assert IBUG_68.to_five(np.stack([POINTS, POINTS])).shape == (2, 5, 2)


def test_pictures_elsewhere_and_ignored_boxes(tmp_path):
    ignored = face(box="left='1' top='1' width='9' height='9' ignore='1'")
    found, _ = read(file_of(tmp_path, ignored, face(), face(POINTS + 1)), folder="pictures")
    assert [str(face.path) for face in found] == ["pictures/sub/a.jpg"] * 2
    np.testing.assert_allclose(found[1].landmark_px - found[0].landmark_px, 1)


@pytest.mark.parametrize("bad, text", [
    (face(box="left='20' top='30' width='60'"), "expected numbers left, top, width, height"),
    (face(box="left='20' top='30' width='0' height='9'"), "0 x 9 has no area"),
    (face(POINTS * np.nan), "no point is visible"),
    (face(POINTS * np.inf), "a part is not finite"),
    (face().replace("x='", "x='?", 1), "expected numbers x, y"),
])
def test_bad_faces_are_named_and_skipped(tmp_path, bad, text):
    faces, (problem,) = read(file_of(tmp_path, bad, face()))
    assert len(faces) == 1
    assert problem.line == 3 and str(problem).startswith("faces.xml:3: ") and text in str(problem)


def test_parts_that_are_missing_are_not_visible(tmp_path):
    some = POINTS.copy()
    some[5] = -1                                                 # another way to say so
    path = file_of(tmp_path, face(), face(some[:67]), face(some))
    without = "<box left='1' top='2' width='3' height='4'/></image>"     # a box without parts is no face of theirs
    path.write_text(path.read_text("latin-1").replace("</image>", without), encoding="latin-1")
    first, second, third = read(path, IBUG_68)[0]
    assert first.visible.all()
    assert list(np.flatnonzero(~second.visible)) == [5, 67] and list(np.flatnonzero(~third.visible)) == [5]
    np.testing.assert_array_equal(second.landmark_px[6:67], POINTS[6:67])


@pytest.mark.parametrize("named", [True, False])
def test_parts_of_ones_own(named, tmp_path):
    """By their names, in any order; without names by their numbers. Boxes are taken as they are."""
    ears = Points(("left", "right", "chin"), (1, 0, 2))
    names = ("chin", "left", "right") if named else ("2", "0", "01")
    parts = "".join(f"<part name='{name}' x='{10 * i}' y='{i}'/>" for i, name in enumerate(names))
    path = file_of(tmp_path, f"<box left='20' top='30' width='60' height='80'>{parts}</box>")
    (found,) = read(path, ears)[0]
    np.testing.assert_array_equal(found.landmark_px, [[10, 1], [20, 2], [0, 0]])
    assert found.bbox == BBox(20, 30, 80, 110)
    assert read_labels(path).points.names == (names if named else ("p1", "p2", "p3"))
    with pytest.raises(ListError, match="its faces have 3 points.*5 are asked for.*--points"):
        read(path)


@pytest.mark.parametrize("name", ["9" * 9, "9" * 5000, "²"])
def test_a_part_of_a_number_that_no_point_has_is_a_name(tmp_path, name):
    """And does not make a million points."""
    parts = "".join(f"<part name='{part}' x='1' y='2'/>" for part in ("0", "1", name))
    assert len(read_labels(file_of(tmp_path, f"<box left='1' top='2' width='6' height='8'>{parts}</box>")).points) == 3


@pytest.mark.parametrize("content, text", [
    (None, "cannot be read"), ("", "no XML"), ("<dataset><image>", "no XML"), ("<html/>", "expected <dataset>, found"),
    ("<?xml version='1.0' encoding='ebcdic'?><dataset/>", "no XML .unknown encoding")])
def test_other_files_are_refused(tmp_path, content, text):
    path = tmp_path / "faces.xml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ListError, match=text):
        read(path)


def test_a_box_outside_a_picture_is_named(tmp_path):
    path = tmp_path / "faces.xml"
    path.write_text("<dataset>" + face() + "</dataset>")
    assert "faces.xml:1: a box outside <image" in str(read(path)[1][0])
