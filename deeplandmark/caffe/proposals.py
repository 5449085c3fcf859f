"""Regions that a region proposal network suggests: anchors, their moved boxes, non-maximum suppression (numpy).

Boxes are (x1, y1, x2, y2) in pixels, both corners inside, so a box is x2 - x1 + 1 wide (py-faster-rcnn, lib/rpn,
lib/fast_rcnn/bbox_transform.py and nms).
"""
import numpy as np


def make_anchors(base_size, ratios, scales):
    """Anchors of the first cell, a float64 array (ratios * scales, 4), ratio by ratio (generate_anchors.py).

    ratios are height by width; widths and heights before scaling are whole pixels.
    """
    centre, anchors = (base_size - 1) / 2, []
    for ratio in ratios:
        width = np.round(np.sqrt(base_size ** 2 / ratio))
        height = np.round(width * ratio)
        for scale in scales:
            half = (width * scale - 1) / 2, (height * scale - 1) / 2
            anchors.append([centre - half[0], centre - half[1], centre + half[0], centre + half[1]])
    return np.array(anchors, np.float64).reshape(-1, 4)


def move_boxes(boxes, deltas):
    """Boxes (N, 4) moved by (dx, dy, dw, dh) (N, 4): parts of their size, and logarithms of factors."""
    sizes = boxes[:, 2:] - boxes[:, :2] + 1
    centres = boxes[:, :2] + sizes / 2 + deltas[:, :2] * sizes
    with np.errstate(over="ignore"):
        half = np.exp(deltas[:, 2:]) * sizes / 2
    return np.concatenate([centres - half, centres + half], 1)


def clip_boxes(boxes, height, width):
    """Boxes (N, 4) cut to a picture of height x width pixels."""
    return np.clip(boxes, 0, [width - 1, height - 1] * 2)


def propose(scores, deltas, anchors, stride):
    """(boxes (K, 4), scores (K,)) of every anchor at every cell, cell by cell in row-major order.

    Parameters
    ----------
    scores : array (A, H, W)
        Of the foreground.
    deltas : array (4 A, H, W)
    anchors : array (A, 4)
    stride : int
        Pixels from cell to cell.
    """
    height, width = scores.shape[1:]
    y, x = np.meshgrid(np.arange(height) * stride, np.arange(width) * stride, indexing="ij")
    shifts = np.stack([x, y, x, y], -1).reshape(-1, 1, 4)
    moved = move_boxes((shifts + anchors).reshape(-1, 4), deltas.transpose(1, 2, 0).reshape(-1, 4).astype(np.float64))
    return moved, scores.transpose(1, 2, 0).ravel()


def suppress(boxes, threshold, most):
    """Positions (int array) of at most `most` boxes (N, 4), best first, no two sharing more than threshold."""
    areas = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    left, kept = np.arange(len(boxes)), []
    while left.size and len(kept) < most:
        best, left = left[0], left[1:]
        kept.append(best)
        sides = np.minimum(boxes[left, 2:], boxes[best, 2:]) - np.maximum(boxes[left, :2], boxes[best, :2]) + 1
        shared = sides.clip(0).prod(1)
        left = left[shared / (areas[best] + areas[left] - shared) <= threshold]
    return np.array(kept, np.int64)
