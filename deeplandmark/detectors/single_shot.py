"""A single-shot detector, run by ONNX Runtime, in two looks.

One network looks at the whole picture, made small, once: cells 8, 16 and 32 pixels apart, each of which says whether a
face has its middle there and where its five points are. A second network, the verifier, looks at each face found so in
the picture itself, turned upright, and says how sure that is and where the points are exactly.
"""
from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from deeplandmark.detectors.brightened import brightened
from deeplandmark.detectors.detections import Detections, suppressed
from deeplandmark.detectors.min_face import smallest_share
from deeplandmark.detectors.upright import brought, upright_windows
from deeplandmark.faces.box import usable
from deeplandmark.faces.box_of_points import boxes_of_points
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.halves import Halves
from deeplandmark.faces.picture_input import colour_picture
from deeplandmark.work.onnx_session import open_session

SEARCH, VERIFY = "s.onnx", "v.onnx"
SMALLEST = 12          # pixels of the shrunken picture that the network needs of a face's box
SHARE = 0.02           # of the shorter side: the smallest faces that are looked for unasked
BASE = 192             # pixels of the shorter side of a picture that a face may fill: of the scenes in training
STEP = 4               # at most, between two sizes of the picture that the network looks at
NEARLY = 0.7           # of the smallest face that is asked for: smaller ones are left out
LARGEST = 0.55         # of BASE: larger faces are left to the next smaller picture
MULTIPLE = 32          # of the coarsest map's cells: the sides of what the network looks at
LONGEST = 4096         # pixels of the longer side of what it looks at
UNIT = 4.0             # strides: of the points' places
WINDOW = 48            # pixels of what the verifier looks at
BATCH = 64             # windows that it looks at at a time
FIRST_SCORE, OVERLAP = 0.3, 0.4
SCORE = 0.65           # on held-back pictures a quarter of the boxes on nothing that 0.5 gives, at 0.3 % of the faces
MEAN, DEVIATION = 127.5, 128.0


class SingleShotDetector:
    """
    Parameters
    ----------
    folder : path
        That holds the networks, s.onnx and v.onnx.
    min_face : float, optional
        Width of the smallest face's box as a fraction of the picture's shorter side, or above 1 in pixels; by default
        12 pixels, but at most a 50th of the shorter side is looked for.
    least_score : float
        Probability from which on a face is told.
    search, verify : str
        The networks' files; None as the second: there is no second look.

    Raises
    ------
    FacesError
        When the folder does not hold such networks.
    """
    name = "single_shot"

    def __init__(self, folder: str | os.PathLike[str], min_face: float | None = None, least_score: float = SCORE,
                 search: str = SEARCH, verify: str | None = VERIFY) -> None:
        self.min_face, self.least_score = min_face, least_score
        self._search = _Network(Path(folder, search))
        self._verify = None if verify is None else _Network(Path(folder, verify))

    def detect(self, image: Any) -> Detections:
        """`Detections` of the list's kind of box in a picture (see faces/picture_input.py), made from the five points,
        which are told, too; the score is a probability."""
        picture = Halves(colour_picture(image))
        points, scores = self.candidates(picture)
        if self._verify is not None:
            points, scores = self._verified(picture, points, scores)
        kept = _distinct(points, scores)
        kept = kept[scores[kept] >= self.least_score]
        boxes = boxes_of_points(points[kept]).reshape(-1, 4)
        least = NEARLY * self._smallest_share(picture.image) * min(picture.image.shape[:2])
        found = Detections.of(boxes, scores[kept], points[kept])
        return found.chosen(np.flatnonzero(found.boxes[:, 2] - found.boxes[:, 0] >= least))

    def candidates(self, picture: Halves, least_score: float = FIRST_SCORE) -> tuple[np.ndarray, np.ndarray]:
        """What the first network takes for faces: points (n, 5, 2), pixels, surest first, and scores (n,)."""
        image = picture.image
        sizes = looked_at(image.shape[1::-1], self._smallest_share(image))
        found = [self._seen_at(picture, size, size is sizes[0], least_score) for size in sizes]
        points, scores = (np.concatenate(each) for each in zip(*found))
        kept = _distinct(points, scores)
        return points[kept], scores[kept]

    def _smallest_share(self, image):
        if self.min_face is not None:
            return smallest_share(self.min_face, image)
        # Enlarged only as far as every picture is.
        return max(SHARE, min(smallest_share(SMALLEST, image), SMALLEST / BASE))

    def _seen_at(self, picture, size, is_smallest, least_score):
        """Candidates in the picture made so large (width, height)."""
        small, ratio = picture.resized(size)
        answers = self._search.run(_as_input(brightened(small))[None])
        found = [_of_map(probability[0, 0], places[0], small.shape[1] / probability.shape[3], least_score)
                 for probability, places in answers]
        points, scores = (np.concatenate(each) for each in zip(*found))
        boxes = boxes_of_points(points).reshape(-1, 4)
        kept = usable(boxes) & (is_smallest | (boxes[:, 2] - boxes[:, 0] < LARGEST * BASE))
        return (points[kept] + 0.5) / ratio - 0.5, scores[kept]

    def _verified(self, picture, points, scores):
        """Points and scores after the second look."""
        for start in range(0, len(points), BATCH):
            part = slice(start, start + BATCH)
            windows, matrices = upright(picture, points[part])
            ((probability, places),) = self._verify.run(np.stack([_as_input(window) for window in windows]))
            scores[part] = np.sqrt(scores[part] * probability.ravel())
            inside = places.reshape(-1, 5, 2).astype(np.float64) * WINDOW + (WINDOW - 1) / 2
            points[part] = brought(matrices, inside)
        return points, scores


def looked_at(sides: tuple[int, int], min_face: float) -> list[tuple[int, int]]:
    """Sizes (width, height) in which the first network looks at a picture of those `sides`, the smallest first: in the
    largest the smallest face, `min_face` of the shorter side, has SMALLEST pixels, in the smallest a face may fill the
    picture."""
    shorter, longer = min(sides), max(sides)
    finest = min(SMALLEST / min_face, shorter * LONGEST / longer)
    count = max(0, math.ceil(math.log(finest / BASE, STEP) - 0.1))
    ratio = (finest / BASE) ** (1 / count) if count else 1.0
    scales = [finest / shorter / ratio ** step for step in range(count, -1, -1)]
    width, height = ([MULTIPLE * max(1, round(side * scale / MULTIPLE)) for scale in scales] for side in sides)
    return list(zip(width, height))


def upright(picture: Halves, points: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The windows that the verifier sees of faces by their points (n, 5, 2), uint8 (48, 48, 3) each, and the matrices
    (n, 2, 3) that bring their pixels to the picture's."""
    matrices = upright_windows(points, WINDOW)
    return [brightened(picture.window(matrix, WINDOW)) for matrix in matrices], matrices


def _of_map(probability, places, stride, least_score):
    """Points (n, 5, 2) and scores (n,) of the cells of a map that see a face."""
    rows, columns = np.nonzero(probability >= least_score)
    middle = (np.stack([columns, rows], axis=1) + 0.5) * stride - 0.5
    offsets = places[:, rows, columns].T.reshape(-1, 5, 2).astype(np.float64)
    return middle[:, None] + offsets * UNIT * stride, probability[rows, columns].astype(np.float64)


def _distinct(points, scores):
    """Numbers of the faces that are none of a surer one, surest first."""
    boxes = boxes_of_points(points).reshape(-1, 4)
    good = np.flatnonzero(usable(boxes))
    order = good[np.argsort(-scores[good], kind="stable")]
    return order[suppressed(boxes[order], OVERLAP)]


def _as_input(image):
    """float32 (3, h, w) of a picture (h, w, 3), blue green red, 0..255."""
    return (np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1), np.float32) - MEAN) / DEVIATION


class _Network:
    """A network that answers, for each of one or more maps, with a probability and five points."""

    def __init__(self, place):
        self._session = open_session(place, place, FacesError)
        self._input = self._session.get_inputs()[0].name
        names = {channels: sorted(node.name for node in self._session.get_outputs() if node.shape[1] == channels)
                 for channels in (1, 10)}
        if not names[1] or len(names[1]) != len(names[10]):
            raise FacesError(f"{place}: expected maps of 1 and of 10 channels (probability, points), as many of each")
        self._outputs = [*names[1], *names[10]]

    def run(self, windows):
        """A list of pairs (probabilities (n, 1, ...), places (n, 10, ...)) of pictures float32 (n, 3, h, w)."""
        answers = self._session.run(self._outputs, {self._input: windows})
        return list(zip(answers[:len(answers) // 2], answers[len(answers) // 2:]))
