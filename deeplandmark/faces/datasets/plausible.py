"""Lists that cannot be right, named before anybody trains on them: what a whole list looks like, not a single face."""
from __future__ import annotations

import numpy as np

from deeplandmark.faces.box import project
from deeplandmark.faces.errors import ListError

_MOST = 0.5             # share of a list's faces of which something must be true, for the list to be refused
_MANY = 0.8             # share of the faces whose points lie in their boxes where these are read in the right order
_INSIDE = (0.0, 1.0)    # of the middle of a face's points, fractions of its box
_LOOKED_AT = 20_000     # faces, or up to twice as many
_FAR = (-1.0, 2.0)      # beyond it is more than a whole box away


def check_plausible(faces, points, path):
    """Raises ListError where the faces of a list, taken together, are drawn in another way than lists are read. Of
    a very long list, some from all over it are looked at.

    Found are points as fractions, y before x, left and right exchanged, heads upside down (y counted from below),
    boxes written in another order, and points more than a box away from their box.

    Parameters
    ----------
    faces : sequence of Annotation
    points : Points
        Left, right, above and below are known where the set says how to come to the usual five.
    path
        Of the list, for the message.
    """
    faces = faces[::max(1, len(faces) // _LOOKED_AT)]
    if faces:
        found = _wrong_points(faces) or _wrong_boxes(faces) or points.five and _wrong_order(faces, points)
        if found:
            raise ListError(f"{path}: {found}")


def _wrong_points(faces):
    values = np.concatenate([face.landmark_px[face.visible].ravel() for face in faces])
    if len(values) and values.min() >= 0 and values.max() <= 1:
        return "all points lie in 0..1: they are fractions, pixels of the picture are expected"


def _wrong_boxes(faces):
    """Boxes in which the points would lie, were the four numbers read in another order, or in which they do not lie."""
    boxes = np.array([face.bbox.as_array() for face in faces])
    middles = np.array([face.landmark_px[face.visible].mean(axis=0) for face in faces])
    if _share(boxes, middles, _INSIDE) >= _MANY:
        return None
    left, top, right, bottom = boxes.T
    # What the file holds, in its order, where it is read as left right top bottom; and as left top right bottom.
    written = (left, right, top, bottom), (left, top, right, bottom)
    read_so = [(name, np.stack(edges, axis=1)) for a, b, c, d in written
               for name, edges in (("x y width height", (a, b, a + c, b + d)), ("left top right bottom", (a, b, c, d)),
                                   ("left right top bottom", (a, c, b, d)))]
    name, others = min(read_so, key=lambda item: _off_centre(item[1], middles))
    if _share(others, middles, _INSIDE) >= _MANY:
        return f"its boxes seem to be {name}: read so, the points lie in them (the order that is read: docs/formats.md)"
    if _share(boxes, middles, _FAR) < _MOST:
        example = faces[int(np.argmax(~_inside(boxes, middles, _FAR)))]
        return (f"the points of most faces lie more than a box away from their box, the first in line "
                f"{example.line}: boxes and points are not of the same faces, or not in pixels of the same picture")


def _wrong_order(faces, points):
    """By the way from eye to eye and from the eyes to the mouth, in most of the faces."""
    five = points.to_five(np.array([face.landmark_px for face in faces]))
    five = five[np.isfinite(five).all(axis=(1, 2))]
    if not len(five):
        return None
    across = five[:, 1] - five[:, 0] + five[:, 4] - five[:, 3]
    down = five[:, 3:].mean(axis=1) - five[:, :2].mean(axis=1)
    right, along = across[:, 0] > np.abs(across[:, 1]), across[:, 0] < -np.abs(across[:, 1])
    below, above = down[:, 1] > np.abs(down[:, 0]), down[:, 1] < -np.abs(down[:, 0])
    swapped = (across[:, 1] > np.abs(across[:, 0])) & (down[:, 0] > np.abs(down[:, 1]))
    found = {"y seems to stand before x": swapped,
             "left and right are exchanged: left is left in the picture": along & below,
             "the mouths are above the eyes: y is counted from the top": right & above}
    return next((f"{text} ({share.mean():.0%} of {len(five)} faces)" for text, share in found.items()
                 if share.mean() > _MOST), None)


def _share(boxes, middles, between):
    return _inside(boxes, middles, between).mean()


def _inside(boxes, middles, between):
    in_box = _in_box(boxes, middles)
    return ((in_box > between[0]) & (in_box < between[1])).all(axis=1)


def _off_centre(boxes, middles):
    """How far the middle lies from the centre of its box, in boxes, as a rule."""
    return np.median(np.nan_to_num(np.abs(_in_box(boxes, middles) - 0.5), nan=np.inf).max(axis=1))


def _in_box(boxes, middles):
    """(n, 2), fractions of the boxes; NaN for a box of no area."""
    boxes = np.where((boxes[:, 2:] > boxes[:, :2]).all(axis=1, keepdims=True), boxes, np.nan)
    return project(boxes, middles[:, None])[:, 0]
