"""What names on the command line stand for, and where results go."""

import os
from collections import Counter
from pathlib import Path

import pytest

from deeplandmark.faces.errors import FacesError
from deeplandmark.running.result_folder import ResultFolder
from deeplandmark.running.sources import common_folder, passed_over_text, sources


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("p/b.jpg", "p/a.PNG", "p/sub/c.webp", "p/sub/film.mp4", "p/notes.txt", "p/.hidden.jpg", "p/out/b.jpg",
                 "q/b.jpg"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return tmp_path


def paths(names, leave_out=None):
    return [source.path for source in sources(names, leave_out) if source.problem is None]


def test_a_folder_stands_for_the_pictures_below_it_in_order(tree):
    assert paths(["p"], "p/out") == ["p/a.PNG", "p/b.jpg", "p/sub/c.webp"]
    assert paths(["p"]) == ["p/a.PNG", "p/b.jpg", "p/out/b.jpg", "p/sub/c.webp"]


def test_files_and_globs(tree):
    assert paths(["p/notes.txt", "p/sub/film.mp4"]) == ["p/notes.txt", "p/sub/film.mp4"]
    assert paths(["*/b.jpg"]) == ["p/b.jpg", "q/b.jpg"]
    assert paths(["p/**/*.webp"]) == ["p/sub/c.webp"]
    Path("p/odd[1].jpg").touch()
    assert paths(["p/odd[1].jpg"]) == ["p/odd[1].jpg"]
    assert [source.is_video for source in sources(["p/sub/film.mp4", "p/b.jpg"])] == [True, False]


def test_what_several_names_stand_for_comes_once(tree):
    assert paths(["p/b.jpg", "./p/b.jpg", os.path.abspath("p/b.jpg"), "p/sub/../b.jpg"]) == ["p/b.jpg"]
    assert paths(["q/b.jpg", "p", "p/sub", "*/b.jpg"], "p/out") == ["q/b.jpg", "p/a.PNG", "p/b.jpg", "p/sub/c.webp"]
    assert sorted(paths(["p/**/*"])) == sorted(set(paths(["p/**/*"])))
    assert [source.path for source in sources(["no.jpg", "no.jpg"])] == ["no.jpg"]


def test_what_is_not_there_is_said(tree):
    Path("empty").mkdir()
    problems = [source.problem for source in sources(["no.jpg", "no*.jpg", "empty", "q"])]
    assert problems == ["no.jpg: no such picture", "no*.jpg: no file matches", "empty: no pictures in this folder",
                        None]


def test_what_folders_hold_besides_is_counted(tree):
    for name in ("p/c.HEIC", "p/sub/d.heic", "p/sub/e.nef", "p/f.ts", "p/.g.heic", "p/h.json"):
        Path(name).touch()
    for name in ("k.gif", "k.avif", "k.tiff"):
        Path("q", name).touch()
    Path("p/link").symlink_to("../q")
    passed_over = Counter()
    assert len(list(sources(["p", "q", "p/link"], "p/out", passed_over))) == 3 + 4 + 4
    assert passed_over_text(passed_over) == (
        "passed over in folders: 2 .heic (OpenCV does not read it: convert to .jpg or .png), 1 .nef (OpenCV does not "
        "read it: convert to .jpg or .png), 2 videos (to be named one by one), 1 linked folder (to be named itself)")
    assert passed_over_text(Counter()) is None and [each.is_video for each in sources(["p/f.ts"])] == [True]


@pytest.mark.parametrize("names, expected", [
    (["p"], "p"), (["p/b.jpg"], "p"), (["p/b.jpg", "q/b.jpg"], "."), (["p", "p/sub"], "p"), (["*/b.jpg"], "."),
    (["p/*.jpg"], "p")])
def test_the_common_folder(tree, names, expected):
    assert common_folder(names) == os.path.abspath(expected)


def test_results_of_equal_names_stay_apart(tree):
    folder = ResultFolder("out", ["p/b.jpg", "q/b.jpg"])
    assert [folder.path_of(name) for name in ("p/b.jpg", "q/b.jpg")] == [Path("out/p/b.jpg"), Path("out/q/b.jpg")]
    folder = ResultFolder("out", ["p"])
    assert folder.path_of("p/sub/c.pgm") == Path("out/sub/c.pgm.png")
    assert folder.path_of("p/sub/film.mov") == Path("out/sub/film.mov.mp4")
    assert folder.numbered("p/b.jpg", 2) == Path("out/b_2.jpg")


def test_results_never_overwrite_the_pictures(tree):
    for out, names in (("p", ["p"]), (".", ["p/b.jpg", "q/b.jpg"]), ("p/../p", ["p/b.jpg"])):
        with pytest.raises(FacesError, match="where the pictures lie"):
            ResultFolder(out, names)
    with pytest.raises(FacesError, match="is no folder"):
        ResultFolder("p/notes.txt", ["p"])
