"""Scenes to train a single-shot detector on: pictures put together from faceless ones and pieces with faces.

A face in a photo has what belongs to it around it - hair, collar, hands, other people - and none of it may be mistaken
for a face, so that most pieces are large and whole pictures. Places where an unlabelled face may be are marked, to be
left out of the loss. Pieces without faces are laid in as well: an edge in the picture says nothing.
"""
from dataclasses import dataclass

import cv2
import numpy as np

from deeplandmark.detector_training.cut_outs import (
    Labelled,
    face_boxes,
    laid_onto,
    mirrored,
    moved_boxes,
    moved_points,
    part_of,
    placing,
    shrunk,
)
from deeplandmark.detector_training.spoiling import blurred, covered, lit, spoiled
from deeplandmark.detectors.brightened import brightened
from deeplandmark.detectors.detections import areas, share_of_smaller

FACE, MAYBE, NOTHING = 1, -1, 0      # kinds of objects
OBJECTS = 32                         # rows of a scene
VALUES = 15                          # of a row: kind, left top right bottom, x and y of five points


@dataclass(frozen=True)
class ScenePlan:
    """How scenes are drawn.

    Attributes
    ----------
    size : int
        Pixels of a scene's side.
    smallest, largest : float
        Sides of the faces' boxes, pixels; smaller ones are marked MAYBE.
    most : int
        Pieces of a scene.
    natural, tight, empty : float
        Shares of scenes that are one whole picture, that are cropped to a face, and that hold no face; the others are
        put together from pieces.
    """
    size: int = 192
    smallest: float = 9.0
    largest: float = 180.0
    most: int = 12
    natural: float = 0.4
    tight: float = 0.07
    empty: float = 0.08


class Scene:
    """A scene while it is put together: `image` uint8 (size, size, 3), and its objects."""

    def __init__(self, image):
        self.image = image
        self.points = np.zeros((0, 5, 2))
        self.maybe = np.zeros((0, 4))

    def lay(self, picture, matrix, **edge):
        """Lays a Labelled picture in; whether there was room for it, without covering much of a face."""
        before = self.image.copy()
        mask = laid_onto(self.image, picture, matrix, **edge)
        if any(_hidden(mask, box) > 0.15 for box in face_boxes(self.points)):
            self.image[:] = before
            return False
        self.points = np.concatenate([self.points, moved_points(matrix, picture.points)])
        gone = [_hidden(mask, box) > 0.8 for box in self.maybe]
        self.maybe = np.concatenate([self.maybe[~np.array(gone, bool)], moved_boxes(matrix, picture.suspects)])
        return True

    def objects(self, smallest):
        """float32 (OBJECTS, VALUES): faces, then places where one may be; faces too small or mostly beyond the edge are
        such places."""
        size = np.array(self.image.shape[1::-1])
        boxes = face_boxes(self.points)
        inside = areas(np.clip(boxes, 0, np.tile(size, 2))) / areas(boxes)
        good = (inside >= 0.5) & (boxes[:, 2] - boxes[:, 0] >= smallest)
        rows = [np.concatenate([[FACE], box, points.ravel()])
                for box, points in zip(boxes[good], self.points[good])]
        rows += [np.concatenate([[MAYBE], box, np.zeros(10)])
                 for box in (*boxes[~good & (inside > 0)], *self._free_of(boxes[good]))]
        found = np.zeros((OBJECTS, VALUES), np.float32)
        found[:min(len(rows), OBJECTS)] = np.array(rows[:OBJECTS]).reshape(-1, VALUES)
        return found

    def _free_of(self, boxes):
        """The places that do not lie over a labelled face."""
        if not len(boxes) or not len(self.maybe):
            return self.maybe
        return self.maybe[(share_of_smaller(self.maybe, boxes) < 0.6).all(axis=1)]


def compose(plan, faces, grounds, rng):
    """A scene of a ScenePlan.

    Parameters
    ----------
    faces, grounds : callable (rng) -> Labelled
        A picture with a labelled face, and one without.
    rng : numpy.random.Generator

    Returns
    -------
    image uint8 (size, size, 3), blue green red; objects float32 (OBJECTS, VALUES)
    """
    scene = Scene(_ground(plan, grounds(rng), rng))
    kind = rng.random()
    if kind < plan.natural:
        _lay_natural(plan, scene, faces(rng), grounds, rng)
    elif kind < plan.natural + plan.tight:
        scene = _tight(plan, faces(rng), rng)
    else:
        most = 0 if kind > 1 - plan.empty else plan.most
        _lay_pieces(plan, scene, faces, grounds, most, rng)
    return brightened(spoiled(scene.image, rng)), scene.objects(plan.smallest)


def _ground(plan, picture, rng):
    """A part of a faceless picture that fills a scene."""
    sides = np.array(picture.image.shape[1::-1])
    part = sides.min() * np.exp(rng.uniform(np.log(0.3), 0))
    corner = rng.uniform(0, 1, 2) * (sides - part)
    image = part_of(picture, np.concatenate([corner, corner + part])).image
    image = cv2.resize(image, (plan.size, plan.size), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(lit(image[:, ::-1] if rng.random() < 0.5 else image, rng))


def _face_size(plan, low, high, rng):
    return np.exp(rng.uniform(np.log(max(low, plan.smallest)), np.log(min(high, plan.largest))))


def _angle(rng):
    return rng.uniform(-60, 60) if rng.random() < 0.25 else rng.normal(0, 12)


def _piece(picture, margins, size, grounds, rng):
    """A labelled face of that size, pixels, with margins (4,) in sides of its box around, lit, perhaps blurred or half
    covered: (Labelled, scale that is left, middle of the face)."""
    picture = mirrored(picture) if rng.random() < 0.5 else picture
    box = face_boxes(picture.points)[0]
    side = box[2] - box[0]
    picture = part_of(picture, box + margins * side * (-1, -1, 1, 1))
    picture, scale = shrunk(picture, size / side)
    box = face_boxes(picture.points)[0]
    image = lit(picture.image, rng)
    if rng.random() < 0.1:
        image = covered(image, box, grounds(rng).image, rng)
    if rng.random() < 0.2:
        image = blurred(image, rng.uniform(0.01, 0.07) * (box[2] - box[0]), rng)
    return Labelled(image, picture.points, picture.suspects), scale, (box[:2] + box[2:]) / 2


def _lay_natural(plan, scene, picture, grounds, rng):
    """One whole picture."""
    box = face_boxes(picture.points)[0]
    shorter = min(picture.image.shape[:2]) / (box[2] - box[0])   # in sides of the face
    size = _face_size(plan, 0.5 * plan.size / shorter, 2.5 * plan.size / shorter, rng)
    piece, scale, middle = _piece(picture, np.full(4, 50.0), size, grounds, rng)
    to = rng.uniform(0.1, 0.9, 2) * plan.size
    scene.lay(piece, placing(middle, to, scale, _angle(rng)))


def _lay_pieces(plan, scene, faces, grounds, most, rng):
    """Faces with a little around each, and pieces without a face."""
    largest = plan.largest
    for _ in range(round(np.exp(rng.uniform(0, np.log(most)))) if most else 0):
        size = _face_size(plan, plan.smallest, largest, rng)
        margins = np.exp(rng.uniform(np.log(0.25), np.log(2.5), 4))
        piece, scale, middle = _piece(faces(rng), margins, size, grounds, rng)
        for _ in range(3):
            to = rng.uniform(-0.03, 1.03, 2) * plan.size
            if scene.lay(piece, placing(middle, to, scale, _angle(rng)), **_edge(size, rng)):
                largest = max(plan.smallest * 2, min(largest, plan.size / 3))
                break
    for _ in range(rng.integers(0, 3)):
        _lay_nothing(plan, scene, grounds(rng), rng)


def _lay_nothing(plan, scene, picture, rng):
    """A piece without a face, of about the sizes of those with one."""
    size = _face_size(plan, plan.smallest * 2, plan.size / 2, rng)
    sides = np.array(picture.image.shape[1::-1])
    part = rng.uniform(0.2, 0.8, 2) * sides
    corner = rng.uniform(0, 1, 2) * (sides - part)
    picture, scale = shrunk(part_of(picture, np.concatenate([corner, corner + part])), size / part.min())
    picture = Labelled(lit(picture.image, rng), picture.points, picture.suspects)
    middle = np.array(picture.image.shape[1::-1]) / 2
    scene.lay(picture, placing(middle, rng.uniform(0, 1, 2) * plan.size, scale, _angle(rng)), **_edge(size, rng))


def _tight(plan, picture, rng):
    """A scene that is a picture cropped to a face, some of it cut off, a little out of proportion."""
    picture = mirrored(picture) if rng.random() < 0.5 else picture
    box = face_boxes(picture.points)[0]
    side = box[2] - box[0]
    margins = rng.uniform(-0.08, 0.6, 4)
    part = part_of(picture, box + margins * side * (-1, -1, 1, 1))
    ratio = plan.size / np.array(part.image.shape[1::-1])
    image = cv2.resize(part.image, (plan.size, plan.size),
                       interpolation=cv2.INTER_AREA if ratio.min() < 1 else cv2.INTER_LINEAR)
    scene = Scene(lit(image, rng))
    scene.points = (part.points + 0.5) * ratio - 0.5
    return scene


def _edge(size, rng):
    return {"round_shape": rng.random() < 0.3, "soft": size * 0.04 if rng.random() < 0.4 else 0.0}


def _hidden(mask, box):
    """The share of what a box (4,) frames inside the scene that a mask (h, w) covers."""
    corners = np.clip(np.rint(box).astype(int), 0, np.tile(mask.shape[1::-1], 2))
    part = mask[corners[1]:corners[3], corners[0]:corners[2]]
    return float(part.mean()) if part.size else 0.0
