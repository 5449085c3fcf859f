"""Which way of aligning faces makes crops of one person most alike, and those of different people least.

A point nearer to its mark need not make a better crop: what a recogniser is given is the whole of it. So faces of a
list are cut out by several ways, and pairs of crops are compared by two plain descriptors that know no faces.
"""
from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import cv2
import numpy as np

from deeplandmark.faces.alignment import ARCFACE, crop_aligned, similarity_to
from deeplandmark.faces.augment import apply
from deeplandmark.faces.box import project, reproject
from deeplandmark.faces.datasets.annotation import Annotation, Problem, face_or_problem
from deeplandmark.faces.datasets.bad_lines import BadLines
from deeplandmark.faces.errors import ListError
from deeplandmark.faces.head_pose import HeadPose, mean_face
from deeplandmark.faces.points import FIVE_POINTS, IBUG_68
from deeplandmark.models import looks_option
from deeplandmark.work.in_order import in_order
from deeplandmark.work.progress import Progress
from deeplandmark.work.whole_file import write_text

_NUMBERED = re.compile(r"(.+)_\d+")         # George_Clooney_0003
_PAIRS_OF_ONE = 30                          # at most, that one much photographed person shall not decide
_HOG = (112, 112), (32, 32), (16, 16), (16, 16), 9     # window, block, stride, cell, directions


@dataclass(frozen=True)
class Agreement:
    """How like each other crops are, by one descriptor.

    Attributes
    ----------
    same, different : float64 (m,)
        Correlation of the two crops of a pair, of one person and of two.
    """
    same: np.ndarray
    different: np.ndarray

    @property
    def auc(self) -> float:
        """How often, of a pair of one person and a pair of two, the first is more alike: the area under the ROC."""
        everything = np.sort(self.different)
        below = np.searchsorted(everything, self.same, "left") + np.searchsorted(everything, self.same, "right")
        return float(below.mean() / 2 / len(everything))

    @property
    def auc_error(self) -> float:
        """The standard error of `auc` (Hanley and McNeil, Radiology 1982), pairs taken as independent."""
        area, n, m = self.auc, len(self.same), len(self.different)
        two_same, two_different = area / (2 - area), 2 * area ** 2 / (1 + area)
        variance = area * (1 - area) + (n - 1) * (two_same - area ** 2) + (m - 1) * (two_different - area ** 2)
        return float(np.sqrt(max(variance, 0) / (n * m)))


@dataclass(frozen=True)
class Comparison:
    """What became of each way.

    Attributes
    ----------
    faces, pairs : int
        Faces cut out; pairs of one person, and as many of two.
    ways : {way: {descriptor: Agreement}}
    problems : tuple of Problem
        Pictures that cannot be read.
    """
    faces: int
    pairs: int
    ways: dict[str, dict[str, Agreement]]
    problems: tuple[Problem, ...] = ()


def person_of(face: Annotation) -> str | None:
    """Whose face it is, by the name of its picture; None where that does not end with a number."""
    match = _NUMBERED.fullmatch(face.path.stem)
    return match[1] if match else None


def pairs_of(people: list[str], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of faces, int (m, 2) each: of one person, at most _PAIRS_OF_ONE a person, and as many of two, by chance.

    people : whose each face is
    """
    rng, places = np.random.default_rng(seed), {}
    for i, person in enumerate(people):
        places.setdefault(person, []).append(i)
    same = []
    for own in places.values():
        found = list(combinations(own, 2))
        chosen = rng.permutation(len(found))[:_PAIRS_OF_ONE]
        same += [found[i] for i in sorted(chosen)]
    names, different = np.array(people), []
    while len(different) < len(same):
        i, j = rng.integers(len(people), size=2)
        if names[i] != names[j]:
            different.append((i, j))
    return np.array(same).reshape(-1, 2), np.array(different).reshape(-1, 2)


def ways_of(systems: dict[str, Any], usual: np.ndarray) -> dict[str, Callable]:
    """{name: callable (picture, face) -> matrix (2, 3) to ARCFACE's crop} of each way.

    Parameters
    ----------
    systems : {"5", "68", "pose": System}
    usual : (5, 2)
        Where the five points lie in a box, as a rule, fractions of it.
    """
    frontal = mean_face()[:, :2]
    on_crop = apply(similarity_to(IBUG_68.to_five(frontal), ARCFACE.points), frontal)

    def found(name, face, image):
        options = looks_option(systems[name], 1)
        return systems[name].predict(image, face.bbox.as_array()[None], **options)

    def by_pose(image, face):
        return similarity_to(HeadPose.of_axes(found("pose", face, image)).points(FIVE_POINTS)[0], ARCFACE.points)
    return {
        "box alone": lambda image, face: similarity_to(reproject(face.bbox.as_array()[None], usual)[0], ARCFACE.points),
        "five points by hand": lambda image, face: similarity_to(face.landmark_px, ARCFACE.points),
        "five points": lambda image, face: similarity_to(found("5", face, image)[0], ARCFACE.points),
        "five of 68 points": lambda image, face: similarity_to(IBUG_68.to_five(found("68", face, image)[0]),
                                                               ARCFACE.points),
        "68 points": lambda image, face: similarity_to(found("68", face, image)[0], on_crop),
        "pose": by_pose}


def usual_places(faces: list[Annotation]) -> np.ndarray:
    """(5, 2): the mean of where the points of faces lie in their boxes."""
    boxes = np.array([face.bbox.as_array() for face in faces])
    return project(boxes, np.array([face.landmark_px for face in faces])).mean(axis=0)


def measure(systems: dict[str, Any], faces: list[Annotation], seed: int = 0) -> Comparison:
    """The ways compared on those of the faces whose points all are visible and whose person has several pictures.

    Parameters
    ----------
    systems : as of `ways_of`
    faces : of the usual five points
    seed : of the pairs of two people

    Raises
    ------
    ListError
        If there are no two pictures of a person, or too many pictures cannot be read.
    """
    faces = [face for face in faces if face.visible.all()]
    count = Counter(map(person_of, faces))
    several = [face for face in faces if person_of(face) and count[person_of(face)] > 1]
    if not several:
        raise ListError("no two pictures are of one person: their names end with a number, as Jane_Doe_0003.jpg")
    return compared(several, ways_of(systems, usual_places(faces)), seed)


def compared(faces: list[Annotation], ways: dict[str, Callable], seed: int = 0) -> Comparison:
    """Crops of faces of known people by some ways, {name: callable (picture, face) -> matrix}."""
    bad, kept, described = BadLines(len(faces)), [], []
    results = in_order(partial(_described, ways), faces, ahead=2)
    for face, result in zip(faces, Progress("faces", len(faces), "cutting out").over(results)):
        if not bad.takes(result):
            kept.append(face)
            described.append(result)
    same, different = pairs_of([person_of(face) for face in kept], seed)
    found = {}
    for way in ways:
        vectors = {name: np.array([each[way][name] for each in described]) for name in DESCRIPTORS}
        found[way] = {name: Agreement(_alike(values, same), _alike(values, different))
                      for name, values in vectors.items()}
    return Comparison(len(kept), len(same), found, tuple(bad.problems))


def table(comparison: Comparison) -> str:
    """In Markdown."""
    lines = [f"{comparison.faces:,} faces, {comparison.pairs:,} pairs of one person and as many of two", "",
             "| aligned by | " + " | ".join(f"{name}: same | different | AUC" for name in DESCRIPTORS) + " |",
             "|---|" + "---|" * (3 * len(DESCRIPTORS))]
    for way, parts in comparison.ways.items():
        numbers = (f"{each.same.mean():.3f} | {each.different.mean():.3f} | {each.auc:.3f} +-{each.auc_error:.3f}"
                   for each in parts.values())
        lines.append(f"| {way} | {' | '.join(numbers)} |")
    return "\n".join(lines) + "\n"


def save_json(comparison: Comparison, file: str | os.PathLike) -> None:
    """{"faces": n, "pairs": m, "ways": {way: {descriptor: {"same": x, "different": y, "auc": z, "auc_error": e}}}}, the
    first two being mean correlations."""
    ways = {way: {name: {"same": round(float(each.same.mean()), 5), "different": round(float(each.different.mean()), 5),
                         "auc": round(each.auc, 5), "auc_error": round(each.auc_error, 5)}
                  for name, each in parts.items()}
            for way, parts in comparison.ways.items()}
    write_text(file, json.dumps({"faces": comparison.faces, "pairs": comparison.pairs, "ways": ways}, indent=1) + "\n")


def _described(ways, face):
    image = face_or_problem(face)
    if isinstance(image, Problem):
        return image
    crops = {way: crop_aligned(image, matrix(image, face), ARCFACE.size) for way, matrix in ways.items()}
    return {way: {name: describe(crop) for name, describe in DESCRIPTORS.items()} for way, crop in crops.items()}


def pixels(crop: np.ndarray) -> np.ndarray:
    """The grey values of a crop uint8 (112, 112), a quarter as fine, in the order of their size: light does not
    count."""
    small = cv2.resize(crop, (28, 28), interpolation=cv2.INTER_AREA)
    return _standard(small.astype(np.float32).ravel().argsort().argsort())


def gradients(crop: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients (Dalal and Triggs, CVPR 2005) of a crop."""
    return _standard(cv2.HOGDescriptor(*_HOG).compute(crop).ravel())


DESCRIPTORS = {"pixels": pixels, "gradients": gradients}


def _standard(values):
    values = values - values.mean()
    return (values / max(np.linalg.norm(values), 1e-9)).astype(np.float32)


def _alike(vectors, pairs):
    return (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(axis=1).astype(np.float64)
