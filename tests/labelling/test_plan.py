"""What SOURCE names, cut into shards."""
import os
import tarfile
from itertools import chain

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deeplandmark.faces.errors import FacesError

pa = pytest.importorskip("pyarrow", reason="needs the extra [cluster]")
from pyarrow import parquet  # noqa: E402

from deeplandmark.labelling.containers import (  # noqa: E402
    Columns,
    Entry,
    pictures_in,
)
from deeplandmark.labelling.listing import listed  # noqa: E402
from deeplandmark.labelling.plan import Plan, Wanted, _first, _shards, make_plan  # noqa: E402
from deeplandmark.labelling.storage import place_of, walk  # noqa: E402


def pictures_below(folder, count):
    folder.mkdir(parents=True)
    for i in range(count):
        (folder / f"{i:03d}.jpg").write_bytes(b"f")
    return folder


def table(path, rows, group, names="url"):
    columns = {"image": [b"f%d" % i for i in range(rows)], names: [f"http://{i}" for i in range(rows)],
               "text": [str(i) for i in range(rows)]}
    parquet.write_table(pa.table(columns), path, row_group_size=group)
    return str(path)


def archive(path, count):
    with tarfile.open(path, "w") as file:
        for i in range(count):
            for suffix in ("jpg", "json"):
                member = path.parent / f"{i:03d}.{suffix}"
                member.write_bytes(b"f" * (i + 1))
                file.add(member, member.name)
                member.unlink()
    return str(path)


def plan_of(tmp_path, names, **wanted):
    out = str(tmp_path / "out")
    make_plan([str(name) for name in names], out, Wanted(**wanted), {"a": 1})
    return Plan(out)


def content(plan, wanted=Wanted()):  # noqa: B008 - a tuple
    """The names of the pictures of each shard, as a worker finds them."""
    shards = []
    for shard in range(plan.shards):
        names = []
        for entry in plan.entries(shard):
            if entry.kind == "picture":
                names.append(entry.name)
            else:
                inside = [picture.name for picture in pictures_in(entry) if wanted.has(picture.name)]
                names += inside if entry.count < 0 else inside[:entry.count]
        shards.append(names)
    return shards


def joined(shards):
    return list(chain.from_iterable(shards))


def test_a_folder_is_cut_into_whole_groups(tmp_path):
    folder = pictures_below(tmp_path / "pictures", 70)
    (folder / "text.md").write_text("no picture")
    plan = plan_of(tmp_path, [folder])
    assert [len(shard) for shard in content(plan)] == [16, 16, 16, 16, 6]
    assert joined(content(plan)) == [str(folder / f"{i:03d}.jpg") for i in range(70)]
    assert plan.total == 70 and plan.settings == {"a": 1}


def test_the_plan_stands_whatever_is_added(tmp_path):
    folder = pictures_below(tmp_path / "pictures", 5)
    before = content(plan_of(tmp_path, [folder]))
    (folder / "0.jpg").write_bytes(b"f")
    assert content(Plan(str(tmp_path / "out"))) == before


def test_rows_of_parquet_come_in_whole_row_groups(tmp_path):
    plan = plan_of(tmp_path, [table(tmp_path / "a.parquet", 25, 10), table(tmp_path / "b.parquet", 7, 3)], shard=20)
    assert [len(shard) for shard in content(plan)] == [20, 5 + 7]
    assert joined(content(plan)) == [f"http://{i}" for rows in (25, 7) for i in range(rows)] and plan.total == 32


def test_archives_are_a_shard_each_and_nobody_counts_them(tmp_path):
    names = [archive(tmp_path / f"{name}.tar", 4) for name in "ab"]
    plan = plan_of(tmp_path, names)
    assert content(plan) == [[f"{name}/{i:03d}.jpg" for i in range(4)] for name in names] and plan.total is None


def test_a_folder_with_parquet_or_tar_in_it_stands_for_those(tmp_path):
    folder = pictures_below(tmp_path / "data", 2)
    table(folder / "b.parquet", 3, 3)
    archive(folder / "a.tar", 2)
    found = [(kind, os.path.basename(name)) for kind, name in listed([str(folder)], None)]
    assert found == [("tar", "a.tar"), ("parquet", "b.parquet")]


def test_lists_globs_and_addresses_name_the_same(tmp_path, monkeypatch):
    folder = pictures_below(tmp_path / "pictures", 3)
    monkeypatch.chdir(tmp_path)
    expected = [f"pictures/{i:03d}.jpg" for i in range(3)]
    (tmp_path / "list.txt").write_text("".join(f"{name}\n" for name in expected) + "\n")
    assert [name for _, name in listed(["list.txt"], None)] == expected
    assert [name for _, name in listed(["pictures/*.jpg"], None)] == expected
    (folder / "more" / "deep").mkdir(parents=True)
    (folder / "more" / "deep" / "x.png").write_bytes(b"f")
    address = f"file://{tmp_path}/pictures"
    found = [name for _, name in listed([address], None)]
    assert found == [f"{address}/{i:03d}.jpg" for i in range(3)] + [f"{address}/more/deep/x.png"]
    assert list(walk(f"{address}/*1.jpg")) == [f"{address}/001.jpg"]
    assert place_of(found[-1]).path == str(folder / "more" / "deep" / "x.png")
    assert place_of("gs://anonymous@bucket/rows/").path == "bucket/rows"        # nothing is asked of anybody so far


@pytest.mark.parametrize("name, text", [
    ("nothing.jpg", "no such picture"), ("nothing.txt", "no such list"), ("no*.jpg", "no file matches"),
    ("empty", "no pictures in this folder"), ("film.mp4", "a video"), ("empty.txt", "nothing to label"),
    ("file:///nowhere/at/all", "no pictures, .parquet or .tar files"), ("odd://bucket/x", "cannot be reached"),
    ("bad.parquet", "not a Parquet file"), ("two.parquet", "which column holds the pictures")])
def test_what_cannot_be_named(tmp_path, monkeypatch, name, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "film.mp4").write_bytes(b"film")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "bad.parquet").write_text("no")
    parquet.write_table(pa.table({"a": [b"1"], "b": [b"2"]}), "two.parquet")
    with pytest.raises(FacesError, match=text):
        plan_of(tmp_path, [name])
    assert not (tmp_path / "out" / "_plan.parquet").exists()


def test_columns_are_guessed_or_named(tmp_path):
    path = str(tmp_path / "a.parquet")
    inner = pa.array([{"bytes": b"f", "path": "x.jpg"}], pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    parquet.write_table(pa.table({"image": inner, "id": [7], "mask": [b"m"]}), path)
    entry = Entry("parquet", path, 0, 1, 0, 1)
    with pytest.raises(FacesError, match="image.bytes, image.path, id, mask"):
        plan_of(tmp_path, [path])
    (picture,) = pictures_in(entry, Columns("image.bytes", "id"))
    assert picture == ("7", b"f", None)
    (picture,) = pictures_in(entry, Columns("mask"))
    assert picture == (f"{path}#0", b"m", None)
    with pytest.raises(FacesError, match="no column picture "):
        plan_of(tmp_path, [path], columns=Columns("picture"))
    parquet.write_table(pa.table({"image": inner, "id": [7]}), path)
    assert next(pictures_in(entry)) == ("x.jpg", b"f", None)


@pytest.mark.parametrize("limit", [1, 16, 17, 40, 1000])
@pytest.mark.parametrize("sample", [None, 0.3])
def test_limit_and_sample_choose_the_same_pictures_of_every_kind(tmp_path, limit, sample):
    sources = [pictures_below(tmp_path / "pictures", 20), table(tmp_path / "a.parquet", 25, 10),
               archive(tmp_path / "a.tar", 5)]
    everything = joined(content(plan_of(tmp_path / "all", sources)))
    wanted = Wanted(sample, limit)
    assert len(everything) == 50
    expected = [name for name in everything if wanted.has(name)][:limit]
    plan = plan_of(tmp_path, sources, sample=sample, limit=limit)
    assert joined(content(plan, wanted)) == expected and plan.total == len(expected)


def test_a_sample_has_its_share():
    wanted = Wanted(0.1)
    assert 900 < sum(wanted.has(f"{i}.jpg") for i in range(10_000)) < 1100


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(-1, 40), max_size=30), st.integers(1, 50))
def test_shards_keep_the_order_and_are_not_too_large(counts, size):
    entries = [Entry("tar", str(i), count=count) for i, count in enumerate(counts)]
    shards = list(_shards(entries, size))
    assert joined(shards) == entries and all(shards)
    for shard in shards:
        assert sum(max(entry.count, 0) for entry in shard[:-1]) < size and all(entry.count >= 0 for entry in shard[:-1])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 9), max_size=9), st.integers(1, 30))
def test_a_limit_of_pictures_takes_the_first(counts, limit):
    entries = [Entry("picture", str(i), count=1) for count in counts for i in range(count)]
    assert list(_first(entries, Wanted(limit=limit))) == entries[:limit]


def test_names_that_are_no_text(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    odd = os.fsdecode(os.fsencode(str(folder)) + b"/\xff\n.jpg")
    try:
        with open(odd, "wb") as file:
            file.write(b"f")
    except OSError:
        pytest.skip("the file system takes no such name")
    assert content(plan_of(tmp_path, [folder])) == [[odd]]


def test_another_file_of_that_name(tmp_path):
    (tmp_path / "out").mkdir()
    parquet.write_table(pa.table({"a": [1]}), tmp_path / "out" / "_plan.parquet")
    with pytest.raises(FacesError, match="no plan of this command"):
        Plan(str(tmp_path / "out"))
    (tmp_path / "out" / "_plan.parquet").unlink()
    with pytest.raises(FacesError, match="every machine has to reach this folder"):
        Plan(str(tmp_path / "out"))
    assert not Plan.is_in(str(tmp_path / "out"))
