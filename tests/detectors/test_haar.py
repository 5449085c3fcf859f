"""The Haar cascades: faces that are there, boxes that two of them agree on, pictures of every size."""
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from deeplandmark.detectors import HaarDetector, intersection_over_union
from deeplandmark.detectors.haar import shrink_to
from deeplandmark.detectors.min_face import smallest_share
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.synthetic import draw_face

FOUND_SEEDS = (4, 17, 20, 22)  # of synthetic faces that the Haar cascades take for faces; not all of them are


def synthetic(seed):
    image, _, bbox = draw_face(np.random.default_rng(seed))
    return image, bbox.as_array()


needs_haar = pytest.mark.skipif(not hasattr(cv2, "CascadeClassifier"), reason="OpenCV 5 has no Haar cascades")


@needs_haar
@pytest.mark.parametrize("seed", FOUND_SEEDS)
def test_haar_finds_faces_in_the_lists_kind_of_box(seed):
    image, box = synthetic(seed)
    found = HaarDetector().detect(image)
    assert found.boxes.dtype == found.scores.dtype == np.float32 and found.boxes.shape == (1, 4)
    assert intersection_over_union(box, found.boxes)[0, 0] > 0.7 and found.scores[0] >= 6


@needs_haar
def test_haar_with_grey_and_with_large_pictures():
    image, box = synthetic(17)
    grey = HaarDetector().detect(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    np.testing.assert_array_equal(grey.boxes, HaarDetector().detect(image).boxes)
    large = HaarDetector().detect(cv2.resize(image, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC))
    assert intersection_over_union(6 * box, large.boxes)[0, 0] > 0.7


@needs_haar
def test_two_faces_surest_first_and_nothing_in_noise():
    pictures = [synthetic(seed)[0][:235, :240] for seed in (4, 17)]
    found = HaarDetector(0.2).detect(np.hstack(pictures))
    assert len(found.boxes) == 2 and found.scores[0] >= found.scores[1]
    assert sorted(found.boxes[:, 0] > 240) == [False, True]
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    assert HaarDetector().detect(noise).boxes.shape == (0, 4)
    for shape in ((1, 1, 3), (5, 300), (24, 24)):
        assert len(HaarDetector().detect(np.zeros(shape, np.uint8)).boxes) == 0


@needs_haar
def test_one_detector_in_several_threads():
    detector, image = HaarDetector(), synthetic(4)[0]
    with ThreadPoolExecutor(4) as pool:
        boxes = [found.boxes for found in pool.map(detector.detect, [image] * 12)]
    assert all(np.array_equal(box, boxes[0]) for box in boxes)


def test_an_opencv_without_face_cascades_is_told(monkeypatch):
    """As OpenCV 5 is."""
    for name in ("CascadeClassifier", "data"):
        with monkeypatch.context() as patch:
            patch.delattr(cv2, name, raising=False)
            with pytest.raises(FacesError, match="brings no face cascade; install opencv-python 4, or give"):
                HaarDetector().detect(np.zeros((50, 50), np.uint8))


@needs_haar
def test_min_face_leaves_small_faces_out():
    image, box = synthetic(17)
    share = (box[2] - box[0]) / min(image.shape[:2])
    assert len(HaarDetector(min_face=min(1, 2 * share)).detect(image).boxes) == 0


@pytest.mark.parametrize("windows, counts, used", [
    (2, [0, 4], 4), (4, [0, 2], 2), (2, [0, 3], None), (9, [0, 0], None), (9, [], None), (3, [9, 4], 4),
    (3, [9, 2], None)])
@needs_haar
def test_both_cascades_agree_on_a_face(windows, counts, used, monkeypatch):
    """The mean of their boxes, by the number of windows each found; six together are enough, five are not. A box that
    shares little with the first one does not count."""
    first, elsewhere, second = np.array([[50.0, 60, 150, 170], [90, 110, 190, 220], [62, 75, 162, 195]])
    detector, corner = HaarDetector(), [20, 30, 20, 30]          # the second cascade sees 0.3 of a side around the box
    monkeypatch.setattr(detector, "_search", lambda *arguments: (
        np.array([elsewhere, second])[:len(counts)] - corner, np.array(counts, float)))
    found = detector._confirm(np.zeros((300, 300), np.uint8), first, windows)
    if used is None:
        assert found is None
    else:
        np.testing.assert_allclose(found[0], (windows * first + used * second) / (windows + used))
        assert found[1] == windows + used


@needs_haar
def test_a_picture_of_the_size_wanted_is_not_resampled():
    image = np.zeros((50, 80), np.uint8)
    assert shrink_to(image, 50, min) is image and shrink_to(image, 80, max) is image
    assert shrink_to(image, 49, min).shape == (49, 78)


@pytest.mark.parametrize("min_face, shape, share", [(0.2, (50, 80), 0.2), (1, (50, 80), 1), (10, (50, 80, 3), 0.2),
                                                    (60, (50, 80), 1)])
@needs_haar
def test_min_face_above_one_is_in_pixels(min_face, shape, share):
    assert smallest_share(min_face, np.zeros(shape, np.uint8)) == share
