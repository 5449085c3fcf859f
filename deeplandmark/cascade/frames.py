"""From a face to what a network sees, and from what it says back to pixels.

The frame of a network is the rectangle its target is measured in: the face box at level 1, the patch itself at levels 2
and 3. The window is the rectangle it sees.
"""
import numpy as np

from deeplandmark.cascade.cutting import cut, normalise


def window_of(network, box, points_px):
    """The window a network sees: (4,) float64 left, top, right, bottom in pixels.

    Parameters
    ----------
    network : Network
    box : (4,) array, face box: left, top, right, bottom in pixels
    points_px : (k, 2) array, where the points are thought to be, pixels; level 1 does not look at it
    """
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    if network.level == 1:
        x0, x1, y0, y1 = network.window
        return np.array([left + x0 * width, top + y0 * height, left + x1 * width, top + y1 * height])
    x, y = points_px[network.points[0]]
    dx, dy = network.half_side * width, network.half_side * height
    return np.array([x - dx, y - dy, x + dx, y + dy])


def frame_of(network, box, window):
    return box if network.level == 1 else window


def see(network, image, window, settings):
    """The network's input: float32 (rows, columns), normalised."""
    return normalise(cut(image, window, network.size, settings.cutting))


def to_frame(points_px, frame):
    """Pixels (..., 2) to 0..1 of a frame (4,)."""
    origin, size = np.asarray(frame[:2]), np.subtract(frame[2:], frame[:2])
    return (points_px - origin) / size


def from_frame(in_frame, frame):
    """The inverse of `to_frame`; frames (..., 4) broadcast against (..., points, 2)."""
    frame = np.asarray(frame)[..., None, :]
    return in_frame * (frame[..., 2:] - frame[..., :2]) + frame[..., :2]
