"""Pieces of pictures to compose scenes of: a face with as much around it as wanted, turned, in another size, laid onto
a scene at a place."""
from dataclasses import dataclass

import cv2
import numpy as np

from deeplandmark.faces.box_of_points import boxes_of_points
from deeplandmark.faces.points import FIVE_POINTS


@dataclass(frozen=True)
class Labelled:
    """A picture with what is known of it.

    Attributes
    ----------
    image : uint8 (h, w, 3), blue green red
    points : float64 (n, 5, 2), pixels
        Of its labelled faces.
    suspects : float64 (m, 4), pixels
        Places where faces may be that nobody labelled.
    """
    image: np.ndarray
    points: np.ndarray
    suspects: np.ndarray


def mirrored(picture):
    """A Labelled picture as a mirror shows it."""
    last = picture.image.shape[1] - 1
    points = picture.points[:, list(FIVE_POINTS.mirror)] * (-1, 1) + (last, 0)
    suspects = picture.suspects[:, [2, 1, 0, 3]] * (-1, 1, -1, 1) + (last, 0, last, 0)
    return Labelled(np.ascontiguousarray(picture.image[:, ::-1]), points, suspects)


def part_of(picture, window):
    """A Labelled picture's part inside a window (4,), cut off at whole pixels; points and places may lie outside."""
    height, width = picture.image.shape[:2]
    left, top = np.clip(np.floor(window[:2]).astype(int), 0, (width - 2, height - 2))
    right, bottom = np.clip(np.ceil(window[2:]).astype(int), (left + 2, top + 2), (width, height))
    return Labelled(picture.image[top:bottom, left:right], picture.points - (left, top),
                    picture.suspects - (left, top, left, top))


def shrunk(picture, scale):
    """A Labelled picture about `scale` times as large, averaged over areas, and how much it is to be enlarged yet."""
    if scale >= 0.7:
        return picture, scale
    sides = np.maximum(np.rint(np.array(picture.image.shape[1::-1]) * scale), 2)
    ratio = sides / picture.image.shape[1::-1]
    image = cv2.resize(picture.image, sides.astype(int), interpolation=cv2.INTER_AREA)
    return Labelled(image, (picture.points + 0.5) * ratio - 0.5,
                    (picture.suspects + 0.5) * np.tile(ratio, 2) - 0.5), 1.0


def placing(middle, to, scale, angle):
    """The matrix (2, 3) that turns about `middle` (2,), pixels, by `angle` degrees, changes the size and brings that
    point to `to` (2,)."""
    matrix = cv2.getRotationMatrix2D(tuple(map(float, middle)), angle, scale)
    matrix[:, 2] += np.asarray(to) - middle
    return matrix


def moved_points(matrix, points):
    """Points (..., 2) where a matrix (2, 3) brings them."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def moved_boxes(matrix, boxes):
    """Upright boxes (n, 4) about where a similarity (2, 3) brings boxes (n, 4): they keep their proportions."""
    scale = np.hypot(*matrix[:, 0])
    middle = moved_points(matrix, (boxes[:, :2] + boxes[:, 2:]) / 2)
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * scale
    return np.concatenate([middle - half, middle + half], axis=1)


def laid_onto(scene, picture, matrix, round_shape=False, soft=0.0):
    """Draws a Labelled picture onto a scene (h, w, 3), in place, where a matrix (2, 3) brings it.

    `round_shape` takes its ellipse alone; `soft` is the width, pixels, over which its edge blends. Returns the mask,
    float32 (h, w), 0..1, of what it covers.
    """
    height, width = picture.image.shape[:2]
    size = scene.shape[1::-1]
    mask = np.zeros((height, width), np.uint8)
    if round_shape:
        cv2.ellipse(mask, (width // 2, height // 2), (width // 2, height // 2), 0, 0, 360, 255, -1)
    else:
        mask[:] = 255
    mask = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR)
    if soft > 0:
        mask = cv2.GaussianBlur(cv2.erode(mask, None, iterations=max(1, round(soft))), (0, 0), soft)
    drawn = cv2.warpAffine(picture.image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if mask.min() == 255:
        scene[:] = drawn
        return np.ones(mask.shape, np.float32)
    share = mask.astype(np.float32) / 255
    scene[:] = np.rint(scene + (drawn.astype(np.float32) - scene) * share[..., None]).astype(np.uint8)
    return share


def face_boxes(points):
    """Boxes (n, 4) of faces by their points (n, 5, 2), pixels: what a detector should frame."""
    return boxes_of_points(points).reshape(-1, 4) if len(points) else np.zeros((0, 4))
