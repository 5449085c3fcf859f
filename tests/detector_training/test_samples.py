"""Samples of MTCNN's networks: kinds by overlap, answers that lead back to the face, none where a face may be."""
import json
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.detector_training import windows
from deeplandmark.detector_training.nets import KINDS, P_NET, R_NET, render
from deeplandmark.detector_training.samples import Picture, SamplePlan, pictures_of, prepare_samples
from deeplandmark.detectors.mtcnn import bordered, moved, placed
from deeplandmark.faces.datasets.picture_list import read_list
from deeplandmark.faces.synthetic.generate import generate

FACE = np.array([40, 50, 100, 110.0])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Twenty pictures of a face each, and two of none."""
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
def test_windows_anywhere_lie_in_the_picture(shape):
    drawn = windows.draw_anywhere(shape, 12, 100, np.random.default_rng(2))
    assert drawn.min() >= -0.5 - 1e-9 and (drawn[:, 2:] <= np.array(shape[::-1]) - 0.5 + 1e-9).all()


@pytest.mark.parametrize("mirrored", [False, True])
def test_answers_lead_back_to_the_face(mirrored):
    """By the functions that the detector uses."""
    image = np.random.default_rng(3).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    points = np.array([[55, 62], [83, 66], [70, 80], [57, 95], [81, 97]], float)
    window = np.array([35, 45, 95, 105.0])
    around = bordered(image)
    rows = {kind: windows.sample(around, window, kind, 12, FACE, points, mirrored) for kind in KINDS}
    box = moved(window[None], rows["part"]["box"][None].astype(float))[0]
    found = placed(window[None], rows["points"]["points"][None].astype(float))[0]
    if mirrored:                                                 # about the middle of the window, x = 65
        box, found = np.array([130 - box[2], box[1], 130 - box[0], box[3]]), found[[1, 0, 2, 4, 3]]
        found[:, 0] = 130 - found[:, 0]
    np.testing.assert_allclose(box, FACE, atol=1e-4)
    np.testing.assert_allclose(found, points, atol=1e-4)
    seen = image[46:106, 36:96].reshape(12, 5, 12, 5, 3).mean(axis=(1, 3))[..., ::-1].transpose(2, 0, 1)
    exact = windows.sample(around, window + 0.5, "negative", 12, mirrored=mirrored)
    np.testing.assert_allclose(exact["pixels"][..., ::-1] if mirrored else exact["pixels"], seen, atol=0.51)
    assert [rows[kind]["label"] for kind in KINDS] == [1, -1, -2, 0]
    assert not rows["points"]["box"].any() and not rows["part"]["points"].any()


def test_a_suspected_place_that_frames_a_labelled_face_does_not_count():
    eye, elsewhere = [[45, 60, 57, 72]], [[150, 20, 170, 40]]
    for suspected, box, clear in (([FACE + 5], FACE, True), ([FACE + 5], FACE + 200, False), ([], FACE, True),
                                  ([FACE + 5, FACE + (0, 0, -40, -40)], FACE, False)):
        assert windows.clear_of(np.array(eye + elsewhere, float), suspected, box[None]).tolist() == [clear, True]


def test_files_that_the_training_net_reads(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = SamplePlan(P_NET, each=3, negatives=9)
    counts, problems = prepare_samples(plan, pictures, jobs=2)
    assert problems == [] and counts["positive"] == counts["points"] == 3 * 18 and counts["negative"] == 9 * 20
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


def test_no_negative_where_a_face_may_be(pictures, tmp_path):
    """The suspected place is the left half of the picture; a window without a face shares at most a tenth with it."""
    def left_half(image):
        return [[-0.5, -0.5, image.shape[1] / 2, image.shape[0] - 0.5]]

    def candidates(image):
        """Four windows that anybody may count: two in each half."""
        return [[x, y, x + 16, y + 16] for x in (1, image.shape[1] - 18) for y in (1, image.shape[0] - 18)]

    plan = SamplePlan(R_NET, each=1, negatives=2)
    one = [pictures[0]]
    counts, _ = prepare_samples(plan, one, tmp_path, left_half, candidates)
    assert counts["refused"] >= 2 and counts["negative"] == 2
    image = cv2.imread(str(one[0].path))
    around = bordered(image)
    expected = [windows.sample(around, np.array(window, float), "negative", 24)["pixels"]
                for window in candidates(image)[2:]]
    for pixels in rows_of(tmp_path / "r", "negative")["pixels"]:
        assert any(np.array_equal(pixels, seen) or np.array_equal(pixels[..., ::-1], seen) for seen in expected)
    unasked, _ = prepare_samples(plan, [Picture(one[0].path)], tmp_path, left_half, candidates)   # known to be faceless
    assert unasked["refused"] == 0
