"""HDF5 files: what is in them, that they are repeatable, and what bad pictures and lists do."""
import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from deeplandmark import __file__ as package_file
from deeplandmark import prepare as command
from deeplandmark.caffe import TRAIN, Net
from deeplandmark.cascade.cascade import Cascade
from deeplandmark.cascade.settings import PAPER_SETTINGS
from deeplandmark.faces import read_face, read_list
from deeplandmark.faces.augment import Augmentation, Face
from deeplandmark.faces.errors import ListError
from deeplandmark.faces.points import FIVE_POINTS
from deeplandmark.training.prepare import Plan, prepare
from deeplandmark.training.samples import sample
from deeplandmark.training.templates import render, template_folder
from tests.helpers.fake_cascade import repeated_list, synthetic_list

PUBLISHED = Path(package_file).with_name("published") / "wide"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The list of twelve synthetic faces."""
    return synthetic_list(tmp_path_factory.mktemp("pictures"), 12)


def plan(level=2, **changes):
    return replace(Plan(level, PAPER_SETTINGS, Augmentation(), shift=0.05, copies=2, seed=3, frozen=True), **changes)


def contents(folder, network="2_LE1"):
    found = {}
    for path in sorted((folder / network).glob("*.h5")):
        with h5py.File(path) as file:
            found[path.name] = {name: np.asarray(file[name]) for name in file}
    return found


def test_one_file_a_copy_and_one_for_the_held_back_faces(pictures, tmp_path):
    assert prepare(plan(), pictures, tmp_path, jobs=1) == (12, [])
    found = contents(tmp_path)
    assert {name: len(arrays["data"]) for name, arrays in found.items()} == {
        "test.h5": 1, "train_00.h5": 11, "train_01.h5": 11}       # every tenth face is held back
    for arrays in found.values():
        assert arrays["data"].dtype == arrays["landmark"].dtype == np.float32
        assert arrays["data"].shape[1:] == (1, 15, 15) and arrays["landmark"].shape[1:] == (2,)
        assert np.allclose(arrays["data"].mean((2, 3)), 0, atol=1e-5)
    assert (tmp_path / "2_LE1" / "train.txt").read_text().split() == [
        str(tmp_path / "2_LE1" / f"train_0{i}.h5") for i in (0, 1)]


def test_the_first_frozen_copy_is_the_face_itself_and_every_other_one_is_mirrored(pictures, tmp_path):
    still, turned = (plan(level=1, copies=3, augmentation=Augmentation(angle, 0, 0)) for angle in (0, 20))
    for name, each in (("still", still), ("turned", turned)):
        prepare(each, pictures, tmp_path / name, jobs=1)
    found = contents(tmp_path / "still", "1_F")
    plain, mirrored, again = (found[f"train_0{copy}.h5"] for copy in range(3))
    np.testing.assert_allclose(mirrored["data"], plain["data"][..., ::-1], atol=1e-3)
    points, others = (still.settings.encoding.decode(each["landmark"].reshape(-1, 5, 2)) for each in (plain, mirrored))
    first = read_list(pictures)[0]
    np.testing.assert_allclose(points[0], first.bbox.project(first.landmark_px), atol=1e-5)
    np.testing.assert_allclose(others[:, list(FIVE_POINTS.mirror)], [1, 0] + points * [-1, 1], atol=1e-5)
    assert np.array_equal(again["data"], plain["data"]) and np.array_equal(again["landmark"], plain["landmark"])
    found = contents(tmp_path / "turned", "1_F")
    assert np.array_equal(found["train_00.h5"]["data"], plain["data"])
    for copy, expected in ((1, mirrored), (2, plain)):
        assert np.abs(found[f"train_0{copy}.h5"]["landmark"] - expected["landmark"]).max() > 0.05


def test_wide_windows_hold_what_the_networks_see(pictures, tmp_path):
    """Cut without a drawn pose, a stored window gives the patch that the cascade cuts out of the picture itself."""
    fresh = plan(level=1, frozen=False)
    assert prepare(fresh, pictures, tmp_path, jobs=1) == (12, [])
    for network in fresh.networks:
        values = contents(tmp_path, network.full_name)["train.h5"]
        assert values["window"].dtype == np.uint8 and len(values["window"]) == 22      # 11 faces, and mirrored
        text = render(network, "train", folder=template_folder(), train=str(tmp_path), variables={
            "rotation": 0, "scale": 0, "shift": 0}).replace("shuffle: true", "")
        net = Net(text, TRAIN)
        net.forward(end="data_train")
        annotation = read_list(pictures, 5)[0]
        face = Face(read_face(annotation), annotation.bbox.as_array(), annotation.landmark_px)
        seen, = sample(face, [network], PAPER_SETTINGS, face.points_px)
        assert np.allclose(net.blobs["landmark"].data[0], seen["landmark"], atol=1e-6)
        assert np.sqrt(np.square(net.blobs["data"].data[0] - seen["data"]).mean()) < 0.05      # of its deviation, 1


def test_wide_windows_are_mirrored_and_know_where_the_level_before_would_begin(pictures, tmp_path):
    prepare(plan(frozen=False), pictures, tmp_path, jobs=1)
    left, right = (contents(tmp_path, name)["train.h5"] for name in ("2_LE1", "2_RE1"))
    assert np.allclose(left["window"][0, 0], right["window"][1, 0, :, ::-1], atol=1)
    assert np.allclose(left["landmark"], 0, atol=1e-6)             # the true point is in the middle
    assert 0.1 < np.abs(left["start"]).max() <= 0.05 / 0.16 + 1e-6
    assert np.allclose(left["extent"], [[-1.6, -1.6, 1.6, 1.6]], atol=0.1)


def test_a_level_that_starts_from_predictions_is_tested_from_both_starts(pictures, tmp_path):
    prepare(plan(frozen=False, start_from=str(PUBLISHED)), pictures, tmp_path, jobs=1)
    found = contents(tmp_path, "2_N1")
    assert len(found["test.h5"]["data"]) == 2 and not np.allclose(*found["test.h5"]["landmark"], atol=0.01)
    annotation = read_list(pictures, 5)[0]
    predicted = Cascade.load(PUBLISHED).predict(read_face(annotation), annotation.bbox.as_array()[None], level=1)
    off = (predicted[0, 2] - annotation.landmark_px[2]) / (0.16 * annotation.bbox.width)
    assert np.allclose(found["train.h5"]["start"][0], off, atol=1e-4)


def test_weights_that_it_starts_from_count(pictures, tmp_path):
    (tmp_path / "1_F.caffemodel").write_bytes(b"one")
    before = plan(start_from=str(tmp_path)).fingerprint(pictures)
    (tmp_path / "2_LE1.caffemodel").write_bytes(b"its own")
    assert plan(start_from=str(tmp_path)).fingerprint(pictures) == before
    fitted = replace(PAPER_SETTINGS, level_1_share=0.1)
    assert plan(settings=fitted, start_from=str(tmp_path)).fingerprint(pictures) == before
    (tmp_path / "1_F.caffemodel").write_bytes(b"two")
    assert plan(start_from=str(tmp_path)).fingerprint(pictures) != before


@pytest.mark.process
def test_the_seed_decides_and_not_the_number_of_processes(pictures, tmp_path):
    for name, changes, jobs in (("a", {}, 1), ("b", {}, 2), ("c", {"seed": 4}, 1)):
        prepare(plan(**changes), pictures, tmp_path / name, jobs=jobs)
    a, b, c = (contents(tmp_path / name) for name in "abc")
    for file in a:
        assert all(np.array_equal(a[file][name], b[file][name]) for name in ("data", "landmark"))
    assert not np.array_equal(a["train_00.h5"]["landmark"], c["train_00.h5"]["landmark"])


def test_files_that_are_up_to_date_are_left_alone(pictures, tmp_path):
    prepare(plan(level=1), pictures, tmp_path, jobs=1)
    assert prepare(plan(level=1), pictures, tmp_path, jobs=1) is None
    (tmp_path / "prepared_1.json").write_text("{")                # damaged: made anew
    assert prepare(plan(level=1), pictures, tmp_path, jobs=1) is not None
    assert prepare(plan(level=1, copies=1), pictures, tmp_path, jobs=1) is not None
    assert sorted(contents(tmp_path, "1_EN")) == ["test.h5", "train_00.h5"]     # no file of the earlier plan is left


@pytest.mark.slow
def test_bad_lines_and_pictures_are_named_counted_and_skipped(tmp_path):
    path = repeated_list(tmp_path, 300)
    lines = path.read_text().splitlines()
    whole = (tmp_path / "0.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[:len(whole) // 2])
    (tmp_path / "text.png").write_text("no picture")
    lines[6] = lines[6].rsplit(" ", 3)[0]
    lines[9] = lines[9].replace("1.png", "missing.png")
    path.write_text("\n".join(lines))
    used, problems = prepare(plan(copies=1), path, tmp_path / "out", jobs=1)
    assert used == 298 and [problem.line for problem in problems] == [7, 10]
    assert "testImageList.txt:7: expected path + 4 box + 10 landmark numbers, found 12 fields" in str(problems[0])
    assert "testImageList.txt:10" in str(problems[1]) and "missing.png" in str(problems[1])
    lines[20] = lines[20].replace("0.png", "cut.png")
    lines[21] = lines[21].replace("1.png", "text.png")
    path.write_text("\n".join(lines))
    used, problems = prepare(plan(copies=1), path, tmp_path / "out", jobs=1)   # a line of 300, three pictures of 299
    assert used == 296 and [problem.line for problem in problems] == [7, 10, 21, 22]
    lines[23] = lines[23].replace("1.png", "text.png")
    path.write_text("\n".join(lines))
    with pytest.raises(ListError, match=r"already 4 of 299 lines are bad \(at most 3 may be\).*testImageList.txt:10: "):
        prepare(plan(copies=1), path, tmp_path / "out", jobs=1)
    assert not (tmp_path / "out" / "prepared_2.json").exists()    # half-made files are not taken for whole ones


def test_the_command(pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("DEEPLANDMARK_DATA", raising=False)
    pictures.with_name("trainImageList.txt").write_bytes(pictures.read_bytes())
    arguments = ["2", "--data", str(pictures.parent), "--out", str(tmp_path), "--copies", "2", "--jobs", "1"]
    assert command.main([*arguments, "--show", str(tmp_path / "sheet.png")]) == 0
    assert "12 faces" in capsys.readouterr().out and (tmp_path / "sheet.png").stat().st_size > 1000
    assert json.loads((tmp_path / "prepared_2.json").read_text())["faces"] == 12
    assert command.main(["2", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("prepare: no data")
    assert command.main(["2", "--data", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err
