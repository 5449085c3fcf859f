"""One reader for every format, and one manner about bad lines."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplandmark.commandline.face_lists import faces_of_list
from deeplandmark.faces import IBUG_68, BBox, ListError, Points, Problem, read_faces, read_list, too_many_bad
from deeplandmark.faces.datasets.annotation import Annotation
from deeplandmark.faces.datasets.bad_lines import BadLines
from deeplandmark.faces.datasets.imglab import cascade_box
from tests.helpers.fake_cascade import repeated_list, synthetic_list

PARTS = "".join(f"<part name='{i:02d}' x='{i}' y='{2 * i}'/>" for i in range(68))
XML = ("<dataset><images><image file='a.jpg'><box left='0' top='0' width='67' height='134'>"
       f"{PARTS}</box></image></images></dataset>")


def equal(found, expected):
    return len(found) == len(expected) and all(
        (a.path, a.bbox, a.line) == (b.path, b.bbox, b.line) and np.array_equal(a.landmark_px, b.landmark_px)
        for a, b in zip(found, expected))


def test_the_file_says_which_reader(tmp_path):
    path = synthetic_list(tmp_path, 2)
    assert equal(read_faces(path)[0], read_list(path)) and read_faces(path)[1] == []
    for name in ("a.xml", "a.txt"):                               # by its name, by its content
        (tmp_path / name).write_text("\ufeff" + XML, encoding="utf-8")
        (found,), _ = read_faces(tmp_path / name)
        assert found.line == 1 and found.bbox == cascade_box(BBox(0, 0, 67, 134))


def test_the_points_that_are_asked_for(tmp_path):
    (tmp_path / "a.xml").write_text(XML)
    all_68, five = read_faces(tmp_path / "a.xml", IBUG_68)[0][0], read_faces(tmp_path / "a.xml")[0][0]
    np.testing.assert_array_equal(all_68.landmark_px, [[i, 2 * i] for i in range(68)])
    np.testing.assert_array_equal(five.landmark_px, IBUG_68.to_five(all_68.landmark_px))
    with pytest.raises(ListError, match="a.xml: its faces have 68 points, 2 are asked for .A B."):
        read_faces(tmp_path / "a.xml", Points(("A", "B"), (0, 1)))
    (tmp_path / "a.txt").write_text("a.jpg 10 50 20 60 1 2 3 4")
    assert read_faces(tmp_path / "a.txt", Points(("A", "B"), (0, 1)), "there")[0][0].landmark_px.shape == (2, 2)


@pytest.mark.parametrize("name, text", [("none.txt", "cannot be read"), (".", "a folder without .pts files"),
                                        ("empty.txt", "the list holds no faces")])
def test_lists_that_hold_nothing(tmp_path, name, text):
    (tmp_path / "empty.txt").touch()
    with pytest.raises(ListError, match=text):
        read_faces(tmp_path / name)


def test_bad_lines_are_named_and_counted(tmp_path, caplog):
    path = repeated_list(tmp_path, 60)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*(line + " 1" for line in lines[:3]), *lines[3:]]))
    assert len(faces_of_list("some_command", path)) == 57
    named = caplog.messages
    assert len(named) == 3 and named[2].startswith("some_command: skipped testImageList.txt:3: expected path + 4 box")
    path.write_text("\n".join([*(line + " 1" for line in lines[:4]), *lines[4:]]))
    with pytest.raises(ListError, match=r"^4 of 60 lines are bad \(at most 3 may be\); the first: testImageList.*:1: "):
        read_faces(path)
    path.write_text("\n".join(line + " 1" for line in lines))
    with pytest.raises(ListError, match="^60 of 60 lines are bad"):
        read_faces(path)


@pytest.mark.parametrize("bad, total, refused", [(3, 200, False), (4, 200, True), (4, 400, False), (5, 499, True),
                                                 (2, 3, False), (3, 3, True), (0, 0, True)])
def test_how_many_may_be_bad(bad, total, refused):
    problems = [Problem(7, "list.txt:7: wrong")] * bad
    if not refused:
        return too_many_bad(problems, total)
    with pytest.raises(ListError, match=f"^{bad} of {total} lines are bad.*list.txt:7: wrong" if total else "no faces"):
        too_many_bad(problems, total)


FACE = Annotation("a.jpg", None, None, "list.txt", 1)


@given(st.lists(st.booleans(), min_size=1, max_size=500))
def test_the_work_ends_as_soon_as_it_is_known_that_too_many_are_bad(good):
    """Against counting afterwards; where the first ones are all bad, it is told how many those are."""
    bad, refused = BadLines(len(good)), None
    for place, is_good in enumerate(good):
        try:
            assert bad.takes(FACE if is_good else Problem(place, f"{place}")) == (not is_good)
        except ListError as error:
            refused = place, str(error)
            break
    limit = max(3, len(good) // 100)
    if sum(good) and good.count(False) <= limit:
        assert refused is None and [problem.line for problem in bad.problems] == [
            place for place, is_good in enumerate(good) if not is_good]
        return
    place, text = refused
    count = good[:place + 1].count(False)
    assert f"{count} of {len(good)} lines are bad" in text and text.startswith("already") == (place + 1 < len(good))
    assert count == limit + 1 or place + 1 == len(good) or not any(good[:place])
