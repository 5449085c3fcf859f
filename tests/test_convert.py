"""`deeplandmark convert`, and labels in any format in the place of the paper's archive."""
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from deeplandmark.__main__ import main
from deeplandmark.faces import FIVE_POINTS, ArchiveError, read_faces, read_list
from deeplandmark.faces.datasets.formats import format_to_write
from deeplandmark.faces.datasets.own_lists import is_own, lists_at, measuring_list, training_list, write_lists
from tests.helpers.fake_cascade import synthetic_list


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to work in, with 30 faces in pictures/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEEPLANDMARK_DATA", raising=False)
    Path("pictures").mkdir()
    synthetic_list(tmp_path / "pictures", 30).rename("pictures/faces.txt")
    return tmp_path


def run(*arguments):
    assert main([str(each) for each in arguments]) == 0, arguments


def refused(capsys, *arguments):
    """The one line of a command that cannot go on."""
    capsys.readouterr()
    assert main([str(each) for each in arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_through_every_format_and_back(here, capsys):
    """The points of the five are the same at the end, the boxes those that are made of them."""
    first, _ = read_faces("pictures/faces.txt")
    steps = ["pictures/faces.txt", "a.json", "list_landmarks_celeba.txt", "b.csv", "c", "d.txt"]
    for before, after in pairwise(steps):
        run("convert", before, after, *(("--to", "celeba") if "celeba" in after else ()),
            *(("--images", "pictures") if before == "c" else ()))
    assert "d.txt: 30 faces of 5 points (the paper's lists)" in capsys.readouterr().out
    last, _ = read_faces("d.txt")
    made, _ = read_faces("pictures/faces.txt", boxes="points")
    for face in last:
        (before,) = [other for other in made if other.path.resolve() == face.path.resolve()]
        np.testing.assert_allclose(face.landmark_px, before.landmark_px, atol=1e-5)
        np.testing.assert_allclose(face.bbox.as_array(), before.bbox.as_array(), atol=1e-4)
    assert {face.path.resolve() for face in last} == {face.path.resolve() for face in first}


def test_boxes_of_a_file(here, capsys):
    rows = "pictures/0.png,0,0,500,500\npictures/0.png,100,80,270,260\n"
    Path("boxes.csv").write_text(f"picture,left,top,right,bottom\n{rows}")
    run("convert", "pictures/faces.txt", "a.csv", "--boxes", "boxes.csv")
    assert capsys.readouterr().err.count("has no box in") == 29
    (face,), _ = read_faces("a.csv")
    assert face.path.name == "0.png" and tuple(face.bbox.as_array()) == (100, 80, 270, 260)
    Path("boxes.csv").write_text("picture,left,top,right,bottom\n")
    assert main(["convert", "pictures/faces.txt", "a.csv", "--boxes", "boxes.csv"]) == 1


def test_several_lists_become_one(here, capsys):
    """Their faces, one list after another."""
    run("convert", "pictures/faces.txt", "pictures/faces.txt", "both.csv")
    assert "both.csv: 60 faces of 5 points" in capsys.readouterr().out
    both, given = (read_faces(path)[0] for path in ("both.csv", "pictures/faces.txt"))
    assert [face.path.resolve() for face in both] == [face.path.resolve() for face in given * 2]
    np.testing.assert_allclose(both[35].landmark_px, given[5].landmark_px, atol=0.01)


def test_what_it_says(here, capsys):
    run("convert", "pictures/faces.txt", "a.csv")
    rows = [line.split(",") for line in Path("a.csv").read_text().splitlines()]
    swapped = [[row[i if i < 5 or row[0] == "picture" else 5 + ((i - 5) ^ 1)] for i in range(15)] for row in rows]
    Path("swapped.csv").write_text("\n".join(",".join(row) for row in swapped) + "\n")
    capsys.readouterr()
    run("convert", "swapped.csv", "b.json")
    assert "convert: swapped.csv: y seems to stand before x" in capsys.readouterr().err
    assert "y seems to stand before x" in refused(capsys, "prepare", 1, "--data", "swapped.csv", "--jobs", 1)
    assert "y seems to stand before x" in refused(capsys, "find_data", "--data", "swapped.csv")
    assert "which format?" in refused(capsys, "convert", "a.csv", "b.yaml")
    assert "have 5 points, 68 are asked for" in refused(capsys, "convert", "a.csv", "b.xml", "--points", "68")
    assert "hold 98 points, the faces have 5" in refused(capsys, "convert", "a.csv", "b.txt", "--to", "wflw")
    assert "nothing.csv: cannot be read" in refused(capsys, "convert", "nothing.csv", "b.txt")


# ---------------------------------------------------------------------------------------- in the place of the archive
def test_a_single_list_is_divided_by_its_pictures(here, capsys):
    twice = read_list("pictures/faces.txt")
    twice = [face for face in twice for _ in range(2)]           # two faces a picture
    format_to_write(Path("all.xml")).write(Path("all.xml"), twice, FIVE_POINTS)
    run("find_data", "--data", "all.xml")
    folder = Path(capsys.readouterr().out.strip())
    assert folder == Path("dataset/all-lists")
    train, test = (read_faces(folder / f"{kind}ImageList.txt")[0] for kind in ("train", "test"))
    assert (len(train), len(test)) == (54, 6)
    pictures = [{face.path.resolve() for face in faces} for faces in (train, test)]
    assert not pictures[0] & pictures[1] and all(path.is_file() for path in pictures[0] | pictures[1])
    assert (not is_own(folder)) and training_list(folder) == folder / "trainImageList.txt"
    assert training_list("all.xml") == Path("all.xml")


def test_lists_by_their_names(here):
    Path("labels").mkdir()
    for name in ("faces_train.json", "faces_val.json"):
        run("convert", "pictures/faces.txt", f"labels/{name}")
    for path in ("labels", "labels/faces_train.json"):
        assert lists_at(path) == (Path("labels/faces_train.json"), Path("labels/faces_val.json"))
        archive, problems = write_lists(path, FIVE_POINTS, "made")
        assert problems == [] and len(read_list(archive.train_list)) == len(read_list(archive.test_list)) == 30
    shutil.copy("labels/faces_val.json", "labels/other_train.json")
    with pytest.raises(ArchiveError, match="labels: neither trainImageList.txt and .*; found faces_train.json, "):
        lists_at("labels")
    Path("empty").mkdir()
    with pytest.raises(ArchiveError, match="found none"):
        lists_at("empty")


def test_a_folder_of_pts_is_prepared(here, capsys):
    run("convert", "pictures/faces.txt", "pictures")             # beside their pictures
    Path("pictures/faces.txt").unlink()
    assert len(list(Path("pictures").glob("*.pts"))) == 30 and lists_at("pictures") == (Path("pictures"), None)
    run("find_data", "--data", "pictures")
    assert capsys.readouterr().err.strip().endswith("lists of dataset/pictures-lists, 0 of them are missing")
    run("prepare", 1, "--data", "pictures", "--jobs", 1, "--frozen", "--copies", 1)
    assert "level 1: 30 faces, 0 bad lines skipped" in capsys.readouterr().out
    run("prepare", 1, "--data", "pictures", "--jobs", 1, "--frozen", "--copies", 1)
    assert "up to date" in capsys.readouterr().out
    path = Path("pictures/3.pts")
    path.write_text(path.read_text().replace("version: 1", "version:  1"))
    run("prepare", 1, "--data", "pictures", "--jobs", 1, "--frozen", "--copies", 1)
    assert "30 faces" in capsys.readouterr().out


def test_too_few_for_a_test(here, capsys):
    run("convert", "pictures/faces.txt", "a.csv")
    lines = Path("a.csv").read_text().splitlines()[:6]
    Path("a.csv").write_text("\n".join(lines))
    assert "5 faces are too few" in refused(capsys, "find_data", "--data", "a.csv")


def test_measuring_on_any_format(here, capsys):
    """A folder of .pts, a file, and the second of a pair: what `evaluate` and `evaluate_detection` read."""
    run("convert", "pictures/faces.txt", "five_train.csv")
    lines = Path("five_train.csv").read_text().splitlines()
    Path("five_test.csv").write_text("\n".join(lines[:5]) + "\n")
    assert measuring_list("five_train.csv") == measuring_list("five_test.csv") == Path("five_test.csv")
    run("evaluate", "--data", "five_train.csv")
    assert "n = 4 faces" in capsys.readouterr().out
    run("evaluate_detection", "--data", "five_train.csv")
    assert "pictures                          4" in capsys.readouterr().out
    run("convert", "five_test.csv", "pictures")
    run("evaluate", "--list", "pictures", "--limit", 2)
    assert "n = 2 faces" in capsys.readouterr().out
    Path("pictures/faces.txt").unlink()
    assert measuring_list("pictures") == training_list("pictures") == Path("pictures")
