"""The lists: the archive's own format, and every way in which a line or a picture can be bad."""

import cv2
import numpy as np
import pytest

from deeplandmark.faces import (
    BBox,
    ListError,
    PictureError,
    check_picture,
    read_face,
    read_grey,
    read_list,
    write_list,
)
from deeplandmark.faces.datasets.held_back import held_back, training_part
from deeplandmark.faces.picture import is_truncated

GOOD = r"lfw\a.jpg 10 50 20 60 1 2 3 4 5 6 7 8 9 10.5"


def write(tmp_path, *lines):
    path = tmp_path / "trainImageList.txt"
    path.write_bytes("".join(line + "\r\n" for line in lines).encode())
    return path


def picture(path, shape=(80, 90)):
    path.parent.mkdir(exist_ok=True)
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), image)
    return path


def test_the_archives_format(tmp_path):
    (face,) = read_list(write(tmp_path, GOOD))
    assert face.path == tmp_path / "lfw" / "a.jpg"
    assert face.bbox == BBox(left=10, top=20, right=50, bottom=60)  # the list says left right top bottom
    np.testing.assert_array_equal(face.landmark_px, [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10.5]])
    assert face.landmark_px.dtype == np.float64 and face.line == 1


def test_any_number_of_points_and_blanks_in_names(tmp_path):
    (face,) = read_list(write(tmp_path, r"my faces\b 1.JPG 10 50 20 60 1 2 3 4"), points=2, folder="elsewhere")
    assert face.path.as_posix() == "elsewhere/my faces/b 1.JPG" and face.landmark_px.shape == (2, 2)


@pytest.mark.parametrize("line, text", [
    (r"a.jpg 10 50 20 60 1 2 3 4 5 6 7 8", "expected path + 4 box + 10 landmark numbers, found 13 fields"),
    (GOOD + " 11", "expected path + 4 box + 10 landmark numbers, found 16 fields"),
    ("a.jpg", "found 1 fields"),
    (GOOD.replace("50", "x50"), "'x50' is not a number"),
    (GOOD.replace("50", "10"), "box left 10 right 10 top 20 bottom 60 has no area"),
    (GOOD.replace("60", "nan"), "has no area"),
    (GOOD.replace("10.5", "inf"), "a landmark is not finite"),
])
def test_bad_lines_are_named_and_skipped(tmp_path, line, text):
    problems = []
    faces = read_list(write(tmp_path, GOOD, "", line, GOOD), problems=problems)
    assert [face.line for face in faces] == [1, 4]
    (problem,) = problems
    assert problem.line == 3 and problem.text.startswith("trainImageList.txt:3: ") and text in problem.text
    with pytest.raises(ListError, match="trainImageList.txt:3: "):
        read_list(tmp_path / "trainImageList.txt")


def test_a_list_that_is_not_there(tmp_path):
    with pytest.raises(ListError, match="none.txt: cannot be read"):
        read_list(tmp_path / "none.txt")


def test_written_and_read_again(tmp_path):
    path = write(tmp_path, GOOD, GOOD.replace("a.jpg", "b.jpg"))
    faces = read_list(path)
    write_list(tmp_path / "again.txt", faces)
    text = (tmp_path / "again.txt").read_bytes()
    assert text.startswith(b"lfw\\a.jpg 10 50 20 60 1.000000 2.000000") and text.count(b"\r\n") == 2
    again = read_list(tmp_path / "again.txt")
    assert [f.path for f in again] == [f.path for f in faces] and again[0].bbox == faces[0].bbox
    np.testing.assert_array_equal(again[0].landmark_px, faces[0].landmark_px)


def test_pictures_are_read_as_opencv_reads_them(tmp_path):
    path = picture(tmp_path / "lfw" / "a.jpg")
    np.testing.assert_array_equal(read_grey(path), cv2.imread(str(path), 0))


def test_a_good_picture_has_no_problem(tmp_path):
    picture(tmp_path / "lfw" / "a.jpg")
    (face,) = read_list(write(tmp_path, GOOD))
    assert check_picture(face) is None and read_face(face).shape == (80, 90)


def damage_nothing(path):
    path.unlink()


def damage_end(path):
    path.write_bytes(path.read_bytes()[:-700])


def damage_all(path):
    path.write_bytes(b"<html>not found</html>")


def damage_empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage, text", [(damage_nothing, "no such picture"), (damage_end, "cut short"),
                                          (damage_all, "not a picture"), (damage_empty, "empty")])
def test_bad_pictures_are_named_with_their_line(tmp_path, damage, text):
    damage(picture(tmp_path / "lfw" / "a.jpg"))
    (face,) = read_list(write(tmp_path, GOOD))
    problem = check_picture(face)
    assert problem.line == 1 and problem.text.startswith("trainImageList.txt:1: ") and text in problem.text
    with pytest.raises(PictureError, match=text):
        read_face(face)


@pytest.mark.parametrize("box, bad", [("200 240 20 60", True), ("-50 -10 20 60", True), ("-30 20 20 60", False)])
def test_a_box_must_touch_the_picture(tmp_path, box, bad):
    picture(tmp_path / "lfw" / "a.jpg")
    (face,) = read_list(write(tmp_path, GOOD.replace("10 50 20 60", box)))
    problem = check_picture(face)
    assert ("outside the picture of 90 x 80" in problem.text) if bad else problem is None


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_truncation(tmp_path, suffix):
    data = picture(tmp_path / f"a{suffix}").read_bytes()
    assert not is_truncated(data)
    assert not is_truncated(data + b"\0" * 20)  # some cameras pad
    assert is_truncated(data[:len(data) // 2]) and is_truncated(data[:60])


def test_the_end_mark_of_a_thumbnail_does_not_count(tmp_path):
    data = picture(tmp_path / "a.jpg").read_bytes()
    thumbnail = b"\xff\xe1\x00\x20" + b"\xff\xd8\xff\xda...\xff\xd9".ljust(30, b"\0")
    assert is_truncated(data[:2] + thumbnail + data[2:-600])


def test_a_tenth_of_a_training_list_is_held_back():
    assert held_back(range(25)) == [9, 19] and held_back(range(9)) == []
    assert sorted(held_back(range(25)) + training_part(range(25))) == list(range(25))
