"""Samples of very many faces: parts that hold the same rows as one file would, written side by side."""
import h5py
import numpy as np
import pytest

from deeplandmark.cascade.families import PAPER
from deeplandmark.cascade.settings import PAPER_SETTINGS
from deeplandmark.faces.synthetic.generate import generate
from deeplandmark.training import sample_files
from deeplandmark.training.prepare import Plan, prepare


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """The list of 60 drawn faces, one of which has lost its picture."""
    folder = tmp_path_factory.mktemp("faces")
    generate(folder, train=60, test=1, jobs=1)
    path = folder / "trainImageList.txt"
    lines = path.read_text().splitlines(keepends=True)
    lines[12] = "lost.jpg " + lines[12].split(" ", 1)[1]
    path.write_text("".join(lines))
    return path


def rows(folder, kind):
    """All rows of the files that a list names, sorted; and the files' names."""
    files = (folder / f"{kind}.txt").read_text().split()
    found = []
    for name in files:
        with h5py.File(name, "r") as file:
            fields = [np.asarray(file[field]) for field in sorted(file)]
        found += [np.concatenate([np.ravel(value) for value in row]) for row in zip(*fields)]
    return sorted(map(tuple, found)), [name.rsplit("/", 1)[1] for name in files]


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=[pytest.mark.process, pytest.mark.slow])])
@pytest.mark.parametrize("frozen", [False, True])
def test_parts_hold_the_rows_of_one_file(tmp_path, monkeypatch, faces, frozen, jobs):
    plan = Plan.of(PAPER, PAPER_SETTINGS, 2, copies=2, frozen=frozen)
    used, problems = prepare(plan, faces, tmp_path / "one", 1)
    monkeypatch.setattr(sample_files, "PART_BYTES", 1 << 20)
    assert prepare(plan, faces, tmp_path / "parts", jobs) == (used, problems) and len(problems) == 1 and used == 59
    for name in ("2_LE1", "2_RM2"):
        for kind in ("train", "test"):
            expected, found = (rows(tmp_path / folder / name, kind) for folder in ("one", "parts"))
            assert found[0] == expected[0] and len(found[0]) > 5
        train = rows(tmp_path / "parts" / name, "train")[1]
        assert len(train) > 2 and train[0] == ("train_00.part000.h5" if frozen else "train.part000.h5")
        assert found[1] == ["test.h5"]


def test_each_part_has_faces_from_all_over_the_list():
    """Every n-th: lists are often sorted, by picture or by where they come from."""
    parts = {part: list(sample_files.places(60, 3, part)) for part in (None, 0, 1, 2)}
    assert parts[None] == [9, 19, 29, 39, 49, 59]
    assert parts[1][:4] == [1, 4, 7, 11] and parts[2][-1] == 58
    assert sorted(index for part in parts.values() for index in part) == list(range(60))
