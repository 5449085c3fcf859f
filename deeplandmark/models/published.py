"""Weights that lie in the package, by the names that `load`, --model and --points take."""
from __future__ import annotations

import os
from pathlib import Path

import deeplandmark

POINTS = ("5", "68", "88")      # of which there are published weights; 5 are those of the default model
NAMES = POINTS[1:]


def model_at(path: str | os.PathLike | None) -> Path | None:
    """What is meant by a path: the published weights of that name, unless something of that name lies in the working
    directory; None, which is the default model, and other paths as they are."""
    if path is None:
        return None
    if str(path) in NAMES and not Path(path).exists():
        return Path(deeplandmark.__file__).parent / "published" / str(path)
    return Path(path)


def model_of_points(points: int | str | None, model: str | os.PathLike | None = None) -> str | os.PathLike | None:
    """The model that finds so many points, 5, 68 or 88; `model` where their number is not asked for.

    Raises
    ------
    ValueError
        For another number of points, and for a model besides.
    """
    if points is None:
        return model
    if str(points) not in POINTS:
        raise ValueError(f"points is {', '.join(POINTS[:-1])} or {POINTS[-1]}, found {points!r}")
    if model is not None:
        raise ValueError("points or a model, not both: a model has its own points")
    return None if str(points) == POINTS[0] else str(points)
