"""A cascade that knows the truth and is off by what a test says."""
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np

from deeplandmark.cascade.settings import CascadeSettings
from deeplandmark.faces import Annotation, read_list, write_list
from deeplandmark.faces.points import FIVE_POINTS
from deeplandmark.faces.synthetic import draw_face


class FakeCascade:
    """Finds a face by its box; level i is off to the right by offsets[i], F alone by `first`, in box widths."""

    def __init__(self, annotations, offsets=(0.04, 0.03, 0.02), first=0.06, points=FIVE_POINTS):
        self.faces = list(annotations)
        self.truth = {tuple(face.bbox.as_array()): face.landmark_px for face in annotations}
        self.settings = CascadeSettings(points)
        self.offsets, self.first, self.calls = offsets, first, 0

    def locate(self, image, boxes):
        assert image.dtype == np.uint8 and image.ndim == 2
        self.calls += 1
        levels = np.stack([self._points(boxes, offset) for offset in self.offsets], axis=1)
        return SimpleNamespace(points=levels[:, -1], levels=levels, confidence=np.ones(levels.shape[::2], np.float32),
                               first=None if self.first is None else self._points(boxes, self.first))

    def _points(self, boxes, offset):
        shift = offset * (boxes[:, 2] - boxes[:, 0])
        points = np.array([self.truth[tuple(box)] for box in boxes])
        points[..., 0] += shift[:, None]
        return points.astype(np.float32)


def synthetic_list(folder, count):
    """Draws faces into `folder`, one picture after another; the path of their list."""
    faces = []
    for i in range(count):
        image, landmark_px, bbox = draw_face(np.random.default_rng(i))
        assert cv2.imwrite(str(folder / f"{i}.png"), image)
        faces.append(Annotation(folder / f"{i}.png", bbox, landmark_px, "", i))
    write_list(folder / "testImageList.txt", faces)
    return folder / "testImageList.txt"


def with_points(faces, points, rng):
    """Faces of five points with those of a set instead, which tell the same five and move with them."""
    weights = rng.dirichlet(np.ones(5), len(points))
    moved = []
    for face in faces:
        five, landmark_px = face.landmark_px, weights @ face.landmark_px
        for own, part in zip(five, points.five):
            around = rng.normal(0, face.bbox.width / 20, (len(part), 2))
            landmark_px[list(part)] = own + around - around.mean(axis=0)
        moved.append(replace(face, landmark_px=landmark_px))
    return moved


def repeated_list(folder, lines):
    """The list of two synthetic faces, written over and over until it has so many lines."""
    path = synthetic_list(folder, 2)
    first = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(first[i % 2] for i in range(lines)))
    return path


def faces_of(list_path):
    return read_list(list_path, problems=[])
