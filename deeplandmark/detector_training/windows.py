"""Windows of a picture to train MTCNN's networks on: where they lie, of which kind each is, what it should answer.

Numbers and draws are those of the trainings of the public implementations: positive from an overlap (intersection over
union) of 0.65 with a face, part of a face from 0.4, negative below 0.3; what lies between is left out.
"""
import numpy as np

from deeplandmark.detectors.detections import intersection_over_union, share_of_smaller
from deeplandmark.faces.points import FIVE_POINTS

POSITIVE, PART, NEGATIVE = 0.65, 0.4, 0.3
LABELS = {"positive": 1, "part": -1, "points": -2, "negative": 0}
FRAME = 1.3            # sides of a face's box: the square that the networks frame, which shows hair, ears and chin
SIZES, SHIFT = (0.8, 1.25), 0.2        # of a window near a face, in sides of its box
BEYOND = 0.3
SUSPECTED = 0.1        # of the smaller one's area: a negative may share so much with a place where a face may be


def framed(boxes):
    """Squares (n, 4), float64, about faces' boxes (n, 4), as the networks frame faces."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).mean(axis=1, keepdims=True) / 2
    return np.concatenate([centre - FRAME * half, centre + FRAME * half], axis=1)


def draw_near(box, count, rng):
    """Squares (count, 4) near a face's box (4,), float64, of which about half overlap with it by 0.65 or more."""
    sides = box[2:] - box[:2]
    low, high = SIZES[0] * sides.min(), SIZES[1] * sides.max()
    side = rng.uniform(low, high, (count, 1))
    centre = (box[:2] + box[2:]) / 2 + rng.uniform(-SHIFT, SHIFT, (count, 2)) * sides
    return np.concatenate([centre - side / 2, centre + side / 2], axis=1)


def draw_anywhere(shape, smallest, count, rng):
    """Squares (count, 4) in a picture of that shape (h, w, ...), float64, of `smallest` pixels to half its shorter
    side; up to BEYOND of a side may lie outside of it, as in what P sees."""
    sides = np.array(shape[1::-1], np.float64)
    largest = max(sides.min() / 2, min(smallest, sides.min()))
    side = np.exp(rng.uniform(np.log(min(smallest, largest)), np.log(largest), (count, 1)))
    corner = rng.uniform(0, 1, (count, 2)) * (sides - side + 2 * BEYOND * side) - BEYOND * side - 0.5
    return np.concatenate([corner, corner + side], axis=1)


def kinds_of(windows, boxes):
    """What each of windows (n, 4) is beside the faces' boxes (m, 4): a list of n "positive", "part", "negative" or
    None, and the face that each overlaps most with, int (n,), -1 without faces."""
    if not len(boxes):
        return ["negative"] * len(windows), np.full(len(windows), -1)
    overlap = intersection_over_union(windows, boxes)
    best = overlap.max(axis=1)
    kinds = np.select([best >= POSITIVE, best >= PART, best < NEGATIVE], [0, 1, 2], 3)
    return [("positive", "part", "negative", None)[kind] for kind in kinds], overlap.argmax(axis=1)


def clear_of(windows, suspected, boxes):
    """Which of windows (n, 4) lie where no unlabelled face may be, bool (n,).

    `suspected` are boxes (m, 4) of what may be faces; those that frame a labelled face, of the `boxes` (k, 4), do not
    count: pieces of a labelled face are good negatives."""
    suspected = np.asarray(suspected, np.float64).reshape(-1, 4)
    if len(suspected) and len(boxes):
        suspected = suspected[(intersection_over_union(suspected, boxes) < NEGATIVE).all(axis=1)]
    if not len(suspected):
        return np.ones(len(windows), bool)
    return (share_of_smaller(windows, suspected) <= SUSPECTED).all(axis=1)


def sample(pixels, window, kind, box=None, points_px=None, mirrored=False):
    """One row of the HDF5 files.

    Parameters
    ----------
    pixels : uint8 (size, size, 3), blue green red
        What the network sees of the window.
    window : float64 (4,), pixels of the picture
    kind : a key of LABELS
    box, points_px : float64 (4,) and (5, 2), pixels
        The face; a negative has none.
    mirrored : bool

    Returns
    -------
    dict: pixels uint8 (3, size, size), red green blue; label float32 (); box float32 (4,), offsets of the edges as
    fractions of the window's sides; points float32 (10,), x of the five, then y, 0..1 of the window
    """
    side = window[2:] - window[:2]
    offsets, points = np.zeros(4), np.zeros((5, 2))
    if kind in ("positive", "part"):
        offsets = (box - window) / np.tile(side, 2)
    if kind == "points":
        points = (points_px - window[:2]) / side
    if mirrored:
        pixels = pixels[:, ::-1]
        offsets = offsets[[2, 1, 0, 3]] * (-1, 1, -1, 1)
        if kind == "points":
            points = points[list(FIVE_POINTS.mirror)] * (-1, 1) + (1, 0)
    return {"pixels": np.ascontiguousarray(pixels[..., ::-1].transpose(2, 0, 1)),
            "label": np.float32(LABELS[kind]), "box": offsets.astype(np.float32),
            "points": points.T.reshape(-1).astype(np.float32)}
