"""The cascade at work: a picture and face boxes in, facial points out."""
from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deeplandmark.cascade.onnx_engine import OnnxEngine
from deeplandmark.faces.box import LIST_KIND, face_boxes
from deeplandmark.faces.many_pictures import locate_in_order, usable_together
from deeplandmark.faces.picture import read_grey
from deeplandmark.faces.picture_input import grey_picture
from deeplandmark.faces.points import Points
from deeplandmark.faces.result import Faces
from deeplandmark.networks.device import torch_alone_has, torch_device
from deeplandmark.networks.looks import LOOKS, Manner, checked_angles, checked_looks, look_at, look_at_many
from deeplandmark.networks.model_folder import fingerprint, has_networks
from deeplandmark.networks.published import ONNX_FILE, model_at
from deeplandmark.work.device import checked_device
from deeplandmark.work.extras import install

BACKENDS = ("onnx", "torch")
MANNER = Manner(sure=0.96, lost=0.85)     # chosen on held-back faces, as the numbers of networks/looks.py


@dataclass(frozen=True, eq=False, kw_only=True)
class CascadeFaces(Faces):
    """What a cascade found in n faces: `Faces`, and what led to them; all arrays float32, pixels, x then y.

    Attributes
    ----------
    points : (n, k, 2)
        The last level's.
    levels : (n, L, k, 2)
        After each level.
    first : (n, k, 2)
        Network F alone.
    spread : (n, L, k)
        Mean distance of a point's networks from their average at each level, pixels.
    looks : int (n,)
        How many times each face was looked at (see looks.py). All of the others are means over the looks that count.
    """
    levels: np.ndarray
    first: np.ndarray
    spread: np.ndarray
    looks: np.ndarray


class Cascade:
    """Finds facial points. `Cascade.load()` makes one; it may be used by several threads at once.

    Attributes
    ----------
    points : Points, which there are: their names and what mirroring makes of them
    box_kind : str
        How the boxes that it wants frame a face (see faces/box.py).
    settings : CascadeSettings
    levels : list of int, those there are
    backend : "onnx" or "torch"
    """
    box_kind = LIST_KIND

    def __init__(self, engine: Any, backend: str, source: tuple | None = None) -> None:
        self._engine, self.backend, self._source = engine, backend, source
        self.settings, self.levels = engine.settings, engine.levels
        self._manner = Manner() if self.settings.confidence is None else MANNER

    @property
    def points(self) -> Points:
        return self.settings.points

    def __reduce__(self):
        """Pickled is where it was loaded from: another process loads it again."""
        if self._source is None:
            raise TypeError("a cascade that was not made by Cascade.load cannot be pickled: there is no file to read")
        return type(self).load, self._source

    @classmethod
    def load(cls, path: str | os.PathLike | None = None, backend: str | None = None, threads: int = 1,
             device: str = "cpu") -> Cascade:
        """Reads an exported cascade (.onnx) or a model folder, ours or a saved one of the original.

        Parameters
        ----------
        path : path, optional
            By default the published weights of the package, "best"; "wide" are of 23 networks, "light" the smallest.
        backend : "onnx" or "torch", optional
            How a folder is run. By default by its `cascade.onnx`, if it has one that was made of these very networks,
            else by torch, network by network, which is slower and needs the extra [train].
        threads : int
            Threads that one call may use, each for some of its faces. One by default: a single face has no use for
            more, and with several calls at once, as in `predict_many`, they would only be in each other's way. torch
            has `torch.set_num_threads`.
        device : str
            As of `deeplandmark.load`.

        Raises
        ------
        ValueError
            If there is no cascade, naming the file that is missing or wrong.
        ImportError
            If torch is needed and not installed.
        """
        if backend not in (None, *BACKENDS):
            raise ValueError(f"backend {backend!r} is unknown (known: {', '.join(BACKENDS)})")
        if threads < 1:
            raise ValueError(f"threads must be at least 1, found {threads}")
        path = model_at(path)
        device = checked_device(device)
        if backend is None and path.is_dir() and has_networks(path) and torch_alone_has(device):
            backend = "torch"
        engine, backend = _engine_of(path, backend, threads, device)
        return cls(engine, backend, (str(path.absolute()), backend, threads, device))

    @property
    def looks(self) -> tuple:
        """What the option `looks` may be; only 1 for points that do not tell the usual five."""
        return LOOKS if self.points.five else LOOKS[:1]

    def predict(self, image: Any, boxes: ArrayLike, level: int = 3, looks: int | str = 1,
                angles: ArrayLike | None = None) -> np.ndarray:
        """The points after a level (or the last one there is): float32 (n, k, 2), pixels, x then y."""
        return self.locate(image, boxes, level, looks, angles).points

    def locate(self, image: Any, boxes: ArrayLike, level: int = 3, looks: int | str = 1,
               angles: ArrayLike | None = None) -> CascadeFaces:
        """Finds the points of every face.

        Parameters
        ----------
        image : path, array, Pillow picture or torch tensor
            uint8 (h, w) grey or (h, w, 3) BGR as OpenCV reads it; or another of the kinds of faces/picture_input.py.
        boxes : (n, 4), face boxes: left, top, right, bottom in pixels; n may be 0; may reach over the edge, where the
            picture's border is repeated (see cutting.py)
        level : int
            The last level to run.
        looks : 1, 2 or "auto"
            How often a face is looked at: once, in its box as it is; twice, the second time upright and in the box that
            the first answer says; or twice where that is worth it, by the tilt of the face, how far its box is off and
            how sure the first answer is. Where two looks do not do - a box far off, a face upside down -, both take
            some more. One is the default here, because of it alone the answer is the same to the last digits by
            both backends and in any company; `deeplandmark.find` and the commands take "auto".
        angles : (n,), optional
            How far the faces are turned in the picture, where that is known, as of a detector's points
            (`faces.upright.frames_of_points`): degrees clockwise to the eye.

        Raises
        ------
        ValueError, TypeError
            For another kind of picture or boxes, a box of no area, a level below 1, other looks or angles.
        PictureError
            For a path of what is no picture.
        """
        boxes, looks, level = face_boxes(boxes), checked_looks(looks, self.looks), _level(level)
        picture = grey_picture(image), boxes, checked_angles(angles, len(boxes))
        return _faces(look_at(self._engine, [picture], level, looks, self._manner)[0], boxes)

    def locate_many(self, pictures: Iterable, level: int = 3, jobs: int | None = None,
                    errors: str = "raise", looks: int | str = 1) -> Iterator[CascadeFaces]:
        """Finds the points of the faces of many pictures, which are read and worked on ahead in threads.

        Parameters
        ----------
        pictures : iterable of (path or picture as `locate` takes it, boxes), or (path or picture, boxes, angles)
            Taken from as needed, some dozens a thread ahead; however many there are, few are in memory.
        level, looks
            As for `locate`.
        jobs : int, optional
            Threads that read and work; by default as many as there are cores.
        errors : "raise" or "yield"
            What happens to a picture that cannot be read or used: its error is raised, or yielded in its place.

        Yields
        ------
        Faces, in the order of the pictures; with errors="yield" also PictureError, ValueError and TypeError objects.
        """
        return locate_in_order(self.locate_group, pictures, jobs, errors, level=_level(level),
                               looks=checked_looks(looks, self.looks))

    def locate_group(self, pictures: list, level: int = 3, looks: int | str = 1) -> list:
        """`Faces`, or the error, of each of some (picture, boxes) or (picture, boxes, angles), by this thread: small
        faces go through the networks together, which takes half the time of as many calls of `locate`."""
        all_boxes, looks = [], checked_looks(looks, self.looks)

        def prepare(item):
            picture, boxes, *angles = item
            boxes = face_boxes(boxes)
            angles = checked_angles(angles[0] if angles else None, len(boxes))
            grey = read_grey(picture) if isinstance(picture, (str, os.PathLike)) else grey_picture(picture)
            all_boxes.append(boxes)
            return grey, boxes, angles

        def locate(usable):
            return map(_faces, look_at_many(self._engine, usable, level, looks, self._manner), all_boxes)
        return usable_together(locate, pictures, prepare)

    def predict_many(self, pictures: Iterable, level: int = 3, jobs: int | None = None,
                     errors: str = "raise", looks: int | str = 1) -> Iterator[np.ndarray]:
        """As `locate_many`, but yields just the points, float32 (n, k, 2)."""
        for found in self.locate_many(pictures, level, jobs, errors, looks):
            yield found.points if isinstance(found, Faces) else found


def _faces(found, boxes):
    (levels, spread, confidence, first), looks = found
    levels, spread, confidence, first = (np.asarray(array, np.float32) for array in (levels, spread, confidence, first))
    return CascadeFaces(np.ascontiguousarray(levels[:, -1]), confidence, boxes.astype(np.float32), levels=levels,
                        first=first, spread=spread, looks=looks)


def _level(level):
    if level < 1:
        raise ValueError(f"levels begin at 1, found {level}")
    return level


def _engine_of(path, backend, threads, device):
    """(engine, "onnx" or "torch") of an exported cascade, or of a model folder: by its cascade.onnx where that belongs
    to its networks."""
    if not path.is_dir():
        if backend == "torch":
            raise ValueError(f"{path} is not a folder: torch runs model folders")
        if not path.exists():
            raise ValueError(f"{path}: neither a model folder nor an exported cascade is there")
        return OnnxEngine(path, threads, device), "onnx"
    exported = path / ONNX_FILE
    if backend != "torch" and exported.exists():
        engine = OnnxEngine(exported, threads, device)
        # A folder may hold the exported cascade and nothing else.
        if not has_networks(path) or engine.fingerprint == fingerprint(path):
            return engine, "onnx"
        _stale(f"{exported} was made of other networks than the folder holds; `deeplandmark export --model "
               f"{path} {exported}` makes it anew", backend)
    elif backend == "onnx":
        raise ValueError(f"{exported} is missing; `deeplandmark export --model {path} {exported}` makes it")
    return _torch_engine(path, device), "torch"


def _torch_engine(folder, device):
    try:
        from deeplandmark.cascade.torch_engine import TorchEngine, load_modules  # only this needs torch
    except ImportError as error:
        if not error.name or error.name.startswith("deeplandmark"):
            raise
        raise ImportError(f"{folder}: its networks need torch: {install('train')}, or use an exported cascade "
                          "(.onnx)") from None
    settings, modules = load_modules(folder)
    return TorchEngine(settings, {network: module.to(torch_device(device)) for network, module in modules.items()})


def _stale(message, backend):
    if backend == "onnx":
        raise ValueError(message)
    warnings.warn(message + "; torch is used until then", stacklevel=4)
