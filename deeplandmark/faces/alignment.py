"""Faces brought to one pose: the similarity transform that takes their points to a template's, and the crop."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike

from deeplandmark.faces.errors import FacesError
from deeplandmark.work.json_text import parse_json
from deeplandmark.work.picture_limits import picture_limits

# ArcFace's five points for a crop of 112 x 112 pixels (Deng, Guo, Xue, Zafeiriou, CVPR 2019; its published code).
_ARCFACE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))


@dataclass(frozen=True)
class Template:
    """Where the points of an aligned face lie.

    Attributes
    ----------
    size : (width, height) of the crop, pixels
    points : float64 (k, 2), x then y; (0, 0) is the middle of the crop's first pixel
    """
    size: tuple[int, int]
    points: np.ndarray

    def resized(self, width: int, height: int) -> Template:
        """The template for a crop of another size: the same part of the face, filling the crop in its narrower side and
        centred in the other."""
        old, new = np.array(self.size, np.float64), np.array([width, height], np.float64)
        scale = (new / old).min()
        return Template((width, height), (self.points + 0.5 - old / 2) * scale + new / 2 - 0.5)


ARCFACE = Template((112, 112), np.array(_ARCFACE))


def read_template(path: str | os.PathLike) -> Template:
    """A `Template` of a JSON file `{"size": [width, height], "points": [[x, y], ...]}`. Raises FacesError naming what
    is wrong with it."""
    try:
        values = parse_json(Path(path).read_bytes())
        width, height = (int(side) for side in values["size"])
        points = np.array(values["points"], np.float64)
    except OSError as error:
        raise FacesError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, LookupError, TypeError, OverflowError):
        raise FacesError(f'{path}: not a template {{"size": [width, height], "points": [[x, y], ...]}}') from None
    if width * height > picture_limits().pixels:
        raise FacesError(f"{path}: a template has at most {picture_limits().pixels:,} pixels, found {width} x {height}")
    if width < 1 or height < 1 or points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise FacesError(f"{path}: a template has a size of at least 1 x 1 and points [[x, y], ...]")
    if np.ptp(points, axis=0).max() == 0:
        raise FacesError(f"{path}: the points of a template must differ")
    return Template((width, height), points)


def similarity_to(points_px: ArrayLike, target: ArrayLike) -> np.ndarray:
    """The similarity transform (2, 3), float64, that takes points to target with the least sum of squared distances:
    scale, rotation and shift, never a reflection (Umeyama, PAMI 1991; in the plane it is one complex division).

    Least squares, not RANSAC: with five points that all carry information there are no outliers to vote down, and
    RANSAC would fit two of them.

    points_px, target : (k, 2) with k at least 2. Raises ValueError for other shapes and for points that are all one.
    """
    points_px, target = np.asarray(points_px, np.float64), np.asarray(target, np.float64)
    if points_px.shape != target.shape or points_px.ndim != 2 or points_px.shape[1] != 2 or len(points_px) < 2:
        raise ValueError(f"points and target are (k, 2), k at least 2; found {points_px.shape} and {target.shape}")
    centre, target_centre = points_px.mean(axis=0), target.mean(axis=0)
    (x, y), (u, v) = (points_px - centre).T, (target - target_centre).T
    spread = (x * x + y * y).sum()
    if not spread > 0:
        raise ValueError("points that are all the same have no scale or direction")
    a, b = (x * u + y * v).sum() / spread, (x * v - y * u).sum() / spread
    turn = np.array([[a, -b], [b, a]])
    return np.column_stack([turn, target_centre - turn @ centre])


def scale_of(matrix: np.ndarray) -> float:
    """How much a similarity (2, 3) enlarges."""
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def crop_aligned(image: np.ndarray, matrix: ArrayLike, size: tuple[int, int],
                 border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
    """The picture, uint8 (h, w) or (h, w, 3), under a similarity (2, 3), cut to (width, height). What is beyond its
    edge is black, or what another `border` of OpenCV's warpAffine says.

    Shrinking, areas are averaged first: a warp alone samples single pixels and leaves jagged edges and moire.
    """
    matrix, scale = np.array(matrix, np.float64), scale_of(matrix)
    if scale < 1:
        image, back = _shrunken(image, matrix, size, scale)
        matrix = np.column_stack([matrix[:, :2] @ back[:, :2], matrix[:, :2] @ back[:, 2] + matrix[:, 2]])
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)


def _shrunken(image, matrix, size, scale):
    """The part of the picture that the crop shows, shrunken by about `scale`, and the matrix (2, 3) back to it."""
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0], [size[0], 0], [0, size[1]], [size[0], size[1]]]) - 0.5
    there = corners @ inverse[:, :2].T + inverse[:, 2]
    margin = 2 / scale + 1
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(there.min(axis=0) - margin).astype(int), 0, [width - 1, height - 1])
    right, bottom = np.clip(np.ceil(there.max(axis=0) + margin).astype(int), [left + 1, top + 1], [width, height])
    part = image[top:bottom, left:right]
    new = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
    ratio = np.array(part.shape[1::-1]) / new
    back = np.column_stack([np.diag(ratio), 0.5 * ratio - 0.5 + [left, top]])  # pixel centres are whole numbers
    return cv2.resize(part, new, interpolation=cv2.INTER_AREA), back
