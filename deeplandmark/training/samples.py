"""Training samples: a face of a list, seen under a drawn change of pose, as each network of a level sees it."""
from dataclasses import dataclass

import cv2
import numpy as np

from deeplandmark.cascade.networks import MAX_SHIFT
from deeplandmark.faces.augment import apply, mirror, similarity
from deeplandmark.faces.box import BBox, project
from deeplandmark.faces.cutting import cut
from deeplandmark.networks.windows import frames_of, see, windows_of

MARGIN = 0.3              # stored around what a network sees, fraction of its frame: turned and shifted patches need it


@dataclass(frozen=True)
class Augmentation:
    """How far the pose of a training face is changed; drawn uniformly from -most to +most.

    Attributes
    ----------
    angle : float
        Rotation about the middle of the box, degrees.
    scale, shift : float
        Change of the box: size (natural logarithm of the factor) and place (fraction of the box).
    mirror : bool
        Whether every other sample is mirrored.
    """
    angle: float = 12.0
    scale: float = 0.06
    shift: float = 0.04
    mirror: bool = True


NO_AUGMENTATION = Augmentation(angle=0.0, scale=0.0, shift=0.0, mirror=False)
_AROUND_POINTS = Augmentation(scale=0.04, shift=0.0)
_OURS = {1: Augmentation(), 2: _AROUND_POINTS, 3: _AROUND_POINTS}
# Of each family and level. The original mirrors and turns by +-5 degrees, at level 1 only; the boxes stay.
AUGMENTATION = {
    "paper": _OURS,
    "wide": _OURS,
    "original": {1: Augmentation(angle=5.0, scale=0.0, shift=0.0), 2: NO_AUGMENTATION, 3: NO_AUGMENTATION}}


@dataclass(frozen=True)
class Face:
    """A face as the samples need it: grey picture, box (4,) and points (k, 2), both float64 pixels."""
    image: np.ndarray
    box: np.ndarray
    points_px: np.ndarray


def posed(face, augmentation, mirrored, points, rng):
    """The face under a pose drawn from an augmentation; picture, box and points change together."""
    image, box, points_px = face.image, face.box, face.points_px
    if mirrored:
        pairs = [(i, j) for i, j in enumerate(points.mirror) if i < j]
        image, points_px, bbox = mirror(image, points_px, BBox(*box), pairs)
        box = bbox.as_array()
    angle, scale, dx, dy = rng.uniform(-1, 1, 4) * (augmentation.angle, augmentation.scale, *[augmentation.shift] * 2)
    if angle:
        turn = similarity(BBox(*box), angle)
        image = cv2.warpAffine(image, turn, image.shape[1::-1], flags=cv2.INTER_LINEAR,
                               borderMode=cv2.BORDER_REPLICATE)
        points_px = apply(turn, points_px)
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    middle = middle + np.array([dx, dy]) * 2 * half
    half = half * np.exp(scale)
    return Face(image, np.concatenate([middle - half, middle + half]), points_px)


def start_points(face, level, shift, rng):
    """Where a level starts from in training: the true points, each shifted within +-`shift` of the box in x and y."""
    if level == 1:
        return face.points_px
    return face.points_px + rng.uniform(-shift, shift, face.points_px.shape) * (face.box[2:] - face.box[:2])


def sample(face, networks, settings, start_px):
    """What each network of a level sees of a face, and its target.

    Returns
    -------
    list of dict, one per network: data float32 (1, rows, columns), landmark float32 (num_output,)
    """
    found = []
    for network in networks:
        boxes = face.box[None]
        windows = windows_of(network, boxes, start_px[None])
        in_frame = project(frames_of(network, boxes, windows), face.points_px[list(network.points)])
        found.append({"data": see(network, face.image, windows[0], settings)[None],
                      "landmark": _target(in_frame, settings)})
    return found


def wide_sample(face, networks, settings, start_px):
    """What the data layer HDF5PatchData cuts patches of: for each network a window wider and finer than its input.

    Levels 2 and 3 have the true point in its middle; `start_px` (k, 2) says where the level before would put it.

    Returns
    -------
    list of dict, one per network: window uint8 (1, H, W), extent float32 (4,), landmark float32 (num_output,) and, at
    levels 2 and 3, start float32 (2,); the last three in the units of the network's target
    """
    found = []
    for network in networks:
        boxes = face.box[None]
        nominal = windows_of(network, boxes, face.points_px[None])[0]
        frame = frames_of(network, boxes, nominal[None])
        reach, size = _widened(nominal, network.size, MARGIN * (frame[0, 2:] - frame[0, :2]))
        values = {"window": np.rint(_finer(face.image, reach, size)).astype(np.uint8)[None],
                  "extent": _target(project(frame, reach.reshape(1, 2, 2)), settings),
                  "landmark": _target(project(frame, face.points_px[list(network.points)]), settings)}
        if network.level > 1:
            values["start"] = _target(project(frame, start_px[list(network.points)]), settings)
        found.append(values)
    return found


def _target(in_frame, settings):
    return settings.encoding.encode(in_frame).astype(np.float32).ravel()


def _finer(image, window, size):
    """The window on a grid twice as fine as `size`, each value still the mean over a whole cell: cuts half a cell
    apart, interleaved."""
    quarter = (window[2:] - window[:2]) / size[::-1] / 4
    fine = np.empty(np.multiply(size, 2), np.float32)
    for i, dy in enumerate((-quarter[1], quarter[1])):
        for j, dx in enumerate((-quarter[0], quarter[0])):
            fine[i::2, j::2] = cut(image, window + (dx, dy, dx, dy), size)
    return fine


def _widened(window, size, margin):
    """A window (4,) with at least `margin` (2,) pixels more on each side, in whole cells: (window, size in cells)."""
    cell = (window[2:] - window[:2]) / size[::-1]
    more = np.ceil(margin / cell)
    return (np.concatenate([window[:2] - more * cell, window[2:] + more * cell]),
            tuple(int(n) for n in np.add(size, 2 * more[::-1])))


def default_shift(level, variant="paper"):
    """Largest shift of training patches; the original uses 0.01 at level 3."""
    if level == 1:
        return 0.0
    return 0.01 if (variant, level) == ("original", 3) else MAX_SHIFT[level]
