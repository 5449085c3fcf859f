"""Samples of the verifier: what the first network takes for faces in scenes, as the verifier will see it."""
import numpy as np

from deeplandmark.detector_training.cut_outs import face_boxes
from deeplandmark.detector_training.scenes import FACE, MAYBE
from deeplandmark.detectors.detections import share_of_smaller
from deeplandmark.detectors.single_shot import WINDOW, upright
from deeplandmark.detectors.upright import brought, inverse
from deeplandmark.faces.halves import Halves

SAME, OTHER = 0.25, 0.45     # mean distance from a face's points, in sides of its box: nearer, a candidate is that
                             # face, farther it is none
LEAST_SCORE = 0.1
SHIFT, SCALE, TURN = 0.08, 0.12, 8.0      # of the windows: in sides of the box, natural logarithm, degrees
FEW = 6                      # windows of a scene, of faces and of others


def windows_of(scene, objects, detector, rng):
    """Rows for the HDF5 files.

    Parameters
    ----------
    scene : uint8 (h, w, 3), blue green red
    objects : float32 (OBJECTS, VALUES)
        Of the scene, see detector_training/scenes.py.
    detector : SingleShotDetector
    rng : numpy.random.Generator

    Returns
    -------
    list of dict: pixels uint8 (3, 48, 48) red green blue, label float32 (), place and weights float32 (10,)
    """
    picture = Halves(scene)
    found, _ = detector.candidates(picture, LEAST_SCORE)
    kinds, truth = _judged(found, objects)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(kinds == kind))[:FEW] for kind in (0, 1)])
    found = _jittered(found[chosen], rng)
    pixels, matrices = upright(picture, found)
    points = (brought(inverse(matrices), truth[chosen]) - (WINDOW - 1) / 2) / WINDOW
    return [{"pixels": np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)), "label": np.float32(kind),
             "place": (place * kind).astype(np.float32).ravel(), "weights": np.full(10, kind, np.float32)}
            for image, kind, place in zip(pixels, kinds[chosen], points)]


def _judged(found, objects):
    """Of candidates (n, 5, 2): 1 for a face, 0 for none, -1 where it is not known; and the nearest face's points."""
    faces = objects[objects[:, 0] == FACE][:, 5:].reshape(-1, 5, 2).astype(np.float64)
    kinds, nearest = np.zeros(len(found), int), np.zeros_like(found)
    boxes = face_boxes(found)
    if len(faces) and len(found):
        sides = face_boxes(faces)
        distance = np.linalg.norm(found[:, None] - faces, axis=3).mean(axis=2) / (sides[:, 2] - sides[:, 0])
        nearest = faces[distance.argmin(axis=1)]
        kinds = np.select([distance.min(axis=1) < SAME, distance.min(axis=1) < OTHER], [1, -1], 0)
    maybe = objects[objects[:, 0] == MAYBE][:, 1:5]
    if len(maybe) and len(found):
        kinds[(kinds == 0) & (share_of_smaller(boxes, maybe) > 0.3).any(axis=1)] = -1
    return kinds, nearest


def _jittered(points, rng):
    """Points (n, 5, 2) of faces that are a little elsewhere, larger or smaller and turned."""
    middle = points.mean(axis=1, keepdims=True)
    boxes = face_boxes(points)
    sides = (boxes[:, 2] - boxes[:, 0])[:, None, None]
    angle = np.radians(rng.normal(0, TURN, len(points)))
    turn = np.stack([np.stack([np.cos(angle), np.sin(angle)], 1), np.stack([-np.sin(angle), np.cos(angle)], 1)], 1)
    grown = (points - middle) @ turn * np.exp(rng.normal(0, SCALE, (len(points), 1, 1)))
    return middle + grown + rng.normal(0, SHIFT, (len(points), 1, 2)) * sides
