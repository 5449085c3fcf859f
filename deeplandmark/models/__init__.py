"""Whatever system a model folder or an .onnx names: `deeplandmark.load`.

A **system** finds the points of faces in a picture. There is no class to inherit from; it has what `System` below says:

    points                  Points: the names of the k points, and what mirroring makes of them
    box_kind                how the boxes that it wants frame a face: LIST_KIND of faces/box.py, which every detector
                            gives, or a kind of its own
    locate(image, boxes)    Faces: points (n, k, 2), confidence (n, k), boxes (n, 4) of n faces of a picture
    predict(image, boxes)   just the points, float32 (n, k, 2), pixels
    locate_many(pictures)   iterator of Faces, for an iterable of (path or picture, boxes), with the options jobs and
                            errors: `faces.many_pictures.locate_in_order` does it
    locate_group(pictures)  list of Faces, or errors, of some (picture, boxes), in the calling thread: all that
                            `locate_many` and `deeplandmark detect` need
    settings                what its model folder says, a `networks.settings.ModelSettings`: points, channels ...

`image` is anything of `faces.picture_input` (`grey_picture`, `colour_picture`), boxes go through
`faces.box.face_boxes`.
Several threads may use a system at once; it can be pickled, and used in a forked process. What only some systems have
are options of these methods and attributes of their own: a cascade has `levels`, and its methods the option `level`;
it has `looks`, and its methods the options `looks` and `angles` (`locate_group` takes (picture, boxes, angles)).

**A new system** is a room beside cascade/, with a class that has a `load(path, threads)`, and `device` if it can use a
GPU, and one line in SYSTEMS. Its model folder holds `model.json` with `"system": NAME` (a folder without it holds a
cascade), its exported .onnx the metadata `system`; exported into its own folder it is called NAME.onnx.
"""
from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from deeplandmark.faces.points import Points
from deeplandmark.faces.result import Faces
from deeplandmark.faces.upright import frames_of_points
from deeplandmark.models.onnx_metadata import metadata_of
from deeplandmark.networks.published import model_at
from deeplandmark.work.json_text import parse_json

_LOG = logging.getLogger(__name__)
SYSTEM_FILE = "model.json"
CASCADE = "cascade"


class Place(NamedTuple):
    """Where a system is, "module:name" each: it is imported when it is needed."""
    load: str        # callable (path or None, threads=..., other options) -> System
    export: str      # callable (model folder, .onnx to write, options that it has)
    settings: str = ""   # a ModelSettings: what its model folders say, and what its families are trained with
    fit: str = ""        # callable (model folder, faces, copies, seed, tell) -> (settings, with what was fitted, text)


SYSTEMS = {
    CASCADE: Place("deeplandmark.cascade.cascade:Cascade.load", "deeplandmark.cascade.onnx:export_cascade",
                   "deeplandmark.cascade.settings:CascadeSettings", "deeplandmark.cascade.fit:fitted"),
    "regressor": Place("deeplandmark.regressor.regressor:Regressor.load",
                       "deeplandmark.regressor.export:export_regressor",
                       "deeplandmark.regressor.settings:RegressorSettings",
                       "deeplandmark.regressor.calibration:fitted"),
}


class System(Protocol):
    """What every system has; see the head of this file."""
    box_kind: str
    settings: Any

    @property
    def points(self) -> Points: ...

    def locate(self, image: Any, boxes: ArrayLike) -> Faces: ...

    def predict(self, image: Any, boxes: ArrayLike) -> np.ndarray: ...

    def locate_many(self, pictures: Iterable, *, jobs: int | None = None, errors: str = "raise") -> Iterator[Faces]: ...

    def locate_group(self, pictures: list) -> list: ...


def load(path: str | os.PathLike | None = None, threads: int = 1, device: str = "cpu",
         **options: Any) -> System:
    """The system of a model folder or an exported .onnx, ready to find points.

    Parameters
    ----------
    path : path, optional
        By default the published weights of the package: a `Cascade` of five points. "68" and "88" are those of so many
        points.
    threads : int
        Threads that one call may use, each for some of its faces.
    device : "cpu", "cuda" or "cuda:N"
        Where its networks run. A GPU needs onnxruntime-gpu in the place of onnxruntime or, for a model folder with its
        networks, torch for CUDA; where neither has one the processor is used, which is said once, by a warning of the
        logger "deeplandmark".
    options
        What the system's own `load` takes besides: `backend` of `Cascade.load`.

    Raises
    ------
    ValueError
        If there is no model, or one of an unknown system, naming the file that is missing or wrong.
    ImportError
        If it needs a library that is not installed, naming the extra that brings it.
    """
    path = model_at(path)
    name = system_of(path)
    _LOG.debug("%s: a %s, by %d thread(s), %s", path, name, threads, device)
    options |= {} if device == "cpu" else {"device": device}
    return _resolved(SYSTEMS[name].load)(path, threads=threads, **options)


def looks_option(system: Any, looks: int | str) -> dict[str, Any]:
    """The option that makes the methods of a system look so often, 1, 2 or "auto"; nothing for one that always looks
    once. Raises ValueError for 2 looks of such a one."""
    if hasattr(system, "looks"):
        return {"looks": looks}
    if looks == 2:
        raise ValueError("this model always looks once at a face")
    return {}


def angles_option(system: Any, points: ArrayLike | None) -> dict[str, np.ndarray]:
    """The option that tells the methods of a system how far the faces are turned in a picture, by the usual five points
    (n, 5, 2) of a detector; nothing for one that does not ask, and without points."""
    return {} if points is None or not hasattr(system, "looks") else {"angles": frames_of_points(points).angles}


def exporter_of(folder: str | os.PathLike) -> Callable:
    """What writes the system of a model folder as .onnx: callable (folder, file, **options that the system has)."""
    return _resolved(SYSTEMS[system_of(folder)].export)


def fitter_of(folder: str | os.PathLike) -> Callable:
    """What fits to the system of a model folder what is fitted after the training: see cascade/fit.py."""
    return _resolved(SYSTEMS[system_of(folder)].fit)


def settings_class(system: str) -> Any:
    """The subclass of networks.settings.ModelSettings of a system."""
    return _resolved(SYSTEMS[system].settings)


def system_of(path: str | os.PathLike) -> str:
    """The name, of those in SYSTEMS, of the system that a model folder or an .onnx says it is; "cascade" where nothing
    is said, and where nothing is, which the cascade's loader tells.

    Raises ValueError for any other name, and for a model.json that cannot be read."""
    path = Path(path)
    marked = path / SYSTEM_FILE
    if marked.is_file():
        name, said_by = _system_in(marked), marked
    else:
        name, said_by = metadata_of(path).get("system", CASCADE) if path.is_file() else CASCADE, path
    if name not in SYSTEMS:
        raise ValueError(f"{said_by}: a model of the system {name!r}, which this version does not have "
                         f"(it has {', '.join(SYSTEMS)})")
    return name


def _system_in(path):
    try:
        name = parse_json(path.read_bytes())["system"]
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except (KeyError, TypeError, ValueError):
        name = None
    if not isinstance(name, str):
        raise ValueError(f'{path}: names no system (expected {{"system": "{CASCADE}", ...}})')
    return name


def _resolved(place):
    module, _, names = place.partition(":")
    found = import_module(module)
    for name in names.split("."):
        found = getattr(found, name)
    return found
