"""The cascade at work: a picture and face boxes in, facial points out."""
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from deeplandmark.cascade.frames import frames_of, see, windows_of
from deeplandmark.cascade.model_folder import default_model
from deeplandmark.cascade.settings import CascadeSettings
from deeplandmark.faces.box import reproject

# Disagreement of the two networks of a point at which its confidence has fallen to 1/e, fraction of the box width.
DISAGREEMENT = 0.05


@dataclass(frozen=True)
class Faces:
    """What `Cascade.locate` found in n faces; all arrays float32, points in pixels, x then y.

    Attributes
    ----------
    points : (n, k, 2)
        The last level's.
    confidence : (n, k)
        0..1, falling with the disagreement of the two networks of a point. Not calibrated: it ranks, it does not promise.
    levels : (n, L, k, 2)
        After each level.
    first : (n, k, 2)
        Network F alone.
    """
    points: np.ndarray
    confidence: np.ndarray
    levels: np.ndarray
    first: np.ndarray


class Cascade:
    """The networks of a model folder.

    `Cascade.load(folder)` makes one. It may be used by several threads at once.
    """

    def __init__(self, settings, modules):
        self.settings = settings
        self._modules = modules                                  # Network -> callable: (n, 1, h, w) -> (n, num_output)
        self.levels = sorted({network.level for network in modules})

    @classmethod
    def load(cls, folder=None):
        """Reads a model folder, ours or a saved one of the original (needs the extra [train]).

        Without a folder: the published weights of the package.

        Networks that are not there are done without as long as F is there and a level is whole: the original has no EN
        and NM, and a cascade whose level 3 is not yet trained ends at level 2.

        Raises
        ------
        ValueError
            If the folder holds no cascade, naming the file that is missing or wrong.
        """
        from deeplandmark.cascade.torch_networks import load_network   # only this needs torch
        folder = Path(folder or default_model())
        if not folder.joinpath("1_F.prototxt").exists():
            raise ValueError(f"{folder} is not a model folder: it has no 1_F.prototxt")
        settings = CascadeSettings.load(folder)
        modules = {network: load_network(network, folder) for network in _present(settings, folder)}
        return cls(settings, modules)

    def predict(self, image, boxes, level=3):
        """The points after a level (or the last one there is): float32 (n, k, 2), pixels, x then y."""
        return self.locate(image, boxes, level).points

    def locate(self, image, boxes, level=3):
        """Finds the points of every face.

        Parameters
        ----------
        image : uint8 array, (h, w) grey or (h, w, 3) BGR as OpenCV reads it
        boxes : (n, 4), face boxes: left, top, right, bottom in pixels; n may be 0; may reach over the edge, where the
            picture's border is repeated (see cutting.py)
        level : int
            The last level to run.

        Returns
        -------
        Faces

        Raises
        ------
        ValueError
            For another kind of picture or boxes, a box of no area, or a level below 1.
        """
        image, boxes = _grey(image), _checked(boxes)
        if level < 1:
            raise ValueError(f"levels begin at 1, found {level}")
        points_px = np.zeros((len(boxes), len(self.settings.points), 2))
        levels, first, spread = [], None, np.zeros(points_px.shape[:2])
        for number in (n for n in self.levels if n <= level):
            answers = self._run_level(number, image, boxes, points_px)
            points_px, spread = _average(answers, points_px.shape)
            first = answers[0][1] if first is None else first
            levels.append(points_px)
        confidence = np.exp(-spread / DISAGREEMENT / np.maximum(boxes[:, 2] - boxes[:, 0], 1e-9)[:, None])
        stacked = np.stack(levels, axis=1)
        return Faces(*(array.astype(np.float32) for array in (points_px, confidence, stacked, first)))

    def _run_level(self, level, image, boxes, points_px):
        """[(network, (n, its points, 2) in pixels)] of every network of a level."""
        answers = []
        for network, module in self._modules.items():
            if network.level != level:
                continue
            windows = windows_of(network, boxes, points_px)
            data = np.array([see(network, image, window, self.settings) for window in windows], np.float32)
            output = module(data.reshape(-1, 1, *network.size)).reshape(len(boxes), len(network.points), 2)
            in_frame = self.settings.encoding.decode(output.astype(np.float64))
            answers.append((network, reproject(frames_of(network, boxes, windows), in_frame)))
        return answers


def _present(settings, folder):
    """The networks whose files are there; a level 2 or 3 must be whole, and no level may be left out."""
    present = []
    for level in (1, 2, 3):
        networks = settings.of_level(level)
        there = [network for network in networks if folder.joinpath(f"{network.full_name}.prototxt").exists()]
        if level > 1 and len(there) != len(networks):
            if there:
                missing = next(network.full_name for network in networks if network not in there)
                raise ValueError(f"{folder}: level {level} is not whole, {missing}.prototxt is missing")
            break
        present += there
    return present


def _average(answers, shape):
    """Mean (n, k, 2) over the networks that see a point, and their mean distance (n, k) from it."""
    total, count = np.zeros(shape), np.zeros(shape[1])
    for network, points_px in answers:
        total[:, network.points] += points_px
        count[list(network.points)] += 1
    mean = total / count[:, None]
    distance = np.zeros(shape[:2])
    for network, points_px in answers:
        distance[:, network.points] += np.linalg.norm(points_px - mean[:, network.points], axis=2)
    return mean, distance / count


def _grey(image):
    image = np.asarray(image)
    if image.dtype != np.uint8 or not (image.ndim == 2 or image.ndim == 3 and image.shape[2] == 3) or not image.size:
        raise ValueError(f"a picture is uint8 (h, w) or (h, w, 3); found {image.dtype} {image.shape}")
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def _checked(boxes):
    boxes = np.asarray(boxes, np.float64)
    if boxes.size == 0:
        return boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes are (n, 4): left, top, right, bottom; found shape {boxes.shape}")
    bad = ~np.isfinite(boxes).all(1) | (boxes[:, 2] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 1])
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"box {i}, {boxes[i].tolist()}, has no area; the order is left, top, right, bottom")
    return boxes
