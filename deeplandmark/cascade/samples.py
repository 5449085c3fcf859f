"""Training samples: a face of a list, seen under a drawn change of pose, as each network of a level sees it."""
from dataclasses import dataclass

import cv2
import numpy as np

from deeplandmark.cascade.frames import frames_of, see, windows_of
from deeplandmark.cascade.networks import MAX_SHIFT
from deeplandmark.faces.augment import apply, mirror, similarity
from deeplandmark.faces.box import BBox, project


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
# The original mirrors and turns by +-5 degrees, at level 1 only; the boxes stay.
AUGMENTATION = {("paper", 1): Augmentation(),
                ("paper", 2): Augmentation(scale=0.04, shift=0.0),
                ("paper", 3): Augmentation(scale=0.04, shift=0.0),
                ("original", 1): Augmentation(angle=5.0, scale=0.0, shift=0.0),
                ("original", 2): NO_AUGMENTATION,
                ("original", 3): NO_AUGMENTATION}


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
    list of (data float32 (1, rows, columns), landmark float32 (num_output,)), one per network
    """
    found = []
    for network in networks:
        boxes = face.box[None]
        windows = windows_of(network, boxes, start_px[None])
        in_frame = project(frames_of(network, boxes, windows), face.points_px[list(network.points)])
        target = settings.encoding.encode(in_frame)
        found.append((see(network, face.image, windows[0], settings)[None], target.astype(np.float32).ravel()))
    return found


def default_shift(level, variant="paper"):
    """Largest shift of training patches; the original uses 0.01 at level 3."""
    if level == 1:
        return 0.0
    return 0.01 if (variant, level) == ("original", 3) else MAX_SHIFT[level]
