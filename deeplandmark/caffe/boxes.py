"""Boxes as parts of a picture, rows (x1, y1, x2, y2): coded offsets, overlap, non-maximum suppression (numpy).

After bbox_util.cpp of SSD (weiliu89/caffe).
"""
import numpy as np

CORNER, CENTER_SIZE, CORNER_SIZE = 1, 2, 3                       # PriorBoxParameter.CodeType


def decode(boxes, variances, offsets, code, variance_in_target=False):
    """Boxes moved by coded offsets, float32 like them.

    Parameters
    ----------
    boxes, variances : float32 arrays (..., P, 4)
        Priors, and what offsets are multiplied by unless variance_in_target.
    offsets : float32 array (..., P, 4)
    code : int
        CORNER: added to the corners; CORNER_SIZE: in widths and heights of the prior; CENTER_SIZE: the centre in widths
        and heights, and logarithms of factors of width and height.
    """
    if not variance_in_target:
        offsets = offsets * variances
    if code == CORNER:
        return boxes + offsets
    sizes = boxes[..., 2:] - boxes[..., :2]
    if code == CORNER_SIZE:
        return boxes + offsets * np.concatenate([sizes, sizes], -1)
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2 + offsets[..., :2] * sizes
    with np.errstate(over="ignore"):
        half = np.exp(offsets[..., 2:]) * sizes / 2
    return np.concatenate([centres - half, centres + half], -1)


def encode(boxes, variances, truth, code, variance_in_target=False):
    """The offsets that `decode` turns into the boxes `truth` (..., P, 4); float32 arrays as there."""
    sizes = boxes[..., 2:] - boxes[..., :2]
    if code == CORNER:
        offsets = truth - boxes
    elif code == CORNER_SIZE:
        offsets = (truth - boxes) / np.concatenate([sizes, sizes], -1)
    else:
        centres = (truth[..., :2] + truth[..., 2:] - boxes[..., :2] - boxes[..., 2:]) / 2 / sizes
        offsets = np.concatenate([centres, np.log((truth[..., 2:] - truth[..., :2]) / sizes)], -1)
    return offsets if variance_in_target else offsets / variances


def match(boxes, truth, threshold, per_prediction=True):
    """Which of the boxes `truth` (G, 4) each of `boxes` (P, 4) stands for: (int array (P,), -1 for none; its overlap).

    First each of `truth` gets the box that shares most with it, one after another by that share; then, with
    per_prediction, every other box the one that it shares most with, where that is at least `threshold`.
    """
    shared = np.stack([overlaps(one, boxes) for one in truth], 1)        # (P, G)
    found, left = np.full(len(boxes), -1), shared.copy()
    for _ in range(len(truth)):
        box, one = np.unravel_index(np.argmax(left), left.shape)
        if not left[box, one] > 1e-6:
            break
        found[box], left[box], left[:, one] = one, -1, -1
    most = shared.max(1)
    if per_prediction:
        found = np.where((found < 0) & (most >= threshold) & (most > 1e-6), shared.argmax(1), found)
    return found, most


def overlaps(box, others):
    """Intersection over union of a box (4,) with others (N, 4), float array (N,); 0 where a box is inside out."""
    shared = shared_areas(box, others)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(shared > 0, shared / (sizes_of(box) + sizes_of(others) - shared), 0)


def shared_areas(box, others):
    """Areas that a box (4,) has in common with others (N, 4), float array (N,)."""
    return (np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])).clip(0).prod(1)


def sizes_of(boxes):
    """Areas (...) of boxes (..., 4); 0 where one is inside out."""
    return (boxes[..., 2:] - boxes[..., :2]).clip(0).prod(-1)


def project(source, boxes):
    """(`boxes` (N, 4) as parts of the box `source` (4,), cut off at its edges; which of them have a part in it)."""
    sides = source[2:] - source[:2]
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = ((boxes.reshape(-1, 2, 2) - source[:2]) / sides).reshape(-1, 4).clip(0, 1)
    return moved, sizes_of(moved) > 0


def keep_apart(boxes, threshold, eta=1.0):
    """Positions (list of int) of boxes (N, 4), best first, that overlap no kept one by more than `threshold`.

    With eta below 1 the threshold shrinks by it at every box that is kept, while it is above 0.5.
    """
    kept = []
    for index in range(len(boxes)):
        if not kept or (overlaps(boxes[index], boxes[kept]) <= threshold).all():
            kept.append(index)
            if eta < 1 and threshold > 0.5:
                threshold *= eta
    return kept
