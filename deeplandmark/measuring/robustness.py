"""How far a system stays right on the faces of a list when they are tilted, framed badly, dark, blurred, small ...:
each change alone, at several strengths, with all else as it is."""
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from deeplandmark.faces.augment import Face, apply, similarity
from deeplandmark.faces.box import BBox
from deeplandmark.faces.datasets.annotation import face_or_problem
from deeplandmark.faces.datasets.bad_lines import BadLines
from deeplandmark.faces.metrics import detection_error, failure_rate
from deeplandmark.models import looks_option
from deeplandmark.work.in_order import in_order
from deeplandmark.work.progress import Progress

_AHEAD = 16     # pictures decoded before they are needed


@dataclass(frozen=True)
class Change:
    """One change of a face.

    Attributes
    ----------
    kind : str
        What is changed, with its unit; changes of one kind differ in their strength.
    strength : str or float
    of : callable (Face, numpy.random.Generator) -> Face
        What is drawn, a direction or noise, is drawn by the generator.
    """
    kind: str
    strength: object
    of: Callable


@dataclass(frozen=True)
class Robustness:
    """What `measure` found for m changes and n faces of k points.

    Attributes
    ----------
    changes : tuple of m Change
    errors : float64 (m, n, k)
        Fractions of the width of the true box, as it is in the changed picture; NaN for points that are not visible.
    confidence : float64 (m, n, k)
    problems : tuple of Problem
        Lines that were skipped.
    """
    changes: tuple
    errors: np.ndarray
    confidence: np.ndarray
    problems: tuple = ()

    @property
    def rows(self):
        """(Change, mean error, share of failures, mean confidence) of each change; errors as fractions."""
        for change, errors, confidence in zip(self.changes, self.errors, self.confidence):
            errors = errors[~np.isnan(errors)]                   # points that are not visible have none
            yield change, float(errors.mean()), float(failure_rate(errors)), float(confidence.mean())


def measure(system, annotations, problems=(), looks=1, seed=0):
    """Locates every face of a list under each change.

    Parameters
    ----------
    system : System (see models/)
    annotations : list of Annotation
    problems : list of Problem
        Lines of the list that could not be read, to be told of with the pictures that cannot.
    looks : 1, 2 or "auto"
        How often a face is looked at, of a system that may look again.
    seed : int
        Of what is drawn.

    Returns
    -------
    Robustness

    Raises
    ------
    ListError
        When too many pictures cannot be read (see `BadLines`), or there are no faces.
    """
    annotations, options, bad = list(annotations), looks_option(system, looks), BadLines(len(annotations))
    errors, confidence = [], []
    pictures = in_order(partial(face_or_problem, channels=system.settings.channels), annotations, jobs=1, ahead=_AHEAD)
    for number, (annotation, image) in enumerate(Progress("faces", len(annotations), "evaluating").over(
            zip(annotations, pictures))):
        if bad.takes(image):
            continue
        face = Face(image, annotation.bbox.as_array(), annotation.landmark_px)
        faces = [change.of(face, np.random.default_rng([seed, number, i])) for i, change in enumerate(CHANGES)]
        found = system.locate_group([(changed.image, changed.box[None]) for changed in faces], **options)
        width = [annotation.bbox.width * changed.image.shape[1] / image.shape[1] for changed in faces]
        truth = np.array([changed.points_px for changed in faces])
        errors.append(detection_error(np.array([each.points[0] for each in found]), truth, width))
        confidence.append([each.confidence[0] for each in found])
    return Robustness(CHANGES, np.stack(errors, axis=1), np.stack(confidence, axis=1), (*problems, *bad.problems))


def _tilted(degrees, face, rng):
    turn = similarity(BBox(*face.box), degrees * rng.choice([-1, 1]))
    image = cv2.warpAffine(face.image, turn, face.image.shape[1::-1], flags=cv2.INTER_LINEAR,
                           borderMode=cv2.BORDER_REPLICATE)
    return Face(image, face.box, apply(turn, face.points_px))


def _framed(larger, away, face, rng):
    box, angle = BBox(*face.box), rng.uniform(0, 2 * np.pi)
    middle = box.centre + away * box.width * np.array([np.cos(angle), np.sin(angle)])
    half = larger * np.array([box.width, box.height]) / 2
    return Face(face.image, np.concatenate([middle - half, middle + half]), face.points_px)


def _with_image(change, face, rng):
    return Face(change(face.image, face.box, rng), face.box, face.points_px)


def _brighter(factor, image, box, rng):
    return cv2.convertScaleAbs(image, alpha=factor)


def _blurred(share, image, box, rng):
    return cv2.GaussianBlur(image, (0, 0), share * (box[2] - box[0]), borderType=cv2.BORDER_REPLICATE)


def _as_jpeg(quality, image, box, rng):
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE if image.ndim == 2 else cv2.IMREAD_COLOR)


def _noisy(deviation, image, box, rng):
    return np.clip(np.rint(image + rng.normal(0, deviation, image.shape)), 0, 255).astype(np.uint8)


def _covered(side, image, box, rng):
    """Half of the box in the mean of the picture."""
    left, top, right, bottom = np.rint(box).astype(int)
    middle = (left + right) // 2, (top + bottom) // 2
    columns = {"left": (left, middle[0]), "right": (middle[0], right)}.get(side, (left, right))
    rows = {"top": (top, middle[1]), "bottom": (middle[1], bottom)}.get(side, (top, bottom))
    image = image.copy()
    image[slice(*np.maximum(rows, 0)), slice(*np.maximum(columns, 0))] = image.mean(axis=(0, 1)).astype(np.uint8)
    return image


def _small(pixels, face, rng):
    """The picture shrunken until the box is so wide; one that is smaller stays."""
    factor = min(pixels / (face.box[2] - face.box[0]), 1)
    height, width = face.image.shape[:2]
    size = max(1, round(width * factor)), max(1, round(height * factor))
    image = cv2.resize(face.image, size, interpolation=cv2.INTER_AREA)
    ratio = np.array(size) / [width, height]
    box = (face.box.reshape(2, 2) + 0.5) * ratio - 0.5           # pixel centres are whole numbers
    return Face(image, box.ravel(), (face.points_px + 0.5) * ratio - 0.5)


def _pictures(change, *strengths):
    return [(strength, partial(_with_image, partial(change, strength))) for strength in strengths]


_KINDS = {
    "as it is": [("", lambda face, rng: face)],
    "tilted, degrees": [(degrees, partial(_tilted, degrees)) for degrees in (15, 30, 45, 60, 90, 180)],
    "box larger, factor": [(larger, partial(_framed, larger, 0)) for larger in (0.5, 0.67, 0.8, 1.25, 1.49, 2)],
    "box moved, widths": [(away, partial(_framed, 1, away)) for away in (0.05, 0.1, 0.2, 0.25, 0.3)],
    "brightness, factor": _pictures(_brighter, 0.1, 0.25, 0.5, 1.5, 2.5),
    "blurred, widths": _pictures(_blurred, 0.01, 0.02, 0.04, 0.06),
    "JPEG, quality": _pictures(_as_jpeg, 50, 20, 10, 5),
    "noise, grey levels": _pictures(_noisy, 5, 10, 20, 40),
    "face in pixels": [(pixels, partial(_small, pixels)) for pixels in (64, 40, 24, 16)],
    "half covered": _pictures(_covered, "left", "right", "top", "bottom"),
}
CHANGES = tuple(Change(kind, strength, of) for kind, changes in _KINDS.items() for strength, of in changes)
