"""The regressor at work: a picture and face boxes in, all points of each face out."""
from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deeplandmark.faces.blank import blank
from deeplandmark.faces.box import LIST_KIND, face_boxes
from deeplandmark.faces.many_pictures import locate_in_order, usable_together
from deeplandmark.faces.picture_input import colour_picture, grey_picture
from deeplandmark.faces.points import Points
from deeplandmark.faces.result import Faces
from deeplandmark.networks.model_folder import fingerprint, has_networks
from deeplandmark.regressor.engines import OnnxEngine, TorchEngine

ONNX_FILE = "regressor.onnx"    # in a model folder: the whole of it as one graph
BACKENDS = ("onnx", "torch")
UNKNOWN = 0.5                   # the confidence of a point of which nothing is known


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
    def load(cls, path: str | os.PathLike, backend: str | None = None, threads: int = 1) -> Regressor:
        """Reads an exported regressor (.onnx) or a model folder: by its `regressor.onnx` where that was made of its
        very network, or else, and with backend="torch", by torch. `threads`: those that one call may use, each for
        other faces (torch has its own).

        Raises
        ------
        ValueError
            If there is none, naming the file that is missing or wrong.
        """
        if backend not in (None, *BACKENDS):
            raise ValueError(f"backend {backend!r} is unknown (known: {', '.join(BACKENDS)})")
        path = Path(path)
        exported = path / ONNX_FILE if path.is_dir() else path
        if backend != "torch" and exported.exists():
            engine = OnnxEngine(exported, threads)
            if exported is path or not has_networks(path) or engine.fingerprint == fingerprint(path):
                return cls(engine, (str(path.absolute()), backend, threads))
            if backend is None:
                warnings.warn(f"{exported} was made of another network than the folder holds; `deeplandmark export "
                              f"--model {path} {exported}` makes it anew; torch is used until then", stacklevel=2)
        if backend == "onnx" and path.is_dir():
            raise ValueError(f"{exported} is missing or of another network; `deeplandmark export --model {path} "
                             f"{exported}` makes it")
        if not path.is_dir():
            raise ValueError(f"{path}: neither a model folder nor an exported regressor is there")
        return cls(TorchEngine(path), (str(path.absolute()), backend, threads))

    def locate(self, image: Any, boxes: ArrayLike) -> Faces:
        """Finds the points of every face.

        Parameters
        ----------
        image : path, array, Pillow picture or torch tensor
            See faces/picture_input.py.
        boxes : (n, 4), face boxes: left, top, right, bottom in pixels; n may be 0; may reach over the picture's edge

        Raises
        ------
        ValueError, TypeError
            For another kind of picture or boxes, or a box of no area.
        PictureError
            For a path of what is no picture.
        """
        boxes, picture = face_boxes(boxes), self._picture(image)
        return self._faces(self._engine.run(picture, boxes), boxes, picture)

    def predict(self, image: Any, boxes: ArrayLike) -> np.ndarray:
        """The points alone: float32 (n, k, 2), pixels, x then y."""
        return self.locate(image, boxes).points

    def locate_many(self, pictures: Iterable, jobs: int | None = None, errors: str = "raise") -> Iterator[Faces]:
        """Faces of many (path or picture, boxes), in their order, read and worked on ahead in threads; as
        `Cascade.locate_many`."""
        return locate_in_order(self.locate_group, pictures, jobs, errors)

    def locate_group(self, pictures: list) -> list:
        """`Faces`, or the error, of each of some (picture, boxes), by this thread."""
        return usable_together(lambda usable: [self.locate(*item) for item in usable], pictures,
                               lambda item: (self._picture(item[0]), face_boxes(item[1])))

    def _faces(self, points, boxes, picture):
        confidence = np.array(self.settings.confidence or (UNKNOWN,) * len(self.points), np.float32)
        confidence = np.where(blank(picture, points, boxes[:, 2] - boxes[:, 0]), np.float32(0), confidence)
        return Faces(points.astype(np.float32), confidence, boxes.astype(np.float32))
