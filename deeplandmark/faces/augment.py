"""Changes of pose for training: mirroring, and similarities given as matrices, so that a caller cuts its window from
the full-resolution picture in one `cv2.warpAffine`.

Coordinates: the centre of the left top pixel is (0, 0), as in OpenCV. A matrix is (2, 3) float64 and takes x, y of the
original to x, y of the result.
"""

import cv2
import numpy as np

from .box import BBox

MIRROR_PAIRS = ((0, 1), (3, 4))  # left and right eye, left and right mouth corner


def mirror(image, landmark_px, bbox, mirror_pairs=MIRROR_PAIRS):
    """Left and right exchanged: (image, landmark_px (k, 2), bbox) of the mirrored picture.

    `mirror_pairs` lists the points that change places, so that "left" stays left in the picture.
    """
    width = image.shape[1]
    mirrored_bbox = BBox(width - 1 - bbox.right, bbox.top, width - 1 - bbox.left, bbox.bottom)
    return cv2.flip(image, 1), mirror_points(landmark_px, width, mirror_pairs), mirrored_bbox


def mirror_points(landmark_px, picture_width, mirror_pairs=MIRROR_PAIRS):
    """Landmarks (..., k, 2) of the mirrored picture, float64."""
    mirrored = np.array(landmark_px, dtype=np.float64)
    mirrored[..., 0] = picture_width - 1 - mirrored[..., 0]
    for left, right in mirror_pairs:
        mirrored[..., [left, right], :] = mirrored[..., [right, left], :]
    return mirrored


def similarity(bbox, angle=0.0, scale=1.0, shift=(0.0, 0.0)):
    """The matrix (2, 3) that turns the picture by `angle` degrees (counter-clockwise to the eye, as OpenCV) about the
    centre of the box, enlarges by `scale` about it, then shifts by that fraction of the box's width and height."""
    x, y = map(float, bbox.centre)
    matrix = cv2.getRotationMatrix2D((x, y), float(angle), float(scale))
    matrix[:, 2] += np.multiply(shift, [bbox.width, bbox.height])
    return matrix


def apply(matrix, points_px):
    """Points (..., 2) taken through a matrix (2, 3): float64 (..., 2)."""
    return np.asarray(points_px, dtype=np.float64) @ matrix[:, :2].T + matrix[:, 2]


def compose(second, first):
    """The matrix (2, 3) of `first`, then `second`."""
    return np.concatenate([second[:, :2] @ first[:, :2], (second[:, :2] @ first[:, 2] + second[:, 2])[:, None]], axis=1)


def invert(matrix):
    """The matrix (2, 3) that undoes `matrix`."""
    return cv2.invertAffineTransform(np.asarray(matrix, dtype=np.float64))


def window_matrix(window, size):
    """The matrix (2, 3) that brings a window of the picture to an input of size (height, width).

    It does what the original does with an inner window: `image[int(top):int(bottom)+1, int(left):int(right)+1]`, then a
    bilinear `cv2.resize`, whose pixel edges (not centres) coincide.
    """
    left, top = int(np.floor(window.left)), int(np.floor(window.top))
    scale_x = size[1] / (int(np.floor(window.right)) + 1 - left)
    scale_y = size[0] / (int(np.floor(window.bottom)) + 1 - top)
    return np.array([[scale_x, 0, (0.5 - left) * scale_x - 0.5], [0, scale_y, (0.5 - top) * scale_y - 0.5]])


def cut(image, window, size, pose=None, border=cv2.BORDER_REPLICATE):
    """An input of size (height, width) cut from the picture after `pose` (a matrix, e.g. from `similarity`), in one
    interpolation. Pixels outside the picture follow OpenCV's `border`."""
    matrix = window_matrix(window, size)
    if pose is not None:
        matrix = compose(matrix, pose)
    return cv2.warpAffine(image, matrix, (size[1], size[0]), flags=cv2.INTER_LINEAR, borderMode=border)
