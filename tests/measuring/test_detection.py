"""Measuring on detected faces: what is counted, and what pictures that cannot be read do."""
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from deeplandmark import evaluate_detection
from deeplandmark.detectors import Detections
from deeplandmark.faces import ListError
from deeplandmark.measuring.detection import evaluate_detected
from tests.helpers.fake_cascade import FakeCascade, faces_of, repeated_list, synthetic_list


def setting(faces):
    """A FakeCascade and a detector that finds the box of the first face and one in the corner in every picture."""
    cascade = FakeCascade(faces)
    cascade.predict = lambda image, boxes: np.repeat(cascade._points(np.array(boxes)[:1], 0.02), len(boxes), axis=0)
    found = Detections.of([faces[0].bbox.as_array(), [0, 0, 3, 3]], [2, 1])
    return cascade, SimpleNamespace(detect=lambda image: found)


def test_what_is_counted(tmp_path):
    face = faces_of(synthetic_list(tmp_path, 1))[0]
    far = replace(face, bbox=replace(face.bbox, left=face.bbox.right, right=face.bbox.right + face.bbox.width))
    result = evaluate_detected(*setting([face, far]), [face, far], threads=2)
    assert result.found.tolist() == [True, False] and result.box_count == 4 and len(result.unmatched()) == 3
    np.testing.assert_allclose(result.errors(result.detected), np.full((1, 5), 0.02), atol=1e-6)
    assert np.isnan(result.detected[1]).all() and result.problems == ()


def test_pictures_that_cannot_be_read(tmp_path):
    faces = faces_of(repeated_list(tmp_path, 101))[::2] * 2
    faces[60] = replace(faces[60], path=tmp_path / "missing.png")
    result = evaluate_detected(*setting(faces), faces, threads=1)
    assert len(result.found) == 101 and "missing.png: no such picture" in str(result.problems[0])
    with pytest.raises(ListError, match="4 of 42 lines are bad.*testImageList.txt:19: .*missing.png"):
        evaluate_detected(*setting(faces), [faces[60]] * 4 + faces[64:], threads=1)
    with pytest.raises(ListError, match="no faces"):
        evaluate_detected(*setting(faces), [], threads=1)


def test_the_command_without_a_picture_is_one_line(tmp_path, capsys):
    shutil.copy(synthetic_list(tmp_path, 2), tmp_path / "trainImageList.txt")
    for path in tmp_path.glob("*.png"):
        path.unlink()
    assert evaluate_detection.main(["--data", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("evaluate_detection: 2 of 2 lines are bad") and error.count("\n") == 1
    assert evaluate_detection.main(["--data", str(tmp_path), "--held-back"]) == 1
    assert "no faces" in capsys.readouterr().err
