"""Points that are not visible, from the list to the report: the face stays, the point is left out."""
from dataclasses import replace

import h5py
import numpy as np
import pytest

from deeplandmark.caffe import TRAIN, Net
from deeplandmark.cascade.settings import PAPER_SETTINGS
from deeplandmark.faces import read_list, write_list
from deeplandmark.faces.augment import Augmentation
from deeplandmark.measuring.evaluation import evaluate
from deeplandmark.measuring.report import save_json
from deeplandmark.measuring.report_curves import draw_cumulative, draw_histograms
from deeplandmark.measuring.report_faces import draw_worst
from deeplandmark.measuring.report_table import summaries, table
from deeplandmark.models.families import settings_of
from deeplandmark.networks.regression import sigmoid
from deeplandmark.regressor.calibration import fitted
from deeplandmark.training.network_training import constant_loss
from deeplandmark.training.prepare import Plan, prepare
from deeplandmark.training.templates import render, template_folder
from tests.helpers.fake_cascade import FakeCascade, synthetic_list


@pytest.fixture
def hiding(tmp_path):
    """The list of twelve faces: the first hides its nose, the second its left eye, the tenth (held back) a corner."""
    path = synthetic_list(tmp_path, 12)
    faces = read_list(path)
    for index, point in ((0, 2), (1, 0), (9, 3)):
        faces[index].landmark_px[point] = np.nan
    write_list(path, faces)
    assert path.read_text().count(" -1.000000 -1.000000") == 3
    return path


def targets(folder, network, file):
    with h5py.File(folder / network / file) as content:
        return np.asarray(content["landmark"]).reshape(len(content["landmark"]), -1, 2)


def test_samples_keep_the_face(hiding, tmp_path):
    for level in (1, 2):
        plan = Plan(level, PAPER_SETTINGS, Augmentation(), shift=0.05, seed=3)
        assert prepare(plan, hiding, tmp_path / "train", jobs=1) == (12, [])
    found = np.isnan(targets(tmp_path / "train", "1_F", "train.h5")).all(axis=2)
    assert found.shape == (22, 5) and found.sum() == 4                # each face and its mirror image
    assert list(np.argwhere(found)[:, 1]) == [2, 2, 0, 1]             # the mirrored left eye is a right one
    assert np.isnan(targets(tmp_path / "train", "1_F", "test.h5")).sum() == 2
    counts = {name: len(targets(tmp_path / "train", f"2_{name}1", "train.h5")) for name in ("LE", "RE", "N", "LM")}
    assert counts == {"LE": 21, "RE": 21, "N": 20, "LM": 22}
    assert not np.isnan(targets(tmp_path / "train", "2_LE1", "train.h5")).any()


def test_what_caffe_itself_may_train_on_knows_no_hidden_points(hiding, tmp_path):
    plan = Plan(1, PAPER_SETTINGS, Augmentation(), copies=1, seed=3, frozen=True)
    prepare(plan, hiding, tmp_path / "train", jobs=1)
    assert {name: len(targets(tmp_path / "train", name, "train_00.h5")) for name in ("1_F", "1_EN", "1_NM")} == {
        "1_F": 9, "1_EN": 9, "1_NM": 10}
    text = render(PAPER_SETTINGS.networks[0], "train", folder=template_folder(), frozen=True)
    assert "VisibleTarget" not in text


def test_the_loss_does_not_see_them(hiding, tmp_path, monkeypatch):
    """That of a batch with hidden points is that of its other values."""
    monkeypatch.chdir(tmp_path)
    prepare(Plan(1, PAPER_SETTINGS, Augmentation(), seed=3), hiding, "train", jobs=1)
    text = render(PAPER_SETTINGS.networks[0], "train", folder=template_folder())
    net = Net(text, TRAIN, seed=5)
    net.forward_backward()
    landmark, answer = net.blobs["landmark"].data, net.blobs["fc2"].data
    known = ~np.isnan(landmark)
    x = np.abs(np.where(known, landmark - answer, 0).astype(np.float64))
    expected = np.where(x < 0.01, 50 * x * x, x - 0.005)[known].sum() / len(landmark)
    assert float(net.blobs["loss"].data) == pytest.approx(expected, rel=1e-4)
    assert all(np.isfinite(blob.diff).all() for blobs in net.params.values() for blob in blobs)
    assert 0 < (~known).sum() < known.size / 4


def test_a_collapsed_network_is_still_known_by_a_number(hiding, tmp_path):
    prepare(Plan(1, PAPER_SETTINGS, Augmentation(), seed=3), hiding, tmp_path / "train", jobs=1)
    training = type("Training", (), {"folders": type("Folders", (), {"train": tmp_path / "train"}),
                                    "network": type("Network", (), {"full_name": "1_F"})})
    assert constant_loss(training) == 0.0                        # one face is held back: it is its own mean


def test_a_report_leaves_them_out(hiding, tmp_path):
    whole = synthetic_list(tmp_path, 12)
    truth = read_list(whole)
    faces = read_list(whole)
    for index, point in ((0, 2), (1, 0), (9, 3)):
        faces[index].landmark_px[point] = np.nan
    found = evaluate(FakeCascade(truth, offsets=(0.06, 0.03, 0.02)), faces)
    assert np.isnan(found.errors).sum() == 3 * 3 and np.isfinite(found.predicted).all()
    for summary, offset in zip(summaries(found)[1:], (0.06, 0.03, 0.02)):
        np.testing.assert_allclose(summary.mean, offset, atol=1e-6)
        np.testing.assert_array_equal(summary.failure, offset > 0.05)
    assert found.reliability.count.sum() == 12 * 5 - 3
    assert "nan" not in table(found)
    save_json(found, tmp_path / "table.json")
    assert "NaN" not in (tmp_path / "table.json").read_text()
    for figure in (draw_cumulative(found), draw_histograms(found)):
        assert figure.axes
    draw_worst(found, tmp_path / "worst.png")
    assert (tmp_path / "worst.png").stat().st_size > 1000


def test_the_confidence_of_a_regressor_counts_what_is_seen(hiding, monkeypatch):
    """By hand: a hidden point is neither right nor wrong."""
    faces = [replace(face, landmark_px=face.landmark_px.copy()) for face in read_list(hiding) for _ in range(10)]
    known = {tuple(face.bbox.as_array()): np.nan_to_num(face.landmark_px, nan=1) for face in faces}

    class Engine:
        settings = settings_of("face112")

        def run_faces(self, images, boxes):
            return np.array([known[tuple(box)] for box in boxes]) + [2, 0], None
    monkeypatch.setattr("deeplandmark.regressor.calibration.TorchEngine", lambda folder: Engine())
    found, text = fitted("folder", faces, copies=1)
    # Twelve faces are held back, one for each of the list; three of them hide one point: nose, left eye, left corner. A
    # point and its mirror's share their odds; one that is right and one that is wrong are added.
    nose, pair = (11 + 1) / (11 + 2), (23 + 1) / (23 + 2)
    np.testing.assert_allclose(sigmoid(np.array(found.confidence.bias)), [pair, pair, nose, pair, pair], atol=1e-5)
    assert "0.00 % of their points are failures" in text
