"""Poses of heads by the published weights, wherever they are asked for, on drawn heads whose poses are known."""
import csv
import json

import cv2
import numpy as np
import pytest

import deeplandmark
from deeplandmark import align, detect
from deeplandmark.faces.alignment import ARCFACE
from deeplandmark.faces.augment import apply
from deeplandmark.faces.draw import draw_axes
from deeplandmark.faces.head_pose import HeadPose
from deeplandmark.faces.points import FIVE_POINTS, HEAD_AXES
from deeplandmark.faces.synthetic.face import draw_posed_face
from deeplandmark.networks.published import model_at
from deeplandmark.running.video import VideoWriter
from deeplandmark.web.finder import Finder
from deeplandmark.web.limits import Limits
from deeplandmark.web.upload import Upload

SEEDS = range(1000, 1040)


def heads(far=True):
    return [draw_posed_face(np.random.default_rng(seed), far) for seed in SEEDS]


def box_option(box):
    return f"--boxes={','.join(map(str, box.as_array()))}"


def test_the_published_weights():
    """At most 1 MB; drawn heads that no training has seen within four degrees, mirrored ones the other way."""
    system, off = deeplandmark.load("pose"), []
    assert system.points is HEAD_AXES and model_at("pose").stat().st_size <= 1_000_000
    for image, pose, box in heads(far=False):
        boxes = np.array([box.as_array(), [image.shape[1] - 1 - box.right, box.top, image.shape[1] - 1 - box.left,
                                           box.bottom]])
        found = HeadPose.of_axes(system.predict(image, boxes[:1]))
        mirrored = HeadPose.of_axes(system.predict(image[:, ::-1].copy(), boxes[1:]))
        off.append([found.angles[0] - pose.angles[0], mirrored.angles[0] * [1, -1, -1] - pose.angles[0]])
        assert found.scale[0] == pytest.approx(pose.scale[0], rel=0.2)
        assert np.linalg.norm(found.middle - pose.middle) < 0.15 * box.width
    assert np.abs(off).mean() < 4, np.abs(off).mean(axis=(0, 1))


def test_find_with_poses(tmp_path):
    image, pose, box = next(head for head in heads() if abs(head[1].angles[0, 1]) > 20 and
                            len(deeplandmark.find(head[0])) == 1)
    faces = deeplandmark.find(image, pose=True)
    assert faces.pose.shape == (1, 3) and faces.pose.dtype == np.float32
    np.testing.assert_array_equal(faces[0].pose, faces.pose[0])
    np.testing.assert_allclose(faces.pose, pose.angles, atol=15)
    assert deeplandmark.find(image).pose is None
    cv2.imwrite(str(tmp_path / "a.png"), image)
    ((_, many),) = deeplandmark.find(tmp_path, pose=True)
    np.testing.assert_allclose(many.pose, faces.pose, atol=0.2)


def test_detect_writes_rows_and_draws_axes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image, pose, box = heads()[0]
    cv2.imwrite("head.png", image)
    asked = ["head.png", box_option(box), "--json", "r.jsonl", "--csv", "r.csv", "--out"]
    assert detect.main([*asked, "with", "--pose"]) == 0
    row = json.loads((tmp_path / "r.jsonl").read_text())
    (columns,) = csv.DictReader((tmp_path / "r.csv").open())
    assert row["pose"] == [float(columns[name]) for name in ("pitch", "yaw", "roll")]
    np.testing.assert_allclose(row["pose"], pose.angles[0], atol=15)
    assert detect.main([*asked, "without"]) == 0
    assert "pose" not in json.loads((tmp_path / "r.jsonl").read_text())
    assert "yaw" not in (tmp_path / "r.csv").read_text()
    drawn, plain = (cv2.imread(f"{folder}/head.png") for folder in ("with", "without"))
    expected = draw_axes(plain, row["pose"], np.mean(row["points"], axis=0), 0.5 * box.width)
    assert (drawn != plain).any() and (np.abs(drawn.astype(int) - expected) > 40).mean() < 0.002     # rows are rounded


def test_a_video_has_a_pose_in_each_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image, pose, _ = next(head for head in heads() if len(deeplandmark.find(head[0])) == 1)
    writer = VideoWriter("film.mp4", 10)
    for i in range(4):
        writer.write(image[:240, :240], i / 10)
    writer.finish()
    assert detect.main(["film.mp4", "--pose", "--json", "r.jsonl"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert len(rows) == 4 and all(np.abs(np.subtract(row["pose"], pose.angles[0])).max() < 25 for row in rows)


def test_align_by_pose_goes_by_the_mean_face(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    image, _, box = next(head for head in heads() if np.abs(head[1].angles[0, 2]) < 8)     # looked at as it is
    cv2.imwrite("head.png", image)
    assert align.main(["head.png", box_option(box), "--by", "pose", "--out", "crops", "--transforms", "t.jsonl"]) == 0
    row = json.loads((tmp_path / "t.jsonl").read_text())
    found = HeadPose.of_axes(deeplandmark.load("pose").predict(image, box.as_array()[None]))
    on_crop = apply(np.array(row["matrix"]), found.points(FIVE_POINTS)[0])
    assert cv2.imread(row["crop"]).shape == (112, 112, 3) and len(row["pose"]) == 3
    assert np.linalg.norm(on_crop - ARCFACE.points, axis=1).mean() < 12        # of 112: another face, seen from aside
    np.testing.assert_allclose(on_crop.mean(axis=0), ARCFACE.points.mean(axis=0), atol=0.01)
    (tmp_path / "four.json").write_text(json.dumps({"size": [64, 64], "points": [[1, 2], [3, 4], [5, 9], [8, 7]]}))
    assert align.main(["head.png", "--by", "pose", "--out", "crops", "--template", "four.json"]) == 1
    assert "the template has 4 points" in capsys.readouterr().err


def test_an_upload_is_told_the_pose():
    image, pose, box = heads()[0]
    upload = Upload(cv2.imencode(".png", image)[1].tobytes(), box.as_array()[None])
    (face,) = Finder(deeplandmark.load(), None, Limits(), pose=deeplandmark.load("pose")).find(upload)["faces"]
    np.testing.assert_allclose(face["pose"], pose.angles[0], atol=15)
    assert Finder(deeplandmark.load(), None, Limits()).find(upload)["faces"][0]["pose"] is None
