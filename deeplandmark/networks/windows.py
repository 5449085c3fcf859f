"""From a face to what a network sees.

The window of a network is the rectangle it sees; its frame is the rectangle its target is measured in: the face box at
level 1, the window itself at levels 2 and 3. Windows, frames and boxes are left, top, right, bottom in pixels.
"""
import numpy as np

from deeplandmark.faces.box import centred_windows, reproject
from deeplandmark.faces.cutting import cut


def windows_of(network, boxes, points_px):
    """The windows a network sees of n faces: (n, 4) float64.

    Parameters
    ----------
    network : Network
    boxes : (n, 4) array, face boxes
    points_px : (n, k, 2) array, where the points are thought to be; level 1 does not look at it
    """
    if network.level == 1:
        x0, x1, y0, y1 = network.window
        return reproject(boxes, [[x0, y0], [x1, y1]]).reshape(-1, 4)
    return centred_windows(boxes, points_px[:, network.points[0]], network.half_side)


def frames_of(network, boxes, windows):
    """The rectangles (n, 4) that the targets of a network are measured in."""
    return boxes if network.level == 1 else windows


def unit_in_box(network, encoding):
    """What one unit of a network's target is, as a fraction of the width of a square face box."""
    frame = 1.0 if network.level == 1 else 2 * network.half_side
    return frame / encoding.scale


def see(network, image, window, settings):
    """The network's input: float32 (channels, rows, columns), normalised.

    image : uint8 (h, w) for a network that sees grey, (h, w, 3) for one that sees colours
    """
    return settings.normalisation.apply(channels_first(cut(image, window, network.size, settings.cutting)))


def channels_first(patch):
    """A patch (rows, columns) or (rows, columns, channels) as (channels, rows, columns)."""
    return patch[None] if patch.ndim == 2 else np.ascontiguousarray(patch.transpose(2, 0, 1))


def surroundings(boxes, reach):
    """Left and top (2,), right and bottom (2,) of all that windows of boxes (n, 4) may see, with some pixels to spare;
    infinite where the reach is.

    reach : how far beyond its box the windows of a face may lie, fraction of the box
    """
    margin = reach * (boxes[:, 2:] - boxes[:, :2]) + 2
    return (boxes[:, :2] - margin).min(0), (boxes[:, 2:] + margin).max(0)


def around(image, boxes, reach):
    """The part of a picture that windows of boxes (n, 4) may see, and its left and top (2,); at least one pixel, that
    of the border, for a box beside the picture; all of it without boxes."""
    first, last = surroundings(boxes, reach) if len(boxes) else (np.zeros(2), np.full(2, np.inf))
    if not np.isfinite([first, last]).all():
        return image, np.zeros(2)
    height, width = image.shape[:2]
    left, top = np.clip(first, 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(last, [left, top], [width - 1, height - 1]).astype(int)
    return np.ascontiguousarray(image[top:bottom + 1, left:right + 1]), np.array([left, top], np.float64)
