"""The regressor at work: a picture and face boxes in, all points of each face out."""
from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deeplandmark.faces.box import LIST_KIND, face_boxes
from deeplandmark.faces.many_pictures import locate_in_order, usable_together
from deeplandmark.faces.picture_input import colour_picture, grey_picture
from deeplandmark.faces.points import Points
from deeplandmark.faces.result import Faces
from deeplandmark.networks.device import torch_alone_has
from deeplandmark.networks.looks import LOOKS, checked_angles, checked_looks, look_at, look_at_many
from deeplandmark.networks.model_folder import fingerprint, has_networks
from deeplandmark.regressor.engines import OnnxEngine, TorchEngine
from deeplandmark.work.device import checked_device

ONNX_FILE = "regressor.onnx"    # in a model folder: the whole of it as one graph
BACKENDS = ("onnx", "torch")


@dataclass(frozen=True, eq=False, kw_only=True)
class RegressorFaces(Faces):
    """What a regressor found in n faces: `Faces`, and how often it looked at each, int (n,)."""
    looks: np.ndarray


class Regressor:
    """Finds facial points by one network. `Regressor.load()` makes one; several threads may use it at once.

    Attributes
    ----------
    points : Points
    box_kind : str
        How the boxes that it wants frame a face (see faces/box.py).
    settings : RegressorSettings
    """
    box_kind = LIST_KIND

    def __init__(self, engine, source: tuple) -> None:
        self._engine, self._source = engine, source
        self.settings = engine.settings
        self._picture = colour_picture if self.settings.channels == 3 else grey_picture

    @property
    def points(self) -> Points:
        return self.settings.points

    def __reduce__(self):
        return type(self).load, self._source

    @classmethod
    def load(cls, path: str | os.PathLike, backend: str | None = None, threads: int = 1,
             device: str = "cpu") -> Regressor:
        """Reads an exported regressor (.onnx) or a model folder: by its `regressor.onnx` where that was made of its
        very network, or else, and with backend="torch", by torch. `threads`: those that one call may use, each for
        other faces (torch has its own). `device`: as of `deeplandmark.load`.

        Raises
        ------
        ValueError
            If there is none, naming the file that is missing or wrong.
        """
        if backend not in (None, *BACKENDS):
            raise ValueError(f"backend {backend!r} is unknown (known: {', '.join(BACKENDS)})")
        path, device = Path(path), checked_device(device)
        if backend is None and path.is_dir() and has_networks(path) and torch_alone_has(device):
            backend = "torch"
        source = str(path.absolute()), backend, threads, device
        exported = path / ONNX_FILE if path.is_dir() else path
        if backend != "torch" and exported.exists():
            engine = OnnxEngine(exported, threads, device)
            if exported is path or not has_networks(path) or engine.fingerprint == fingerprint(path):
                return cls(engine, source)
            if backend is None:
                warnings.warn(f"{exported} was made of another network than the folder holds; `deeplandmark export "
                              f"--model {path} {exported}` makes it anew; torch is used until then", stacklevel=2)
        if backend == "onnx" and path.is_dir():
            raise ValueError(f"{exported} is missing or of another network; `deeplandmark export --model {path} "
                             f"{exported}` makes it")
        if not path.is_dir():
            raise ValueError(f"{path}: neither a model folder nor an exported regressor is there")
        return cls(TorchEngine(path, device), source)

    @property
    def looks(self) -> tuple:
        """What the option `looks` may be; only 1 for points that do not tell the usual five."""
        return LOOKS if self.points.five else LOOKS[:1]

    def locate(self, image: Any, boxes: ArrayLike, looks: int | str = 1,
               angles: ArrayLike | None = None) -> RegressorFaces:
        """Finds the points of every face.

        Parameters
        ----------
        image : path, array, Pillow picture or torch tensor
            See faces/picture_input.py.
        boxes : (n, 4), face boxes: left, top, right, bottom in pixels; n may be 0; may reach over the picture's edge
        looks, angles
            As of `Cascade.locate`.

        Raises
        ------
        ValueError, TypeError
            For another kind of picture or boxes, a box of no area, other looks or angles.
        PictureError
            For a path of what is no picture.
        """
        looks, picture = checked_looks(looks, self.looks), self._prepared((image, boxes, angles))
        (found,) = look_at(_Looker(self._engine), [picture], 1, looks, self.settings.manner)
        return _faces(found, picture[1])

    def predict(self, image: Any, boxes: ArrayLike, looks: int | str = 1,
                angles: ArrayLike | None = None) -> np.ndarray:
        """The points alone: float32 (n, k, 2), pixels, x then y."""
        if looks == 1 and angles is None:                        # nothing to decide: 0.2 ms less
            return self._engine.run(self._picture(image), face_boxes(boxes))[0].astype(np.float32)
        return self.locate(image, boxes, looks, angles).points

    def locate_many(self, pictures: Iterable, jobs: int | None = None, errors: str = "raise",
                    looks: int | str = 1) -> Iterator[Faces]:
        """Faces of many (path or picture, boxes) or (path or picture, boxes, angles), in their order, read and worked
        on ahead in threads; as `Cascade.locate_many`."""
        return locate_in_order(self.locate_group, pictures, jobs, errors, looks=checked_looks(looks, self.looks))

    def locate_group(self, pictures: list, looks: int | str = 1) -> list:
        """`Faces`, or the error, of each of some (picture, boxes) or (picture, boxes, angles), by this thread."""
        looks, boxes = checked_looks(looks, self.looks), []

        def prepared(item):
            picture = self._prepared(item)
            boxes.append(picture[1])
            return picture

        def locate(usable):
            found = look_at_many(_Looker(self._engine), usable, 1, looks, self.settings.manner)
            return map(_faces, found, boxes)
        return usable_together(locate, pictures, prepared)

    def _prepared(self, item):
        """(uint8 picture, boxes, angles) of what was given."""
        image, boxes, *angles = item
        boxes = face_boxes(boxes)
        return self._picture(image), boxes, checked_angles(angles[0] if angles else None, len(boxes))


class _Looker:
    """An engine as looks.py wants it: one level, whose points nothing comes before."""

    def __init__(self, engine):
        self.settings, self._engine = engine.settings, engine

    def run(self, image, boxes, level):
        points, confidence = self._engine.run(image, boxes)
        return points[:, None], np.zeros((*points[:, None].shape[:-1],)), confidence, points

    def run_many(self, pictures, level):
        return [self.run(image, boxes, level) for image, boxes in pictures]


def _faces(found, boxes):
    answers, looks = found
    return RegressorFaces(answers.levels[:, -1].astype(np.float32), answers.confidence.astype(np.float32),
                          boxes.astype(np.float32), looks=looks)
