"""imglab's XML: five of 68 points, the box, and files that are something else."""
import numpy as np
import pytest

from deeplandmark.faces import BBox, ListError
from deeplandmark.faces.datasets.imglab import cascade_box, read_imglab
from deeplandmark.faces.points import IBUG_68

POINTS = np.random.default_rng(3).integers(20, 90, (68, 2)).astype(float)


def face(points=POINTS, box="left='20' top='30' width='60' height='80'"):
    parts = "".join(f"<part name='{i:02d}' x='{x:g}' y='{y:g}'/>\n" for i, (x, y) in enumerate(points))
    return f"<box {box}>\n{parts}</box>\n"


def file_of(folder, *faces, picture="sub\\a.jpg"):
    text = f"<?xml version='1.0' encoding='ISO-8859-1'?>\n<dataset><name>\xe9</name><images><image file='{picture}'>\n"
    path = folder / "faces.xml"
    path.write_text(text + "".join(faces) + "</image></images></dataset>", encoding="latin-1")
    return path


def test_a_face_is_five_points_and_a_square(tmp_path):
    (found,) = read_imglab(file_of(tmp_path, face()))
    assert found.path == tmp_path / "sub" / "a.jpg" and (found.list_file, found.line) == ("faces.xml", 3)
    expected = [POINTS[36:42].mean(0), POINTS[42:48].mean(0), POINTS[30], POINTS[48], POINTS[54]]
    np.testing.assert_allclose(found.landmark_px, expected)
    assert found.bbox == cascade_box(BBox(20, 30, 80, 110))
    assert found.bbox.width == pytest.approx(found.bbox.height) == pytest.approx(0.89 * 70)
    np.testing.assert_allclose(found.bbox.centre, [50, 70 - 0.08 * 70])
    assert IBUG_68.to_five(np.stack([POINTS, POINTS])).shape == (2, 5, 2)


def test_pictures_elsewhere_and_ignored_boxes(tmp_path):
    ignored = face(box="left='1' top='1' width='9' height='9' ignore='1'")
    found = read_imglab(file_of(tmp_path, ignored, face(), face(POINTS + 1)), folder="pictures")
    assert [str(face.path) for face in found] == ["pictures/sub/a.jpg"] * 2
    np.testing.assert_allclose(found[1].landmark_px - found[0].landmark_px, 1)


@pytest.mark.parametrize("bad, text", [
    (face(POINTS[:67]), "expected 68 parts 00 to 67, found 67 without 67"),
    (face(box="left='20' top='30' width='60'"), "expected numbers left, top, width, height"),
    (face(box="left='20' top='30' width='0' height='9'"), "0 x 9 has no area"),
    (face(POINTS * np.nan), "expected numbers x, y"),
])
def test_bad_faces_are_named_and_skipped(tmp_path, bad, text):
    path, problems = file_of(tmp_path, bad, face()), []
    assert len(read_imglab(path, problems=problems)) == 1
    (problem,) = problems
    assert problem.line == 3 and str(problem).startswith("faces.xml:3: ") and text in str(problem)
    with pytest.raises(ListError, match="faces.xml:3"):
        read_imglab(path)


@pytest.mark.parametrize("content, text", [
    (None, "cannot be read"), ("", "no XML"), ("<dataset><image>", "no XML"), ("<html/>", "expected <dataset>, found"),
    ("<dataset>" + face() + "</dataset>", "outside <image")])
def test_other_files_are_refused(tmp_path, content, text):
    path = tmp_path / "faces.xml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ListError, match=text):
        read_imglab(path)
