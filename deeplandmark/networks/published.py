"""Which model is meant where none is told, or one by the name of published weights, or by a number of points."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import deeplandmark
from deeplandmark.networks.model_folder import has_networks

ONNX_FILE = "cascade.onnx"  # the whole folder as one graph, made by `deeplandmark export`
# Name of weights in the package -> what they are in published/, a model folder or a graph.
PUBLISHED = {"best": "best", "wide": "wide", "light": "light", "68": "points68.onnx", "88": "points88.onnx",
             "pose": "pose.onnx"}
DEFAULT = "best"
POINTS = "5", "68", "88"    # of which there are published weights; 5 are those of the default model


class NoModelError(ValueError):
    """There is no model to fall back on."""


def model_at(path: str | os.PathLike | None = None) -> Path:
    """Path of the model that is meant: the default one for None; one of the package's by its name in PUBLISHED, unless
    something of that name lies in the working directory; else the path itself."""
    if path is None:
        return default_model()
    if str(path) in PUBLISHED and not Path(path).exists():
        return _published() / PUBLISHED[str(path)]
    return Path(path)


def model_of_points(points: int | str | None, model: Any = None) -> Any:
    """The name of the model that finds so many points, 5, 68 or 88; `model` where their number is not asked for.

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


def default_model() -> Path:
    """Path of the DEFAULT weights published inside the package; until those exist, of `model/` in the working
    directory.

    Raises
    ------
    NoModelError
        When neither is there.
    """
    for folder in (_published() / PUBLISHED[DEFAULT], Path("model")):
        if has_networks(folder) or (folder / ONNX_FILE).is_file():    # a wheel has the exported cascade alone
            return folder
    raise NoModelError("no model: neither the package's published weights nor model/1_F.prototxt is there; "
                       "give one with --model, or train one with ./bootstrap.sh")


def _published():
    return Path(deeplandmark.__file__).parent / "published"
