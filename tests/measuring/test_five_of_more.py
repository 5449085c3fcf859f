"""`evaluate --five`: a model of 68 points on a list of five."""
import json
from dataclasses import replace

import numpy as np
import pytest

from deeplandmark import evaluate as command
from deeplandmark.faces import write_list
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.points import FIVE_POINTS, IBUG_68, Points
from deeplandmark.measuring.evaluation import evaluate
from deeplandmark.measuring.five_of_more import FiveOfMore, without_offsets
from deeplandmark.measuring.report import as_json
from deeplandmark.measuring.report_table import table
from tests.helpers.fake_cascade import FakeCascade, faces_of, synthetic_list, with_points

SEED = 11
PARTS = (range(36, 42), range(42, 48), [30], [48], [54])


class Noisy(FakeCascade):
    """Each point is off by something of its own, in every face; confidences, too, are each point's own."""

    def locate(self, image, boxes):
        found = super().locate(image, boxes)
        rng = np.random.default_rng(int(boxes.sum()))
        points = found.points + rng.normal(0, 2, found.points.shape).astype(np.float32)
        return type(found)(points=points, confidence=np.tile(np.linspace(0, 1, 68, dtype=np.float32), (1, 1)))


@pytest.fixture
def faces(tmp_path):
    print("seed", SEED)
    return faces_of(synthetic_list(tmp_path, 6))


def noisy(faces):
    return Noisy(with_points(faces, IBUG_68, np.random.default_rng(SEED)), (0.03,), None, IBUG_68)


def test_points_confidence_and_offsets_are_those_of_plain_loops(faces):
    system = noisy(faces)
    five = FiveOfMore(system)
    found = without_offsets(evaluate(five, faces), five.of)
    assert found.is_usual and found.predicted.shape == (6, 1, 5, 2) and found.confidence.shape == (6, 5)
    off = np.empty((6, 5, 2))
    for f, face in enumerate(faces):
        own = system.locate(np.zeros((9, 9), np.uint8), face.bbox.as_array()[None])
        for j, part in enumerate(PARTS):
            assert found.confidence[f, j] == pytest.approx(sum(own.confidence[0, i] for i in part) / len(part))
            for axis in (0, 1):
                mean = sum(float(own.points[0, i, axis]) for i in part) / len(part)
                off[f, j, axis] = (mean - face.landmark_px[j, axis]) / face.bbox.width
    for j in range(5):
        for axis in (0, 1):
            ordered = sorted(off[:, j, axis])
            median = (ordered[2] + ordered[3]) / 2
            assert found.offsets[j, axis] == pytest.approx(median, abs=1e-6)
            off[:, j, axis] -= median
    np.testing.assert_allclose(found.errors[:, 0], np.hypot(off[..., 0], off[..., 1]), atol=1e-6)
    written = as_json(found)
    np.testing.assert_allclose(written["offsets"], found.offsets)
    np.testing.assert_allclose(written["levels"]["1"]["failure"], (np.hypot(off[..., 0], off[..., 1]) > 0.05).mean(0))


def test_what_is_the_same_in_every_face_is_no_error(faces):
    cascade = FakeCascade(with_points(faces, IBUG_68, np.random.default_rng(SEED)), (0.06, 0.2), 0.5, IBUG_68)
    raw = evaluate(FiveOfMore(cascade), faces)
    np.testing.assert_allclose(raw.errors, np.full((6, 1, 5), 0.2), atol=1e-5)    # of two levels, the last
    found = without_offsets(raw, IBUG_68)
    np.testing.assert_allclose(found.offsets, [[0.2, 0]] * 5, atol=1e-5)
    np.testing.assert_allclose(found.errors, 0, atol=1e-5)
    text = table(found)
    assert "made of the model's 68" in text and "is taken off" in text and "paper, level 3" in text
    right, down = (next(line for line in text.splitlines() if line.startswith(name)).split() for name in
                   ("to the right", "down"))
    assert [float(cell) for cell in right[3:]] == [20] * 5 and [abs(float(cell)) for cell in down[1:]] == [0] * 5


def test_points_that_a_list_hides(faces):
    hidden = [replace(face, landmark_px=np.where(np.arange(5)[:, None] == 2, np.nan, face.landmark_px))
              for face in faces]
    found = without_offsets(evaluate(FiveOfMore(noisy(faces)), hidden), IBUG_68)
    assert np.isnan(found.offsets[2]).all() and np.isfinite(found.offsets[[0, 1, 3, 4]]).all()
    assert np.isfinite(found.predicted).all() and as_json(found)["offsets"][2] == [None, None]
    assert "nan" not in table(found)


def test_models_that_have_no_other_five():
    own = Points(("a", "b"), (0, 1))
    for points, text in ((FIVE_POINTS, "has the usual five"), (own, "2 points do not say")):
        with pytest.raises(FacesError, match=text):
            FiveOfMore(FakeCascade([], points=points))


def test_a_model_that_looks_again(faces):
    class Looking(FakeCascade):
        looks = (1, 2, "auto")

        def locate(self, image, boxes, looks=1):
            found = super().locate(image, boxes)
            found.looks = np.full(len(boxes), 2 if looks == 2 else 1)
            return found
    system = Looking(with_points(faces, IBUG_68, np.random.default_rng(SEED)), (0.01,), None, IBUG_68)
    assert (evaluate(FiveOfMore(system), faces, looks=2).looks == 2).all()
    assert evaluate(FiveOfMore(noisy(faces)), faces, looks="auto").looks is None


def test_the_command(tmp_path, faces, monkeypatch, capsys):
    monkeypatch.setattr(command, "load", lambda model: noisy(faces))
    arguments = ["--model", "m", "--data", str(tmp_path)]
    assert command.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "5 points, 68 are asked for" in error
    assert error.endswith("; --five judges the model by the five that its points tell\n")
    assert command.main([*arguments, "--five", "--json", str(tmp_path / "t.json"), "--limit", "4"]) == 0
    assert "n = 4 faces" in (text := capsys.readouterr().out) and "made of the model's 68" in text
    assert len(json.loads((tmp_path / "t.json").read_text())["offsets"]) == 5
    assert command.main([*arguments, "--five", "--robust"]) == 1
    assert "--five is not for --robust" in capsys.readouterr().err
    write_list(tmp_path / "all.txt", noisy(faces).faces)
    assert command.main(["--model", "m", "--list", str(tmp_path / "all.txt")]) == 0
    assert "distance of the outer eye corners" in capsys.readouterr().out
    monkeypatch.setattr(command, "load", lambda model: FakeCascade(faces))
    assert command.main([*arguments, "--five"]) == 1
    assert "has the usual five points" in capsys.readouterr().err
