"""Changes of pose for training: mirroring, and similarities as matrices for `cv2.warpAffine`.

Coordinates: the centre of the left top pixel is (0, 0), as in OpenCV. A matrix is (2, 3) float64 and takes x, y of the
original to x, y of the result.
"""

import cv2
import numpy as np

from deeplandmark.faces.box import BBox

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

