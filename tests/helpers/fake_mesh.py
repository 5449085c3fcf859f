"""A face mesh that sees coloured discs: for tests of what is done with a mesh's answers, without its network."""
import cv2
import numpy as np

from deeplandmark.annotating.face_mesh import OUTER_CORNERS, SIZE, VERTICES, FaceMesh
from deeplandmark.faces.box import BBox

# Where vertices lie in a face whose outer eye corners are (-1, 0) and (1, 0).
SHAPE = np.random.default_rng(7).uniform([-1.4, -1.1], [1.4, 1.9], (VERTICES, 2))
SHAPE[list(OUTER_CORNERS)] = [-1, 0], [1, 0]
LEFT, RIGHT = (255, 0, 0), (0, 0, 255)         # blue and red discs at the corners


def picture_of(corners_px, size=(300, 300)):
    """uint8 (h, w, 3): the discs of faces at corners (n, 2, 2)."""
    image = np.full((*size, 3), 0, np.uint8)
    for corners in np.asarray(corners_px, np.float64):
        for (x, y), colour in zip(corners, (LEFT, RIGHT)):
            cv2.circle(image, (round(16 * x), round(16 * y)), 16 * 6, colour, -1, cv2.LINE_AA, 4)
    return image


def vertices_of(corners_px):
    """float64 (468, 2): where the mesh of a face with these corners (2, 2) lies."""
    left, right = np.asarray(corners_px, np.float64) @ [1, 1j]
    places = (left + right) / 2 + (right - left) / 2 * (SHAPE @ [1, 1j])
    return np.stack([places.real, places.imag], axis=-1)


def box_of(corners_px):
    """A BBox around the face, of the cascade's kind."""
    middle, half = np.mean(corners_px, axis=0), 0.75 * np.linalg.norm(np.subtract(*corners_px))
    return BBox(*map(float, (*(middle - half), *(middle + half))))


class SeesDiscs:
    """The network: finds the discs of a window; `seen` are the windows that it was asked about."""

    def __init__(self):
        self.seen = []

    def __call__(self, window):
        assert window.shape == (1, SIZE, SIZE, 3) and window.dtype == np.float32
        assert 0 <= window.min() <= window.max() <= 1
        self.seen.append(window[0])
        red, _, blue = window[0].transpose(2, 0, 1)
        if min(blue.sum(), red.sum()) < 10:
            return np.zeros((1, 1, 1, 3 * VERTICES), np.float32), np.full((1, 1, 1, 1), -9, np.float32)
        corners = [[(each * axis).sum() / each.sum() for axis in np.meshgrid(*[np.arange(SIZE)] * 2)]
                   for each in (blue, red)]
        vertices = np.concatenate([vertices_of(corners) + 0.5, np.zeros((VERTICES, 1))], axis=1)
        return vertices.astype(np.float32).reshape(1, 1, 1, -1), np.full((1, 1, 1, 1), 9, np.float32)


def fake_mesh():
    return FaceMesh(SeesDiscs(), looks=((0, 0, 0),))
