"""A worker and its shards, without Ray: rows, problems, deaths."""
import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.fake_finder import FakeFinder, broken

pytest.importorskip("pyarrow", reason="needs the extra [cluster]")
from pyarrow import parquet

from deeplandmark.labelling import worker as module
from deeplandmark.labelling.plan import Plan, Wanted, make_plan
from deeplandmark.labelling.shards import finished
from deeplandmark.labelling.table import Counts
from deeplandmark.labelling.worker import Job, Worker

pytestmark = pytest.mark.process


@pytest.fixture
def labelled(tmp_path, monkeypatch):
    """(worker, out) of a job about pictures with these contents, 16 a shard."""
    made = []

    def label(contents, finder=FakeFinder):
        monkeypatch.chdir(tmp_path)
        Path("pictures").mkdir(exist_ok=True)
        for i, content in enumerate(contents):
            Path("pictures", f"{i:03d}.jpg").write_text(content)
        make_plan(["pictures"], "out", Wanted(), {})
        made.append(Worker(Job("out", finder, Wanted(), {"system": "fake", "versions": "1"}, 1000, str(tmp_path))))
        return made[-1]
    # What the fake finds is in the bytes themselves: nothing is decoded.
    yield label
    for worker in made:
        worker._finder.close()


def run(worker, *shards):
    """The Counts of shards, by the way Ray calls it."""
    answers = worker({"item": np.array(shards)})
    assert answers["shard"] == list(shards) and answers["error"] == [""] * len(shards), answers
    return [Counts.of(text) for text in answers["counts"]]


def faces(out="out"):
    return parquet.read_table(out).to_pylist()


def problems(out="out"):
    return parquet.read_table(f"{out}/_problems").to_pylist()


def test_rows_counts_and_what_is_there_is_left_alone(labelled):
    worker = labelled(["f", "-", "ffn"] + ["f"] * 14)
    first, second = run(worker, 0, 1)
    assert (first.pictures, first.faces, first.without_face, first.bad) == (16, 16, 1, 0) and second.faces == 1
    assert first.confidence == {500: 80} and finished("out") == [0, 1]
    rows = faces()
    assert len(rows) == 17 and rows[0] == {
        "picture": "pictures/000.jpg", "box": [np.float32(1.23)] * 4, "points": [[1, 1]] * 5, "confidence": [0.5] * 5,
        "score": 0.25, "pose": None, "system": "fake", "versions": "1"}
    assert [row["score"] for row in rows if row["picture"] == "pictures/002.jpg"] == [None, None]
    assert not Path("out/_problems").exists()
    Path("pictures/000.jpg").write_text("fffff")
    assert run(worker, 0) == [first]                             # of another worker, which died when it was done
    assert len(faces()) == 17


def test_no_face_at_all_is_a_table_as_well(labelled):
    worker = labelled(["-", "-"])
    run(worker, 0)
    table = parquet.read_table("out")
    assert table.num_rows == 0 and table.column_names == ["picture", "box", "points", "confidence", "score", "pose",
                                                          "system", "versions"]


@pytest.mark.parametrize("content, text", [
    ("kill", "the process that looked at it died of it, twice (SIGSEGV)"), ("memory", "MemoryError"),
    ("raise", "KeyError: 'raise'")])
def test_a_picture_that_kills_its_worker_is_named_and_the_others_go_on(labelled, content, text):
    worker = labelled(["f"] * 5 + [content] + ["f"] * 14)
    first, second = run(worker, 0, 1)
    assert (first.pictures, first.faces, first.bad, second.faces) == (16, 15, 1, 4)
    (row,) = problems()
    assert row["picture"] == "pictures/005.jpg" and row["problem"].startswith("pictures/005.jpg: ")
    assert text in row["problem"]


def test_it_is_tried_again_once(labelled, tmp_path):
    worker = labelled(["f", f"once:{tmp_path}/killed", "f"])
    (counts,) = run(worker, 0)
    assert (counts.pictures, counts.faces, counts.bad) == (3, 3, 0) and (tmp_path / "killed").exists()


def test_one_that_never_ends(labelled, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS", 4)
    (counts,) = run(labelled(["f", "wait", "f"]), 0)
    assert (counts.faces, counts.bad) == (2, 1) and "SIGKILL" in problems()[0]["problem"]


def test_pictures_that_cannot_be_read(labelled):
    worker = labelled(["f", "f", ""])
    Path("pictures/001.jpg").unlink()
    (counts,) = run(worker, 0)
    assert counts.bad == 2 and [row["problem"] for row in problems()] == [
        "pictures/001.jpg: no such picture", "pictures/002.jpg: the file is empty"]


def test_problems_of_a_worker_that_died_are_not_kept(labelled):
    worker = labelled(["f"])
    Path("out/_problems").mkdir()
    Path("out/_problems/part-00000.parquet").write_bytes(b"")
    run(worker, 0)
    assert list(Path("out/_problems").iterdir()) == []


@pytest.mark.parametrize("change, text", [
    (lambda job: {"version": "0.0.1"}, "install the same one everywhere"),
    (lambda job: {"make_finder": broken}, "no such model"),
    (lambda job: {"out": "nowhere"}, "every machine has to reach this folder")])
def test_what_is_wrong_with_the_worker_is_an_error_of_the_shard(labelled, change, text):
    from dataclasses import replace
    job = labelled(["f"])._job
    worker = Worker(replace(job, **change(job)))
    answers = worker({"item": np.array([0])})
    assert text in answers["error"][0] and answers["counts"] == [""] and finished("out") == []
    worker._finder.close()


def test_a_shard_that_kills_workers_is_given_up(labelled, monkeypatch):
    worker = labelled(["f"] * 20)
    monkeypatch.setattr(module, "was_restarted", lambda: True)
    run(worker, 0)
    assert list(Path("out/_tries").iterdir()) == []              # it was made
    monkeypatch.setattr(Worker, "_located", _die)
    for _ in range(module._TRIES):                               # each dies in the midst of it
        with pytest.raises(SystemExit):
            worker({"item": np.array([1])})
    assert "its workers died 5 times" in worker({"item": np.array([1])})["error"][0]


def _die(worker, pictures):
    raise SystemExit


def test_counts_are_kept_and_their_quantiles_are_exact():
    rng = np.random.default_rng(1)
    values = np.round(rng.random(999), 3)
    counts = Counts(confidence={})
    for value in values:
        counts.add(Counts(1, 2, 0, 0, 0.5, {round(1000 * value): 1}))
    assert Counts.of(counts.text()) == counts and (counts.pictures, counts.faces) == (999, 1998)
    for share in (0.05, 0.25, 0.5, 0.95):
        assert counts.quantile(share) == np.quantile(values, share, method="inverted_cdf")
    assert Counts().quantile(0.5) is None and json.loads(counts.text())["seconds"] == 499.5


def test_the_plan_is_what_workers_go_by(labelled):
    worker = labelled(["f"] * 3)
    Path("pictures/zzz.jpg").write_text("f")
    assert run(worker, 0)[0].pictures == 3 and Plan("out").total == 3
