"""The robustness report: each change does what it says, true points go along, numbers are told as they are."""
import json

import cv2
import numpy as np
import pytest

from deeplandmark import Cascade
from deeplandmark.evaluate import main
from deeplandmark.faces.augment import Face
from deeplandmark.measuring import report_robustness
from deeplandmark.measuring.robustness import CHANGES, Robustness, measure
from tests.helpers.fake_cascade import faces_of, synthetic_list

POINTS = np.array([[70, 60], [110, 64], [92, 85], [75, 108], [108, 110.0]])
BOX = np.array([50, 40, 130, 120.0])


def changed(kind, strength, image=None):
    (change,) = (each for each in CHANGES if (each.kind, each.strength) == (kind, strength))
    return change.of(Face(picture() if image is None else image, BOX, POINTS), np.random.default_rng(1))


def picture():
    """A bright spot on each true point."""
    image = np.full((150, 180), 90, np.uint8)
    for x, y in POINTS:
        cv2.circle(image, (round(x), round(y)), 2, 250, -1)
    return image


def brightest(image, near):
    """Where the middle of the spot near a point is."""
    rows, columns = np.nonzero(image > 150)
    close = np.hypot(columns - near[0], rows - near[1]) < 8
    return np.array([columns[close].mean(), rows[close].mean()])


@pytest.mark.parametrize("kind, strength", [("tilted, degrees", 45), ("tilted, degrees", 180), ("face in pixels", 64)])
def test_true_points_go_with_the_picture(kind, strength):
    face = changed(kind, strength)
    for point in face.points_px:
        assert np.abs(brightest(face.image, point) - point).max() < 1


def test_boxes_are_larger_and_moved():
    larger, moved = changed("box larger, factor", 1.49), changed("box moved, widths", 0.25)
    np.testing.assert_allclose(larger.box, [90 - 59.6, 80 - 59.6, 90 + 59.6, 80 + 59.6])
    np.testing.assert_allclose(moved.box[2:] - moved.box[:2], 80)
    assert np.hypot(*(moved.box[:2] - BOX[:2])) == pytest.approx(20)
    assert np.array_equal(larger.points_px, POINTS) and np.array_equal(moved.image, picture())
    small = changed("face in pixels", 16)
    assert small.image.shape == (30, 36) and small.box[2] - small.box[0] == pytest.approx(16)
    np.testing.assert_allclose(small.box[:2], [9.6, 7.6])        # 50.5 / 5 - 0.5, 40.5 / 5 - 0.5


def test_what_becomes_of_pixels():
    grey = np.full((150, 180), 100, np.uint8)
    assert (changed("brightness, factor", 2.5, grey).image == 250).all()
    assert (changed("brightness, factor", 0.25, grey).image == 25).all()
    noise = changed("noise, grey levels", 20, grey).image - 100.0
    assert noise.std() == pytest.approx(20, rel=0.05) and abs(noise.mean()) < 1
    spot = np.zeros((150, 180), np.uint8)
    spot[80, 90] = 255
    blurred = changed("blurred, widths", 0.02, spot).image.astype(float)
    across = np.sqrt((blurred.sum(0) * (np.arange(180) - 90) ** 2).sum() / blurred.sum())
    assert across == pytest.approx(1.6, rel=0.2)                 # 2 % of 80 pixels; values are whole numbers
    rng = np.random.default_rng(0)
    speckled = rng.integers(0, 256, (150, 180), np.uint8)
    worse = [np.abs(changed("JPEG, quality", quality, speckled).image - 1.0 * speckled).mean() for quality in (50, 5)]
    assert 0 < worse[0] < worse[1]
    for side, rows, columns in (("left", slice(40, 120), slice(50, 90)), ("bottom", slice(80, 120), slice(50, 130))):
        covered = changed("half covered", side, speckled).image
        assert (covered[rows, columns] == int(speckled.mean())).all()
        outside = np.ones((150, 180), bool)
        outside[rows, columns] = False
        assert (covered[outside] == speckled[outside]).all()
    colour = np.dstack([picture()] * 3)
    for change in CHANGES:
        face = change.of(Face(colour, BOX, POINTS), np.random.default_rng(0))
        assert face.image.dtype == np.uint8 and face.image.ndim == 3


def test_faces_are_measured_under_every_change(tmp_path):
    faces = faces_of(synthetic_list(tmp_path, 3))
    cascade = Cascade.load()
    found = measure(cascade, faces, looks="auto")
    assert found.errors.shape == found.confidence.shape == (len(CHANGES), 3, 5)
    again = measure(cascade, faces, looks="auto")
    np.testing.assert_array_equal(found.errors, again.errors)
    alone = cascade.locate(str(faces[1].path), faces[1].bbox.as_array()[None], looks="auto")
    expected = np.linalg.norm(alone.points[0] - faces[1].landmark_px, axis=1) / faces[1].bbox.width
    assert CHANGES[0].kind == "as it is"
    np.testing.assert_allclose(found.errors[0, 1], expected, atol=0.003)     # the file is read in grey there


def test_the_report_tells_the_numbers(tmp_path):
    errors = np.full((len(CHANGES), 2, 5), 0.01)
    errors[3, 0, :] = 0.06
    errors[4, 0, 0] = np.nan
    found = Robustness(CHANGES, errors, np.full(errors.shape, 0.9))
    text = report_robustness.table(found, "a model")
    assert text.startswith("a model\nn = 2 faces") and "3.50 (50.0)" in text
    assert text.count("1.00 (0.0)") == len(CHANGES) - 1
    values = report_robustness.as_json(found)["changes"]
    assert values[3] == {"kind": "tilted, degrees", "strength": 45, "mean": pytest.approx(0.035), "failure": 0.5,
                         "confidence": pytest.approx(0.9)}
    report_robustness.save_report(found, tmp_path / "new", "a model")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "robustness.txt", "robustness.json", "robustness.png", "robustness.svg"}


def test_the_command(tmp_path, capsys):
    path = synthetic_list(tmp_path, 2)
    assert main(["--list", str(path), "--robust", "--looks", "auto", "--json", str(tmp_path / "a.json")]) == 0
    printed = capsys.readouterr().out
    assert "tilted, degrees" in printed and "half covered" in printed
    assert json.loads((tmp_path / "a.json").read_text())["n"] == 2
