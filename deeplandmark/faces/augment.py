"""Changes of pose for training: mirroring, and similarities as matrices for `cv2.warpAffine`.

Coordinates: the centre of the left top pixel is (0, 0), as in OpenCV. A matrix is (2, 3) float64 and takes x, y of the
original to x, y of the result.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

from deeplandmark.faces.box import BBox
from deeplandmark.faces.points import FIVE_POINTS


@dataclass(frozen=True)
class Face:
    """A face that a pose can be drawn for.

    Attributes
    ----------
    image : uint8 (h, w) or (h, w, 3)
    box : float64 (4,), left, top, right, bottom, pixels
    points_px : float64 (k, 2), x then y, pixels
    """
    image: np.ndarray
    box: np.ndarray
    points_px: np.ndarray


@dataclass(frozen=True)
class Augmentation:
    """How far the pose of a face is changed; drawn uniformly from -most to +most.

    Attributes
    ----------
    angle : float
        Rotation about the middle of the box, degrees.
    scale, shift : float
        Change of the box: size (natural logarithm of the factor) and place (fraction of the box).
    mirror : bool
        Whether every other sample is mirrored.
    """
    angle: float = 12.0
    scale: float = 0.06
    shift: float = 0.04
    mirror: bool = True


NO_AUGMENTATION = Augmentation(angle=0.0, scale=0.0, shift=0.0, mirror=False)


def posed(face, augmentation, mirrored, points, rng):
    """The Face under a pose drawn from an augmentation; picture, box and points change together.

    Parameters
    ----------
    face : Face
    augmentation : Augmentation
    mirrored : bool
        Whether this one is mirrored, before it is turned.
    points : Points
        What the points of the face are.
    rng : numpy.random.Generator
    """
    image, box, points_px = face.image, face.box, face.points_px
    if mirrored:
        image, points_px, bbox = mirror(image, points_px, BBox(*box), points.pairs)
        box = bbox.as_array()
    angle, scale, dx, dy = rng.uniform(-1, 1, 4) * (augmentation.angle, augmentation.scale, *[augmentation.shift] * 2)
    if angle:
        turn = similarity(BBox(*box), angle)
        image = cv2.warpAffine(image, turn, image.shape[1::-1], flags=cv2.INTER_LINEAR,
                               borderMode=cv2.BORDER_REPLICATE)
        points_px = apply(turn, points_px)
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    middle = middle + np.array([dx, dy]) * 2 * half
    half = half * np.exp(scale)
    return Face(image, np.concatenate([middle - half, middle + half]), points_px)


def mirror(image: np.ndarray, landmark_px: ArrayLike, bbox: BBox,
           mirror_pairs: Iterable[tuple[int, int]] = FIVE_POINTS.pairs) -> tuple[np.ndarray, np.ndarray, BBox]:
    """Left and right exchanged: (image, landmark_px (k, 2), bbox) of the mirrored picture.

    `mirror_pairs` lists the points that change places, so that "left" stays left in the picture.
    """
    width = image.shape[1]
    mirrored_bbox = BBox(width - 1 - bbox.right, bbox.top, width - 1 - bbox.left, bbox.bottom)
    return cv2.flip(image, 1), mirror_points(landmark_px, width, mirror_pairs), mirrored_bbox


def mirror_points(landmark_px: ArrayLike, picture_width: int,
                  mirror_pairs: Iterable[tuple[int, int]] = FIVE_POINTS.pairs) -> np.ndarray:
    """Landmarks (..., k, 2) of the mirrored picture, float64."""
    mirrored = np.array(landmark_px, dtype=np.float64)
    mirrored[..., 0] = picture_width - 1 - mirrored[..., 0]
    for left, right in mirror_pairs:
        mirrored[..., [left, right], :] = mirrored[..., [right, left], :]
    return mirrored


def similarity(bbox: BBox, angle: float = 0.0, scale: float = 1.0, shift: ArrayLike = (0.0, 0.0)) -> np.ndarray:
    """The matrix (2, 3) that turns the picture by `angle` degrees (counter-clockwise to the eye, as OpenCV) about the
    centre of the box, enlarges by `scale` about it, then shifts by that fraction of the box's width and height."""
    x, y = map(float, bbox.centre)
    matrix = cv2.getRotationMatrix2D((x, y), float(angle), float(scale))
    matrix[:, 2] += np.multiply(shift, [bbox.width, bbox.height])
    return matrix


def apply(matrix: np.ndarray, points_px: ArrayLike) -> np.ndarray:
    """Points (..., 2) taken through a matrix (2, 3): float64 (..., 2)."""
    return np.asarray(points_px, dtype=np.float64) @ matrix[:, :2].T + matrix[:, 2]

