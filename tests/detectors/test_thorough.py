"""Turned pictures: what is found in them lies where it lies in the picture itself."""
import cv2
import numpy as np
import pytest

from deeplandmark.detectors import Detections
from deeplandmark.detectors.thorough import ANGLES, ThoroughDetector
from deeplandmark.faces.box_of_points import boxes_of_points

FACE = np.array([[80.0, 50], [110, 52], [96, 68], [84, 86], [107, 88]])
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)]


class FindsDots:
    """Five coloured dots are a face, when the first two are about above the last two."""
    name = "dots"

    def __init__(self, tells_points=True):
        self.tells_points, self.calls = tells_points, 0

    def detect(self, image):
        self.calls += 1
        points = [np.argwhere((np.abs(image.astype(int) - colour) < 60).all(axis=2))[:, ::-1] for colour in COLOURS]
        if min(map(len, points)) == 0:
            return Detections.of([], [], [] if self.tells_points else None)
        points = np.array([part.mean(axis=0) for part in points])
        down, right = points[3:].mean(0) - points[:2].mean(0), points[1] - points[0]
        upright = np.cos(np.arctan2(-down[0], down[1]))
        if upright < np.cos(np.radians(30)) or right @ (down[1], -down[0]) < 0:
            return Detections.of([], [], [] if self.tells_points else None)
        return Detections.of(boxes_of_points(points[None]), [upright], points[None] if self.tells_points else None)


def dots(angle):
    turn = cv2.getRotationMatrix2D((100, 75), angle, 1)
    points = FACE @ turn[:, :2].T + turn[:, 2]
    image = np.full((150, 200, 3), 128, np.uint8)
    for point, colour in zip(points, COLOURS):
        cv2.circle(image, np.rint(point).astype(int).tolist(), 4, colour, -1)
    return image, points


@pytest.mark.parametrize("angle", [0, 20, 45, -60, 90, -120, 180])
def test_a_turned_face_is_found_where_it_lies(angle):
    image, points = dots(angle)
    detector = FindsDots()
    found = ThoroughDetector(detector).detect(image)
    assert detector.calls == len(ANGLES)
    assert len(found.boxes) == 1
    np.testing.assert_allclose(found.points[0], points, atol=1.5)
    np.testing.assert_allclose(found.boxes[0], boxes_of_points(points[None])[0], atol=3)


def test_without_points_the_box_keeps_its_middle_and_size():
    image, points = dots(90)
    found = ThoroughDetector(FindsDots(tells_points=False)).detect(image)
    assert found.points is None
    np.testing.assert_allclose(found.boxes, boxes_of_points(points[None]), atol=3)


def test_nothing_is_nothing():
    assert len(ThoroughDetector(FindsDots()).detect(np.zeros((30, 20), np.uint8)[..., None].repeat(3, 2)).boxes) == 0
