"""Pictures as they might also have been taken: turned, darker, less sharp, cut off by the edge, partly covered.

A `View` is what samples are cut out of: a picture, its labelled faces and the places where others may be; `draw_view`
changes all of them together.
"""
from dataclasses import dataclass, replace

import cv2
import numpy as np

from deeplandmark.faces.augment import apply, mirror_points
from deeplandmark.faces.points import FIVE_POINTS


@dataclass(frozen=True)
class View:
    """A picture to cut samples out of.

    Attributes
    ----------
    image : uint8 (h, w, 3), blue green red
    boxes, points_px : float64 (n, 4) and (n, 5, 2), pixels
        The labelled faces.
    suspected : float64 (m, 4), pixels
        Where faces may be that nobody labelled.
    """
    image: np.ndarray
    boxes: np.ndarray
    points_px: np.ndarray
    suspected: np.ndarray


@dataclass(frozen=True)
class Changes:
    """How often (0..1) and how far views are changed.

    Attributes
    ----------
    turned, most_turned : how often by an angle drawn up to so many degrees, either way
    quarter : how often, of the turned ones, by about 90 degrees instead
    cut, cut_most : how often the picture's edge runs through a face, and what share of its box it takes at most
    tight : how often the picture is cut off closely round a face
    dark, darkest : how often, and the least factor on the brightness
    toned : how often contrast and colours change
    grey : how often without colour
    blurred, most_blurred : how often, and the largest deviation of the Gaussian, in widths of the face
    covered : how often a part of the face is covered
    """
    turned: float = 0.45
    most_turned: float = 50.0
    quarter: float = 0.1
    cut: float = 0.12
    cut_most: float = 0.35
    tight: float = 0.1
    dark: float = 0.3
    darkest: float = 0.05
    toned: float = 0.4
    grey: float = 0.35
    blurred: float = 0.25
    most_blurred: float = 0.05
    covered: float = 0.08


def draw_view(view, rng, changes=Changes()):
    """A view changed at random: every second one mirrored, each change of `changes` as often as it says.

    A labelled face of which less than half is left becomes a place where a face may be.
    """
    if rng.random() < 0.5:
        view = mirrored(view)
    face = int(rng.integers(len(view.boxes))) if len(view.boxes) else None
    view = _framed(view, face, rng, changes)
    image, box = view.image, None if face is None else view.boxes[face]
    if box is not None and rng.random() < changes.covered:
        image = _covered(image, box, rng)
    if rng.random() < changes.blurred:
        side = min(image.shape[:2]) / 4 if box is None else box[2] - box[0]
        sigma = changes.most_blurred * side * rng.uniform(0.1, 1)
        image = cv2.GaussianBlur(image, (0, 0), max(sigma, 0.3))
    return _without_lost(replace(view, image=_toned(image, rng, changes)))


def mirrored(view):
    """Left and right exchanged."""
    width = view.image.shape[1]
    return View(np.ascontiguousarray(view.image[:, ::-1]), *(_flipped(view.boxes, width),
                mirror_points(view.points_px, width, FIVE_POINTS.pairs), _flipped(view.suspected, width)))


def _flipped(boxes, width):
    return np.stack([width - 1 - boxes[:, 2], boxes[:, 1], width - 1 - boxes[:, 0], boxes[:, 3]], axis=1)


def _framed(view, face, rng, changes):
    """Turned about a face (or the middle) and cut off; the same picture where nothing of this is drawn."""
    height, width = view.image.shape[:2]
    box = np.array([0, 0, width, height]) if face is None else view.boxes[face]
    turn = _angle(rng, changes) if rng.random() < changes.turned else 0.0
    frame = np.array([0, 0, width, height], np.float64)
    drawn = rng.random()
    if face is not None and drawn < changes.cut:
        frame = _through(box, frame, rng, changes.cut_most)
    elif face is not None and drawn < changes.cut + changes.tight:
        frame = np.rint(box + rng.uniform(-0.15, 0.2, 4) * (box[2] - box[0]) * (-1, -1, 1, 1))
    if not turn and (frame == (0, 0, width, height)).all():
        return view
    matrix = cv2.getRotationMatrix2D(tuple((box[:2] + box[2:]) / 2), turn, 1.0)
    matrix[:, 2] -= frame[:2]
    size = tuple(int(side) for side in np.maximum(frame[2:] - frame[:2], 12))
    image = cv2.warpAffine(view.image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return View(image, _moved(view.boxes, matrix), apply(matrix, view.points_px), _moved(view.suspected, matrix))


def _angle(rng, changes):
    if rng.random() < changes.quarter:
        return rng.choice([-90.0, 90.0]) + rng.uniform(-15, 15)
    return rng.uniform(-changes.most_turned, changes.most_turned)


def _through(box, frame, rng, most):
    """The frame with one side, sometimes two, brought into a face's box."""
    frame = frame.copy()
    for side in rng.choice(4, 1 + (rng.random() < 0.3), replace=False):
        inwards = (1, 1, -1, -1)[side] * rng.uniform(0, most) * (box[2] - box[0])
        frame[side] = np.rint(box[side] + inwards)
    return frame if (frame[2:] - frame[:2] > 12).all() else np.array([0, 0, *frame[2:]])


def _moved(boxes, matrix):
    """Boxes of the same sizes about the places where their middles go."""
    centre = apply(matrix, (boxes[:, :2] + boxes[:, 2:]) / 2)
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def _covered(image, box, rng):
    """A rectangle over part of the face: another part of the picture, or one colour."""
    height, width = image.shape[:2]
    side = box[2] - box[0]
    size = np.maximum(rng.uniform(0.2, 0.6, 2) * side, 2).astype(int)
    corner = (box[:2] + rng.uniform(-0.1, 0.8, 2) * side).astype(int)
    first, last = np.clip(corner, 0, (width, height)), np.clip(corner + size, 0, (width, height))
    wide, high = last - first
    if not (wide > 0 and high > 0):
        return image
    image = image.copy()
    x, y = rng.integers(0, width - wide + 1), rng.integers(0, height - high + 1)
    patch = image[y:y + high, x:x + wide].copy() if rng.random() < 0.6 else rng.integers(0, 256, 3)
    image[first[1]:last[1], first[0]:last[0]] = patch
    return image


def _toned(image, rng, changes):
    """Other colours, another contrast, darker, some noise."""
    if rng.random() < changes.grey:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    gain, offset = np.ones(3), 0.0
    if rng.random() < changes.toned:
        gain = np.exp(rng.uniform(-0.15, 0.15, 3) + rng.uniform(-0.4, 0.3))
        offset = rng.uniform(-30, 30)
    if rng.random() < changes.dark:
        dark = np.exp(rng.uniform(np.log(changes.darkest), 0))
        gain, offset = gain * dark, offset * dark
    if offset == 0 and (gain == 1).all():
        return image
    table = np.clip(np.arange(256)[:, None] * gain + offset, 0, 255).round().astype(np.uint8)
    return cv2.LUT(image, table[None])


def _without_lost(view):
    """Labelled faces of which less than half lies in the picture are no longer labelled, but suspected."""
    height, width = view.image.shape[:2]
    inside = np.minimum(view.boxes[:, 2:], (width, height)) - np.maximum(view.boxes[:, :2], 0)
    share = np.prod(np.maximum(inside, 0), axis=1) / np.prod(view.boxes[:, 2:] - view.boxes[:, :2], axis=1)
    kept = share >= 0.5
    return View(view.image, view.boxes[kept], view.points_px[kept],
                np.concatenate([view.suspected, view.boxes[~kept]]))
