"""MTCNN (Zhang et al., IEEE Signal Processing Letters 2016) run by ONNX Runtime: three networks, each of which looks
more closely at what the one before lets through.

The steps and numbers are those of the public implementation. Two things differ: coordinates are those of the rest of
the project (pixel i covers i - 0.5 .. i + 0.5), where the public code counts pixels from 1 and rounds boxes to whole
ones; dark pictures are brightened first, and there is a margin round the picture, for faces at its edge.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from deeplandmark.detectors.box_map import to_list_detections
from deeplandmark.detectors.brightened import brightened
from deeplandmark.detectors.detections import Detections, suppressed
from deeplandmark.detectors.pyramid import STRIDE, WINDOW, sheets
from deeplandmark.faces.box import usable
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.picture_input import colour_picture
from deeplandmark.faces.quick_cutting import WindowCutter
from deeplandmark.work.onnx_session import open_session

SIZES = {"r": 24, "o": 48}              # pixels of a network's window
PUBLIC = {"p": "det1", "r": "det2", "o": "det3"}
THRESHOLDS = (0.6, 0.7, 0.7)
SAME_IN_LEVEL, SAME = 0.5, 0.7         # overlap of boxes that are one face: in a level of the pyramid, and later
BATCH = 256            # windows of R and O at a time
MEAN, DEVIATION = 127.5, 128.0
EXPECTED = "expected p.onnx, r.onnx and o.onnx, or det1, det2, det3 with .prototxt and .caffemodel"


class MtcnnDetector:
    """May be used by several threads at once.

    Parameters
    ----------
    folder : path
        With p.onnx, r.onnx and o.onnx: input `data`, float32 (n, 3, h, w), (RGB - 127.5) / 128; outputs known by their
        channels: 2 probabilities (no face, face), 4 offsets of the box's edges as fractions of the window, and of o 10
        numbers, x of the five points, then y, in the window 0..1. Or with the public Caffe models det1, det2, det3.
    min_face : float
        Width of the smallest face, as the networks frame it, as a fraction of the picture's shorter side, or, above 1,
        in pixels; at least 12 pixels. Half of it takes four times as long.
    thresholds : 3 floats
        Least probability of a face for P, R and O.
    convert : callable (prototxt, caffemodel, any_size) -> bytes of an ONNX model, optional
        What makes upright ONNX models of the public Caffe ones; see models/detectors.py.
    networks : str
        Those to load: "p" or "pr" is enough for `windows`, in training.

    Raises
    ------
    FacesError
        When the folder does not hold such networks.
    """
    name = "mtcnn"
    stages = ("p", "r", "o")

    def __init__(self, folder: str | os.PathLike[str], min_face: float = 0.1,
                 thresholds: tuple[float, float, float] = THRESHOLDS, convert: Callable | None = None,
                 networks: str = "pro") -> None:
        self.min_face, self.thresholds = min_face, thresholds
        self._networks = {name: _Network(model, place, name == "o")
                          for name, model, place in _models(folder, convert, networks)}

    def detect(self, image: Any) -> Detections:
        """`Detections` of the list's kind of box in a picture (see faces/picture_input.py), made from the five points,
        which are told, too; the score is O's probability, 0..1."""
        return to_list_detections(self.name, self.find(image))

    def find(self, image: Any) -> Detections:
        """`Detections` as the networks frame faces."""
        cutter = WindowCutter(brightened(colour_picture(image)))
        boxes, scores, offsets, points = self._judge("o", cutter, self._windows("o", cutter))
        points, boxes = placed(boxes, points), moved(boxes, offsets)
        boxes, scores, points = (each[usable(boxes)] for each in (boxes, scores, points))
        kept = _surest(boxes, scores, SAME, by="smaller")
        return Detections.of(boxes[kept], scores[kept], points[kept])

    def windows(self, network: str, image: Any) -> np.ndarray:
        """Squares (n, 4), pixels, that a network looks at: "r", those that P lets through, or "o", P and R."""
        return self._windows(network, WindowCutter(brightened(colour_picture(image))))

    def _windows(self, network, cutter):
        boxes = self._propose(cutter)
        if network == "r":
            return boxes
        boxes, scores, offsets, _ = self._judge("r", cutter, boxes)
        kept = _surest(boxes, scores, SAME)
        return square(moved(boxes[kept], offsets[kept]))

    def _propose(self, cutter):
        """Squares (n, 4) in which P sees a face."""
        found = [self._propose_on(sheet) for sheet in sheets(cutter, self.min_face)]
        boxes, scores, offsets = (np.concatenate(each) for each in zip(*found)) if found else _nothing()[:3]
        kept = _surest(boxes, scores, SAME)
        return square(moved(boxes[kept], offsets[kept]))

    def _propose_on(self, sheet):
        """Boxes (n, 4) of the whole picture, scores (n,) and offsets (n, 4) of P on the levels of a sheet."""
        probability, offsets, _ = self._networks["p"].run(_as_input(sheet.image()[None]))
        rows, columns = np.nonzero(probability[0, 1] >= self.thresholds[0])
        scores, offsets = probability[0, 1, rows, columns], offsets[0, :, rows, columns]
        corner = STRIDE * np.stack([columns, rows], axis=1)
        windows = np.concatenate([corner, corner + WINDOW], axis=1).astype(np.float64)
        inside, boxes = sheet.in_picture(windows)
        # On the sheet: levels do not touch there, and windows 4 apart share exactly half, whatever the rounding.
        kept = _surest(windows[inside], scores[inside], SAME_IN_LEVEL)
        return boxes[kept], scores[inside][kept], offsets[inside][kept]

    def _judge(self, name, cutter, boxes):
        """Those of boxes (n, 4) in which R or O sees a face, with scores, offsets and point numbers (of R zeros)."""
        boxes = boxes[usable(boxes)]
        size, threshold = SIZES[name], self.thresholds["pro".index(name)]
        parts = [_nothing()]
        for start in range(0, len(boxes), BATCH):
            part = boxes[start:start + BATCH]
            probability, offsets, points = self._networks[name].run(_as_input(cutter.cut(part, size)))
            kept = probability[:, 1] >= threshold
            points = np.zeros((len(part), 10)) if points is None else points
            parts.append((part[kept], probability[kept, 1], offsets[kept], points[kept]))
        return [np.concatenate(each) for each in zip(*parts)]


def moved(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Boxes (n, 4) with each edge moved by offsets (n, 4), fractions of the box's width (left, right) and height."""
    return boxes + offsets * np.tile(boxes[:, 2:] - boxes[:, :2], 2)


def square(boxes: np.ndarray) -> np.ndarray:
    """Squares (n, 4) about the middle of boxes (n, 4), as large as their longer side."""
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def placed(boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Pixels (n, 5, 2) of points (n, 10), x of the five, then y, 0..1 of boxes (n, 4)."""
    in_box = points.reshape(-1, 2, 5).transpose(0, 2, 1)
    return boxes[:, None, :2] + in_box * (boxes[:, 2:] - boxes[:, :2])[:, None]


def _surest(boxes, scores, most, by="union"):
    """Indices of the boxes that suppression keeps, surest first."""
    order = np.argsort(-scores, kind="stable")
    return order[suppressed(boxes[order], most, by)]


def _as_input(images):
    """float32 (n, 3, h, w) of pictures (n, h, w, 3), blue green red, 0..255."""
    return (np.ascontiguousarray(images[..., ::-1].transpose(0, 3, 1, 2), np.float32) - MEAN) / DEVIATION


def _nothing():
    return np.zeros((0, 4)), np.zeros(0), np.zeros((0, 4)), np.zeros((0, 10))


def _models(folder, convert, networks):
    """(name, bytes of its ONNX model, its file) of each network."""
    folder = Path(folder)
    onnx = {name: folder / f"{name}.onnx" for name in networks}
    caffe = {name: (folder / f"{PUBLIC[name]}.prototxt", folder / f"{PUBLIC[name]}.caffemodel") for name in networks}
    if all(file.is_file() for file in onnx.values()):
        return [(name, file.read_bytes(), file) for name, file in onnx.items()]
    if not all(file.is_file() for pair in caffe.values() for file in pair):
        raise FacesError(f"{folder}: not a detector: {EXPECTED}")
    if convert is None:
        raise FacesError(f"{folder}: Caffe models; give a function `convert`, such as models.detectors.upright_onnx")
    return [(name, convert(*pair, any_size=name == "p"), pair[1]) for name, pair in caffe.items()]


class _Network:
    """One network; `place` names it in errors."""

    def __init__(self, model, place, has_points):
        self._session = open_session(model, place, FacesError)
        by_channels = {node.shape[1]: node.name for node in self._session.get_outputs() if len(node.shape) > 1}
        self._outputs = [by_channels.get(channels) for channels in ((2, 4, 10) if has_points else (2, 4))]
        self._input = self._session.get_inputs()[0].name
        if None in self._outputs:
            found = sorted(by_channels, key=str)
            raise FacesError(f"{place}: outputs of {found} channels; expected 2 (probabilities), 4 (box)"
                             f"{' and 10 (points)' if has_points else ''}")

    def run(self, windows):
        """Probabilities, box offsets and point numbers (or None) of windows float32 (n, 3, h, w)."""
        answers = self._session.run(self._outputs, {self._input: windows})
        return answers if len(answers) == 3 else [*answers, None]
