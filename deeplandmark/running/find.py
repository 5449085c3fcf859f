"""`deeplandmark.find`: a detector and a system that finds points, in one call for people."""
from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

from deeplandmark.detectors import NAMES, largest
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.many_pictures import group_size, raised_or, share_of_group
from deeplandmark.faces.picture_input import uint8_picture
from deeplandmark.faces.result import Faces
from deeplandmark.models import System, load
from deeplandmark.models.detectors import load_detector
from deeplandmark.networks.published import model_at, model_of_points
from deeplandmark.running.faces_in_picture import FaceFinder
from deeplandmark.running.sources import is_glob, sources
from deeplandmark.work.cores import cores
from deeplandmark.work.in_order import in_chunks, in_order

_KEPT = 4    # models and detectors that later calls find ready


def find(image: Any, *, points: int | str | None = None, detector: Any = None, model: Any = None,
         min_face: float | None = None, thorough: bool = False, max_faces: int | None = None, jobs: int | None = None,
         errors: str = "raise", looks: int | str = "auto", pose: bool = False) -> Any:
    """Finds the faces of a picture and their points. Detector and model are loaded by the first call and kept.

    Parameters
    ----------
    image : one of
        a picture: a path, a uint8 array (h, w) or (h, w, 3) blue green red as cv2.imread gives it, a float array, a
        Pillow picture or a torch tensor (see `faces.picture_input.uint8_picture`);
        many: a folder, a glob such as "photos/**/*.jpg", or a list, tuple or iterator of pictures.
    points : 5, 68 or 88, optional
        How many of a face, by the published weights; 5 by default.
    detector : what `detectors.load_detector` takes, or any object with `detect(image)` -> Detections
    model : path of a model folder or .onnx, a name of published weights, or what `deeplandmark.load` gave; the
        published weights of five points by default
    min_face, thorough : as `detectors.load_detector` takes them
    max_faces : int, optional: only the largest faces of a picture
    jobs : int, optional: threads for many pictures; by default one a core
    errors : "raise" or "yield"
        What becomes of the error of one of many pictures: it is raised, or yielded as its Faces.
    looks : 1, 2 or "auto", how often a face is looked at: see `Cascade.locate`
    pose : whether pitch, yaw and roll of the heads are found as well

    Returns
    -------
    Faces
        Of one picture: points (n, k, 2), confidence (n, k), boxes (n, 4), scores (n,), and pose (n, 3) where it was
        asked for; n may be 0. Surest faces first.
    iterator of (picture, Faces)
        Of many, in order: each path of a folder or glob, or what the iterable gave; `dict(find(folder))` holds all.

    Raises
    ------
    PictureError
        For a file that is missing or no picture.
    ValueError, TypeError
        For what is no picture, saying what to pass, and for a model or an option that is wrong.
    FacesError
        For a detector that is not there, a folder without pictures, or a glob that matches none.
    """
    if errors not in ("raise", "yield"):
        raise ValueError(f"errors is 'raise' or 'yield', found {errors!r}")
    system = _system(model_of_points(points, model))
    finder = FaceFinder(system, _detector(detector, min_face, thorough), max_faces, looks=looks,
                        pose=_system("pose") if pose else None)
    if (many := _many(image)) is not None:
        return _find_many(finder, many, jobs or cores(), errors)
    found = largest(finder.detector.detect(picture := uint8_picture(image)), max_faces)
    return replace(finder.faces_of(picture, found), scores=found.scores)


def _find_many(finder, pictures, jobs, errors) -> Iterator[tuple[Any, Faces]]:
    total = len(pictures) if hasattr(pictures, "__len__") else None
    groups = in_chunks(pictures, group_size(total, jobs), share_of_group, 1)
    for group in in_order(partial(_find_group, finder), groups, jobs, ahead=2):
        for picture, faces in group:
            yield picture, raised_or(faces, errors)


def _find_group(finder, group):
    return [(seen.picture, faces) for seen, faces in finder.find(group)]


def _many(image: Any) -> Iterable | None:
    """The pictures of a folder, a glob or an iterable; None for one picture."""
    if isinstance(image, (str, os.PathLike)):
        return _paths(os.fspath(image)) if os.path.isdir(image) or is_glob(os.fspath(image)) else None
    # Arrays, tensors and Pillow pictures may be gone through as well, pixel by pixel.
    several = isinstance(image, (list, tuple)) or hasattr(image, "__next__")
    return image if several else None


def _paths(name):
    for source in sources([name]):
        if source.problem is not None:
            raise FacesError(source.problem)
        yield source.path


def _system(model: Any) -> System:
    return _loaded_system(_key(model_at(model))) if model is None or isinstance(model, (str, os.PathLike)) else model


def _detector(detector, min_face, thorough):
    if detector is None or isinstance(detector, (str, os.PathLike)):
        return _loaded_detector(detector if detector in NAMES else _key(detector), min_face, thorough)
    if min_face is not None or thorough:
        raise ValueError("min_face and thorough are for a detector that is named; one that is given has its own")
    return detector


def _key(path):
    """A relative path means another file when the working directory has changed."""
    return None if path is None else os.path.abspath(path)


@lru_cache(_KEPT)
def _loaded_system(path):
    return load(path)


@lru_cache(_KEPT)
def _loaded_detector(kind, min_face, thorough):
    return load_detector(kind, min_face, thorough=thorough)
