"""Samples of MTCNN's networks: kinds by overlap, answers that lead back to the face, none where a face may be."""
import json
from dataclasses import replace
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.detector_training import windows
from deeplandmark.detector_training.nets import KINDS, P_NET, R_NET, render
from deeplandmark.detector_training.pictures import Picture, empty_pictures, pictures_of
from deeplandmark.detector_training.samples import SamplePlan, prepare_samples
from deeplandmark.detectors.mtcnn import brightened, moved, placed
from deeplandmark.faces.datasets.picture_list import read_list
from deeplandmark.faces.errors import ListError
from deeplandmark.faces.quick_cutting import WindowCutter
from deeplandmark.faces.synthetic.generate import generate

FACE = np.array([40, 50, 100, 110.0])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Twenty pictures of a face each, two of them held back, and two of none."""
    folder = generate(tmp_path_factory.mktemp("faces"), 20, 1, seed=5, jobs=1)
    faces = read_list(folder / "trainImageList.txt", 5, [], None)
    empty = [folder / f"empty{i}.png" for i in range(2)]
    for i, path in enumerate(empty):
        cv2.imwrite(str(path), np.random.default_rng(i).integers(0, 256, (60, 90, 3), dtype=np.uint8))
    return [*pictures_of(faces), *map(Picture, empty)]


def rows_of(folder, kind):
    with h5py.File(Path(folder, f"{kind}.h5"), "r") as file:
        end = "" if kind == "test" else f"_{kind}"
        return {name: file[f"{name}{end}"][:] for name in ("pixels", "label", "box", "points")}


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0, width) * max(0, height)
    return shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)


def test_kinds_by_overlap():
    rng = np.random.default_rng(1)
    drawn = np.concatenate([windows.draw_near(FACE, 200, rng), windows.draw_anywhere((150, 200, 3), 12, 200, rng)])
    kinds, faces = windows.kinds_of(drawn, [FACE + 300, FACE])
    for window, kind, face in zip(drawn, kinds, faces):
        share = overlap(window, FACE)
        expected = "positive" if share >= 0.65 else "part" if share >= 0.4 else "negative" if share < 0.3 else None
        assert kind == expected and (face == 1 or share == 0)
    assert min(kinds.count(kind) for kind in ("positive", "part", "negative")) > 50
    np.testing.assert_allclose(drawn[:, 2] - drawn[:, 0], drawn[:, 3] - drawn[:, 1])
    assert windows.kinds_of(drawn[:2], [])[0] == ["negative"] * 2


@pytest.mark.parametrize("shape", [(150, 200), (30, 20), (10, 40)])
def test_windows_anywhere_lie_in_the_picture_but_for_a_little(shape):
    drawn = windows.draw_anywhere(shape, 12, 300, np.random.default_rng(2))
    beyond = 0.3 * (drawn[:, 2:] - drawn[:, :2]) + 1e-9
    assert (drawn[:, :2] >= -0.5 - beyond).all() and (drawn[:, 2:] <= np.array(shape[::-1]) - 0.5 + beyond).all()
    assert (drawn[:, :2] < -0.5).any() and (drawn[:, 2:] > np.array(shape[::-1]) - 0.5).any()


def test_the_networks_frame_more_than_the_box():
    np.testing.assert_allclose(windows.framed([[10, 20, 30, 40], [0, 0, 10, 30]]), [[7, 17, 33, 43], [-8, 2, 18, 28]])


@pytest.mark.parametrize("mirrored", [False, True])
def test_answers_lead_back_to_the_face(mirrored):
    """By the functions that the detector uses."""
    image = np.random.default_rng(3).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    points = np.array([[55, 62], [83, 66], [70, 80], [57, 95], [81, 97]], float)
    window = np.array([35, 45, 95, 105.0])
    pixels = WindowCutter(image).cut(window, 12)[0]
    rows = {kind: windows.sample(pixels, window, kind, FACE, points, mirrored) for kind in KINDS}
    box = moved(window[None], rows["part"]["box"][None].astype(float))[0]
    found = placed(window[None], rows["points"]["points"][None].astype(float))[0]
    if mirrored:                                                 # about the middle of the window, x = 65
        box, found = np.array([130 - box[2], box[1], 130 - box[0], box[3]]), found[[1, 0, 2, 4, 3]]
        found[:, 0] = 130 - found[:, 0]
    np.testing.assert_allclose(box, FACE, atol=1e-4)
    np.testing.assert_allclose(found, points, atol=1e-4)
    seen = rows["negative"]["pixels"]
    assert np.array_equal(seen[..., ::-1] if mirrored else seen, pixels[..., ::-1].transpose(2, 0, 1))
    assert [rows[kind]["label"] for kind in KINDS] == [1, -1, -2, 0]
    assert not rows["points"]["box"].any() and not rows["part"]["points"].any()


def test_a_suspected_place_that_frames_a_labelled_face_does_not_count():
    eye, elsewhere = [[45, 60, 57, 72]], [[150, 20, 170, 40]]
    for suspected, box, clear in (([FACE + 5], FACE, True), ([FACE + 5], FACE + 200, False), ([], FACE, True),
                                  ([FACE + 5, FACE + (0, 0, -40, -40)], FACE, False)):
        assert windows.clear_of(np.array(eye + elsewhere, float), suspected, box[None]).tolist() == [clear, True]


def test_files_that_the_training_net_reads(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = SamplePlan(P_NET, views=1, each=3, negatives=9, of_empty=7)
    counts, problems = prepare_samples(plan, pictures, jobs=2)
    assert problems == [] and counts["positive"] == counts["points"] == 3 * 18
    assert counts["negative"] == 9 * 18 + 7 * 2
    assert counts["refused"] == 0 and counts["test"] > 30
    for kind, label in zip(KINDS, (1, -1, -2, 0)):
        rows = rows_of("train/p", kind)
        assert (rows["label"] == label).all() and rows["pixels"].shape[1:] == (3, 12, 12) == rows["pixels"].shape[1:]
    net = caffe.Net(render(P_NET, "train", variables={"batch": 4}), caffe.TRAIN)
    assert all(np.isfinite(float(value)) for value in net.forward().values())
    assert sorted(set(net.blobs["label"].data.astype(int))) == [-2, -1, 0, 1]
    assert caffe.Net(render(P_NET, "train", variables={"test_batch_size": 20}), caffe.TEST).forward()["accuracy"] >= 0


def test_the_same_samples_by_any_number_of_threads_and_made_once(pictures, tmp_path):
    plan = SamplePlan(R_NET, each=2, negatives=4)
    for jobs in (1, 3):
        prepare_samples(plan, pictures, tmp_path / str(jobs), jobs=jobs)
    for kind in (*KINDS, "test"):
        first, second = (rows_of(tmp_path / jobs / "r", kind) for jobs in "13")
        assert all(np.array_equal(first[name], second[name]) for name in first)
    assert prepare_samples(plan, pictures, tmp_path / "1") is None
    assert prepare_samples(plan, pictures[:-1], tmp_path / "1") is not None
    assert prepare_samples(SamplePlan(R_NET, each=2, negatives=4, source="another"), pictures[:-1],
                           tmp_path / "1") is not None
    mark = json.loads((tmp_path / "1" / "prepared_r.json").read_text())
    assert mark["counts"]["positive"] == len(rows_of(tmp_path / "1" / "r", "positive")["label"])


def test_views_are_drawn_beside_the_picture_as_it_is(pictures, tmp_path):
    counted = [prepare_samples(SamplePlan(R_NET, views=views, each=2, negatives=4), pictures, tmp_path / str(views))[0]
               for views in (1, 3)]
    assert counted[1]["negative"] == 3 * counted[0]["negative"]
    assert 2 * counted[0]["positive"] < counted[1]["positive"] <= 3 * counted[0]["positive"]
    first, more = (rows_of(tmp_path / views / "r", "positive")["pixels"] for views in "13")
    assert np.array_equal(first[0], more[0]) and len(first) < len(more)
    without_colour = [sum(np.array_equal(seen[0], seen[2]) for seen in each) for each in (first, more)]
    assert without_colour[0] == 0 < without_colour[1]


def test_faces_with_points_that_cannot_be_seen_teach_no_points(pictures, tmp_path):
    hidden = np.array(pictures[0].faces[0].landmark_px)
    hidden[1] = np.nan
    face = replace(pictures[0].faces[0], landmark_px=hidden)
    counts, _ = prepare_samples(SamplePlan(R_NET), [Picture(pictures[0].path, (face,)), pictures[1]], tmp_path)
    assert counts["positive"] > 10 and 0 < counts["points"] <= counts["positive"] / 2


def test_what_is_held_back(pictures, tmp_path):
    assert [i for i, picture in enumerate(pictures[:20]) if picture.held_back] == [9, 19]
    for i in range(20):
        cv2.imwrite(str(tmp_path / f"{i:02d}.png"), np.zeros((20, 20, 3), np.uint8))
    assert [picture.path.name for picture in empty_pictures(tmp_path) if picture.held_back] == ["09.png", "19.png"]
    with pytest.raises(ListError, match="no pictures in it"):
        empty_pictures(tmp_path / "nowhere")


def test_no_negative_where_a_face_may_be(pictures, tmp_path):
    """The suspected place is the left fifth of the picture; a window without a face shares at most a tenth with it."""
    one = [pictures[0]]
    image = brightened(cv2.imread(str(one[0].path)))
    height, width = image.shape[:2]

    def at_the_left(path):
        assert path == one[0].path
        return [[-0.5, -0.5, width / 5, height - 0.5]]

    def candidates(image):
        """Four windows that anybody may count: two on each side."""
        return [[x, y, x + 16, y + 16] for x in (1, width - 18) for y in (1, height - 18)]

    plan = SamplePlan(R_NET, views=1, each=1, negatives=2, of_empty=2)
    counts, _ = prepare_samples(plan, one, tmp_path, at_the_left, candidates)
    assert counts["refused"] >= 2 and counts["negative"] == 2
    expected = [windows.sample(pixels, np.zeros(4) + (0, 0, 1, 1), "negative")["pixels"]
                for pixels in WindowCutter(image).cut(candidates(image)[2:], 24)]
    for pixels in rows_of(tmp_path / "r", "negative")["pixels"]:
        assert any(np.array_equal(pixels, seen) or np.array_equal(pixels[..., ::-1], seen) for seen in expected)
    empty = [Picture(one[0].path)]                               # known to show no face
    unasked, _ = prepare_samples(plan, empty, tmp_path, at_the_left, candidates)
    assert unasked["refused"] == 0
