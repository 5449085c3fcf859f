"""Rows of results and the files they lie in: whole or not at all, and a stopped run goes on."""

import csv
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from deeplandmark.faces.errors import FacesError
from deeplandmark.running.faces_in_picture import Located
from deeplandmark.running.row_file import RowFile, RowStream, can_go_on, finished, rows_to
from deeplandmark.running.rows import CSV, JSON_LINES, csv_header, csv_rows, json_rows

LAYOUTS = pytest.mark.parametrize("layout", [JSON_LINES, CSV], ids=["json", "csv"])


def located(path, faces=1):
    boxes = np.arange(4 * faces, dtype=np.float32).reshape(faces, 4) + [[0, 0, 10.129, 10]]
    points = np.arange(10 * faces, dtype=np.float32).reshape(faces, 5, 2) / 3
    scores = np.arange(9, 9 - faces, -1, dtype=np.float32)
    return Located(path, boxes.astype(np.float32), points, np.full((faces, 5), 0.98765, np.float32), scores)


def test_a_json_row_to_the_letter():
    row = json_rows(located("a b.jpg"))
    assert row == ('{"picture": "a b.jpg", "box": [0.0, 1.0, 12.13, 13.0], '
                   '"points": [[0.0, 0.33], [0.67, 1.0], [1.33, 1.67], [2.0, 2.33], [2.67, 3.0]], '
                   '"confidence": [0.988, 0.988, 0.988, 0.988, 0.988], "score": 9.0}\n')
    given = replace(located("a"), scores=np.array([np.nan]))
    assert json.loads(json_rows(given))["score"] is None
    assert json.loads(json_rows(replace(given, scores=np.array([-1.25]))))["score"] == -1.25    # a logarithm, say
    assert list(json.loads(json_rows(located("film.mp4"), frame=7)))[:3] == ["picture", "frame", "box"]
    assert json_rows(located("a.jpg", 0)) == ""


def test_csv_holds_the_same():
    faces = located('a "quoted", name\nof two lines.jpg', 2)
    text = csv_header(5) + csv_rows(faces)
    rows = list(csv.DictReader(text.splitlines(keepends=True)))
    for row, line in zip(rows, json_rows(faces).splitlines(), strict=True):
        same = json.loads(line)
        assert row["picture"] == same["picture"] and row["frame"] == ""
        assert [float(row[name]) for name in ("left", "top", "right", "bottom")] == same["box"]
        assert [[float(row[f"x{i}"]), float(row[f"y{i}"])] for i in range(1, 6)] == same["points"]
        assert float(row["score"]) == same["score"]


@LAYOUTS
def test_a_file_appears_when_it_is_whole(tmp_path, layout):
    path = tmp_path / "rows"
    with finished([RowFile(path, layout, 5)]) as (rows,):
        rows.write(located("a.jpg", 2))
        assert not path.exists()
    assert path.read_text() == layout.header(5) + layout.rows(located("a.jpg", 2), None)
    assert os.listdir(tmp_path) == ["rows"]
    with pytest.raises(ZeroDivisionError), finished([RowFile(path, layout, 5)]):
        raise ZeroDivisionError
    assert path.read_text() == layout.header(5) + layout.rows(located("a.jpg", 2), None)


def test_a_file_that_cannot_be_opened_leaves_nothing_of_the_others(tmp_path):
    opened = []
    (tmp_path / "file").touch()

    def row_files():
        opened.append(RowFile(tmp_path / "a", JSON_LINES, 5))
        yield opened[0]
        yield RowFile(tmp_path / "file" / "b", CSV, 5)
    with pytest.raises(NotADirectoryError), finished(row_files()):
        pass
    assert opened[0]._rows.closed and opened[0]._journal.closed and os.listdir(tmp_path) == ["file"]


def test_a_file_that_cannot_be_finished_leaves_the_others_for_later(tmp_path):
    with pytest.raises(OSError), finished(RowFile(tmp_path / name, JSON_LINES, 5) for name in "abc") as files:
        for rows in files:
            rows.write(located("a.jpg"))
        (tmp_path / "b").mkdir()
    assert all(rows._rows.closed and rows._journal.closed for rows in files)
    names = ["a", "b", "b.part", "b.part.done", "c.part", "c.part.done"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    with finished([RowFile(tmp_path / "c", JSON_LINES, 5, resume=True)]) as (rows,):
        assert rows.is_done("a.jpg")


def test_a_run_stopped_before_its_first_picture_leaves_what_was_there(tmp_path):
    path = tmp_path / "rows"
    with finished([RowFile(path, CSV, 5)]):
        pass
    for resume in (False, True):
        with pytest.raises(KeyboardInterrupt), finished([RowFile(path, CSV, 5, resume)]):
            raise KeyboardInterrupt
        assert os.listdir(tmp_path) == ["rows"] and path.read_text() == csv_header(5)


@LAYOUTS
@pytest.mark.parametrize("torn", [b"", b'{"picture": "c.jp', b"c.jpg,,1.0,2.0\nc.jpg"])
def test_a_stopped_run_goes_on(tmp_path, layout, torn):
    pictures = [located("a.jpg"), located("b\nb.jpg", 2), located("empty.jpg", 0), located("c.jpg", 3)]
    stopped = RowFile(tmp_path / "rows", layout, 5)
    for picture in pictures[:3]:
        stopped.write(picture)
    stopped.close()
    with open(tmp_path / "rows.part", "ab") as file:
        file.write(torn)
    with open(tmp_path / "rows.part.done", "a") as file:
        file.write('[99999, "c.jp' if torn else "")
    with finished([RowFile(tmp_path / "rows", layout, 5, resume=True)]) as (rows,):
        assert [rows.is_done(picture.path) for picture in pictures] == [True, True, True, False]
        for picture in pictures:
            rows.write(picture)
    expected = layout.header(5) + "".join(layout.rows(each, None) for each in pictures)
    assert (tmp_path / "rows").read_bytes().decode() == expected


@LAYOUTS
def test_a_run_that_is_stopped_again_and_again(tmp_path, layout):
    """Each leaves half a row and half a line of the journal; without resume all begins anew, with its header."""
    names = []
    for resume in (False, True, True, False, True):
        rows, name = RowFile(tmp_path / "rows", layout, 5, resume), "first.jpg" if not resume else f"{len(names)}.jpg"
        names = [*names, name] if resume else [name]
        assert [rows.is_done(each) for each in names] == [True] * (len(names) - 1) + [False]
        rows.write(located(name))
        rows.close()
        with open(tmp_path / "rows.part", "ab") as file:
            file.write(b"half of a row")
        with open(tmp_path / "rows.part.done", "a") as file:
            file.write('[99999, "half')
    with finished([RowFile(tmp_path / "rows", layout, 5, resume=True)]):
        pass
    expected = layout.header(5) + "".join(layout.rows(located(name), None) for name in names)
    assert (tmp_path / "rows").read_bytes().decode() == expected


@LAYOUTS
def test_going_on_from_a_finished_file_and_from_none(tmp_path, layout):
    for names in (["a.jpg"], ["a.jpg", "b.jpg"]):
        with finished([RowFile(tmp_path / "rows", layout, 5, resume=True)]) as (rows,):
            for name in names:
                rows.write(located(name))
    expected = layout.header(5) + "".join(layout.rows(located(name), None) for name in ("a.jpg", "b.jpg"))
    assert (tmp_path / "rows").read_text() == expected


def test_a_journal_that_knows_more_than_there_is(tmp_path):
    """Rows that a power cut took, though the journal had them; and a journal left alone."""
    stopped = RowFile(tmp_path / "rows", JSON_LINES, 5)
    for name in ("a.jpg", "b.jpg"):
        stopped.write(located(name))
    stopped.close()
    part = tmp_path / "rows.part"
    os.truncate(part, part.stat().st_size - 10)
    again = RowFile(tmp_path / "rows", JSON_LINES, 5, resume=True)
    assert again.is_done("a.jpg") and not again.is_done("b.jpg")
    again.write(located("b.jpg", 3))
    again.close()
    part.unlink()
    with finished([RowFile(tmp_path / "rows", JSON_LINES, 5, resume=True)]) as (rows,):
        assert not rows.is_done("a.jpg") and not rows.is_done("b.jpg")
    assert os.listdir(tmp_path) == ["rows"]


@LAYOUTS
@pytest.mark.parametrize("damage", ["cut", "zeros", "both cut", "journal zeros"])
def test_after_a_power_cut(tmp_path, layout, damage):
    """What the disk has not got is looked at again, whichever of the files lacks more; nothing is there twice."""
    pictures = [located(f"{i}.jpg", 1 + i % 2) for i in range(8)]
    whole = layout.header(5) + "".join(layout.rows(each, None) for each in pictures)
    for length in range(0, len(whole), 83):
        stopped = RowFile(tmp_path / "rows", layout, 5)
        for picture in pictures:
            stopped.write(picture)
        stopped.close()
        part, journal = tmp_path / "rows.part", tmp_path / "rows.part.done"
        os.truncate(journal if damage == "journal zeros" else part, min(length, journal.stat().st_size)
                    if damage == "journal zeros" else length)
        if damage in ("zeros", "journal zeros"):
            with open(part if damage == "zeros" else journal, "ab") as file:
                file.write(bytes(1000) + b"\n")
        if damage == "both cut":
            os.truncate(journal, journal.stat().st_size * length // len(whole))
        with finished([RowFile(tmp_path / "rows", layout, 5, resume=True)]) as (rows,):
            for picture in pictures:
                rows.write(picture)
        assert (tmp_path / "rows").read_text() == whole
        (tmp_path / "rows").unlink()


def test_rows_reach_the_disk_now_and_then(tmp_path, monkeypatch):
    now, synced, sync = [0.0], [], os.fsync
    monkeypatch.setattr("deeplandmark.running.row_file.time.monotonic", lambda: now[0])
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}")) or sync(file))
    rows = RowFile(tmp_path / "rows", CSV, 5)
    for seconds in (1, 4.9, 5, 6, 9.9, 10.1):
        now[0] = seconds
        rows.write(located(f"{seconds}.jpg"))
    assert [os.path.basename(path) for path in synced] == ["rows.part", "rows.part.done"] * 2
    rows.close()


@pytest.mark.parametrize("layout, text, says", [
    (JSON_LINES, '{"image": "a.jpg"}\n', "rows:1: expected rows of this command"), (JSON_LINES, "[1]\n", "rows:1:"),
    (JSON_LINES, '{"picture": "a"}\n{"pic', "rows:2:"), (JSON_LINES, '{"picture": "a"}', "rows:1: .* cut short"),
    (JSON_LINES, '{"picture": 3}\n', "picture is 3"), (JSON_LINES, "[" * 100_000, "rows:1: .* too deep"),
    (JSON_LINES, "null\n", "rows:1:"), (JSON_LINES, "\0\n", "rows:1:"), (CSV, "left,top\n1,2\n", "rows:1:"),
    (CSV, csv_header(68), "rows:1: .* begins otherwise"), (CSV, csv_header(5) + "a.jpg,,1\n", "rows:2: .* cut short"),
    (CSV, csv_header(5) + '"' + "a" * 200_000 + '"\n', "rows:2: .* field"),
    (CSV, csv_header(5) + csv_rows(located("a.jpg"))[:-1], "rows:2: .* cut short"), (CSV, "", "rows:1: .*|rows:0: .*")])
def test_files_of_others_are_not_gone_on_with(tmp_path, layout, text, says):
    (tmp_path / "rows").write_text(text)
    with pytest.raises(FacesError, match=says):
        RowFile(tmp_path / "rows", layout, 5, resume=True)
    assert (tmp_path / "rows").read_text() == text and os.listdir(tmp_path) == ["rows"]


@pytest.mark.parametrize("text", ["x\n", "[1]\n", "[1, 2]\n", '["a", "b"]\n', "{}\n", '[true, "a"]\n', "\u00e9\n",
                                  "[" * 5000 + "\n"])
def test_a_journal_of_others(tmp_path, text):
    (tmp_path / "rows.part").write_text("{}\n")
    (tmp_path / "rows.part.done").write_text(text)
    with pytest.raises(FacesError, match="rows.part.done.*: no journal of this command"):
        RowFile(tmp_path / "rows", JSON_LINES, 5, resume=True)


def test_a_video_that_was_not_finished_begins_anew(tmp_path):
    stopped = RowFile(tmp_path / "rows", JSON_LINES, 5)
    stopped.write(located("a.jpg"))
    stopped.write(located("film.mp4"), frame=0)
    stopped.close()
    with finished([RowFile(tmp_path / "rows", JSON_LINES, 5, resume=True)]) as (rows,):
        assert not rows.is_done("film.mp4")
        rows.write(located("film.mp4"), frame=0)
        rows.end("film.mp4")
    rows = (tmp_path / "rows").read_text().splitlines()
    assert [json.loads(row)["picture"] for row in rows] == ["a.jpg", "film.mp4"]


@LAYOUTS
def test_names_that_are_no_unicode(tmp_path, layout):
    name = os.fsdecode(b"caf\xe9.jpg")
    with finished([RowFile(tmp_path / "rows", layout, 5)]) as (rows,):
        rows.write(located(name))
    with finished([RowFile(tmp_path / "rows", layout, 5, resume=True)]) as (rows,):
        assert rows.is_done(name)


def test_a_link_is_followed_and_a_long_name_works(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for name in ("rows", "n" * 250):
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to(f"elsewhere/{name}")
        stopped = RowFile(tmp_path / "link", JSON_LINES, 5)
        stopped.write(located("a.jpg"))
        stopped.close()
        assert len(os.listdir(tmp_path / "elsewhere")) == 2
        with finished([rows_to(tmp_path / "link", JSON_LINES, 5, resume=True)]) as (rows,):
            assert rows.is_done("a.jpg")
        assert os.listdir(tmp_path / "elsewhere") == [name] and (tmp_path / "link").is_symlink()
        (tmp_path / "elsewhere" / name).unlink()


def test_two_runs_do_not_write_one_file(tmp_path):
    with finished([RowFile(tmp_path / "rows", CSV, 5)]) as (rows,):
        rows.write(located("a.jpg"))
        for resume in (False, True):
            with pytest.raises(OSError, match="another run is writing it.*rows'"):
                RowFile(tmp_path / "rows", CSV, 5, resume)
        rows.write(located("b.jpg"))
    expected = csv_header(5) + csv_rows(located("a.jpg")) + csv_rows(located("b.jpg"))
    assert (tmp_path / "rows").read_text() == expected and os.listdir(tmp_path) == ["rows"]
    with finished([RowFile(tmp_path / "rows", CSV, 5, resume=True)]) as (rows,):
        assert rows.is_done("b.jpg")
    assert (tmp_path / "rows").read_text() == expected


def test_rows_into_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert not can_go_on(pipe) and can_go_on(tmp_path / "file")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        with finished([rows_to(pipe, CSV, 5)]) as (rows,):
            rows.write(located(os.fsdecode(b"\xe9.jpg")))
        expected = csv_header(5) + csv_rows(located(os.fsdecode(b"\xe9.jpg")))
        assert read.result(timeout=10) == expected.encode("utf-8", "surrogateescape")
    assert os.listdir(tmp_path) == ["pipe"] and stat.S_ISFIFO(os.stat(pipe).st_mode)


def test_rows_on_stdout(capsys):
    stream = RowStream(CSV, 5)
    stream.write(located("a.jpg"))
    assert capsys.readouterr().out == csv_header(5) + csv_rows(located("a.jpg"))
