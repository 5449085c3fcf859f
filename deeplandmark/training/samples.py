"""Training samples: a face of a list as each network of a level sees it, and what it should answer."""
import numpy as np

from deeplandmark.faces.box import project
from deeplandmark.faces.cutting import cut
from deeplandmark.networks.windows import channels_first, frames_of, see, windows_of

MARGIN = 0.3              # stored around what a network sees, fraction of its frame: turned and shifted patches need it
_LARGE = 100              # cells of a window's side; a larger one is stored no finer than the patch


def start_points(face, level, shift, rng):
    """Where a level starts from in training: the true points, each shifted within +-`shift` of the box in x and y."""
    if level == 1:
        return face.points_px
    return face.points_px + rng.uniform(-shift, shift, face.points_px.shape) * (face.box[2:] - face.box[:2])


def sample(face, networks, settings, start_px, whole=False):
    """What each network of a level sees of a face, and its target.

    whole : whether all points of a network must be visible, as where Caffe itself may train, which knows no such

    Returns
    -------
    list of dict or None, one per network: data float32 (channels, rows, columns), landmark float32 (num_output,), NaN
    where a point is not visible; None where none, or not all, of the network's are
    """
    found = []
    for network in networks:
        visible = _visible(face, network)
        if not (visible.all() if whole else visible.any()):
            found.append(None)
            continue
        boxes = face.box[None]
        windows = windows_of(network, boxes, start_px[None])
        in_frame = project(frames_of(network, boxes, windows), face.points_px[list(network.points)])
        found.append({"data": see(network, face.image, windows[0], settings),
                      "landmark": _target(in_frame, settings)})
    return found


def wide_sample(face, networks, settings, start_px):
    """What the data layer HDF5PatchData cuts patches of: for each network a window wider than its input and, where that
    is small, finer.

    Levels 2 and 3 have the true point in its middle; `start_px` (k, 2) says where the level before would put it.

    Returns
    -------
    list of dict or None, one per network: window uint8 (channels, H, W), extent float32 (4,), landmark float32
    (num_output,) and, at levels 2 and 3, start float32 (2,); the last three in the units of the network's target.
    `landmark` is NaN where a point is not visible; None where none of the network's is
    """
    found = []
    for network in networks:
        if not _visible(face, network).any():
            found.append(None)
            continue
        boxes = face.box[None]
        nominal = windows_of(network, boxes, face.points_px[None])[0]
        frame = frames_of(network, boxes, nominal[None])
        reach, size = _widened(nominal, network.size, MARGIN * (frame[0, 2:] - frame[0, :2]))
        values = {"window": channels_first(np.rint(_fine(face.image, reach, size)).astype(np.uint8)),
                  "extent": _target(project(frame, reach.reshape(1, 2, 2)), settings),
                  "landmark": _target(project(frame, face.points_px[list(network.points)]), settings)}
        if network.level > 1:
            values["start"] = _target(project(frame, start_px[list(network.points)]), settings)
        found.append(values)
    return found


def _visible(face, network):
    return np.isfinite(face.points_px[list(network.points)]).all(axis=1)


def _target(in_frame, settings):
    return settings.encoding.encode(in_frame).astype(np.float32).ravel()


def _fine(image, window, size):
    """The window on a grid twice as fine as `size`, each value still the mean over a whole cell: cuts half a cell
    apart, interleaved. Large ones are cut as they are: a pose drawn later blurs them little, and they would fill the
    disk."""
    if max(size) > _LARGE:
        return cut(image, window, size)
    quarter = (window[2:] - window[:2]) / size[::-1] / 4
    fine = np.empty((*np.multiply(size, 2), *image.shape[2:]), np.float32)
    for i, dy in enumerate((-quarter[1], quarter[1])):
        for j, dx in enumerate((-quarter[0], quarter[0])):
            fine[i::2, j::2] = cut(image, window + (dx, dy, dx, dy), size)
    return fine


def _widened(window, size, margin):
    """A window (4,) with at least `margin` (2,) pixels more on each side, in whole cells: (window, size in cells)."""
    cell = (window[2:] - window[:2]) / size[::-1]
    more = np.ceil(margin / cell - 1e-6)                         # rounding must not make one face's a cell wider
    return (np.concatenate([window[:2] - more * cell, window[2:] + more * cell]),
            tuple(int(n) for n in np.add(size, 2 * more[::-1])))
