"""Networks of a model folder in torch, and the cascade run by them: for training, and to check the ONNX one."""
import os
from collections import namedtuple
from functools import cache
from pathlib import Path

import numpy as np
import torch

from deeplandmark.caffe.module import to_torch
from deeplandmark.cascade.confidence.confidence import point_confidence
from deeplandmark.cascade.confidence.error_from_hidden_layers import hidden_odds, names_of_weights, weights_in_use
from deeplandmark.cascade.level_1_share import with_level_1_share
from deeplandmark.cascade.networks import levels_of
from deeplandmark.cascade.settings import CascadeSettings
from deeplandmark.faces.box import reproject
from deeplandmark.networks.hidden_layer import hidden_blob
from deeplandmark.networks.model_folder import has_networks
from deeplandmark.networks.published import ONNX_FILE
from deeplandmark.networks.running import check_network
from deeplandmark.networks.running import run_network as run_module
from deeplandmark.networks.windows import frames_of, see, windows_of

Found = namedtuple("Found", "levels spread confidence first hidden")


class TorchEngine:
    """Runs a cascade network by network, the windows cut by NumPy.

    Parameters
    ----------
    settings : CascadeSettings
    modules : dict of Network to NetModule
    run_network : callable
        (module, inputs (n, channels, rows, columns)) -> answers (n, num_output), hidden layer (n, D) or None; for
        modules of another kind.

    Attributes
    ----------
    levels : list of int, those there are
    """

    def __init__(self, settings, modules, run_network=None):
        self.settings, self._modules = settings, modules
        self._run_network = run_network or run_module
        _survive_forks()
        self.levels = levels_of(modules)

    def run(self, image, boxes, level):
        """Found for a grey picture and boxes (n, 4) float64: levels (n, L, k, 2) and spread (n, L, k) in pixels,
        confidence (n, k), first (n, k, 2), hidden (see error_from_hidden_layers.py) of the networks of
        levels 2 and 3."""
        return self.run_faces([image] * len(boxes), boxes, level)

    def run_many(self, pictures, level):
        """[run(image, boxes, level)] of an iterable of (image, boxes)."""
        return [self.run(image, boxes, level) for image, boxes in pictures]

    def run_faces(self, images, boxes, level):
        """Found of n faces, each in its own picture."""
        shape = len(boxes), len(self.settings.points), 2
        levels, spreads, first, hidden = [], [], None, {}
        run = self._run_whole if any(network.earlier for network in self._modules) else self._run_levels
        for answers in run(images, boxes, level, shape, hidden):
            points_px, spread = average(answers, shape)
            first = answers[0][1] if first is None else first
            levels.append(points_px)
            spreads.append(spread)
        levels = with_level_1_share(np.stack(levels, axis=1), self.settings.level_1_share)
        spreads = np.stack(spreads, axis=1)
        odds = hidden_odds(hidden, weights_in_use(self.settings, spreads.shape[1]), points_px.shape[1])
        width = boxes[:, 2] - boxes[:, 0]
        confidence = point_confidence(levels, spreads, width, self.settings.confidence, odds)
        return Found(levels, spreads, confidence, first, hidden)

    def _run_levels(self, images, boxes, level, shape, hidden):
        """What _run_level finds, level after level, each around the points before."""
        points_px = np.zeros(shape)
        for number in (n for n in self.levels if n <= level):
            answers = self._run_level(number, images, boxes, points_px, hidden)
            points_px = average(answers, shape)[0]
            yield answers

    def _run_whole(self, images, boxes, level, shape, hidden):
        """[[(network, (n, k, 2) in pixels)]] of each level, of a network that is a whole cascade."""
        (network, module), = self._modules.items()
        windows = windows_of(network, boxes, None)
        *answers, layer = self._run_network(module, self._inputs(network, images, windows), network.earlier)
        if level >= len(self.levels) and layer is not None:
            hidden[network] = layer
        in_frame = [self.settings.encoding.decode(answer.reshape(shape).astype(np.float64)) for answer in answers]
        return [[(network, reproject(boxes, points))] for points in in_frame[:level]]

    def _inputs(self, network, images, windows):
        """What a network sees of n pictures in their windows: float32 (n, channels, rows, columns)."""
        seen = [see(network, image, window, self.settings) for image, window in zip(images, windows)]
        return np.array(seen, np.float32).reshape(-1, network.channels, *network.size)

    def _run_level(self, level, images, boxes, points_px, hidden):
        """[(network, (n, its points, 2) in pixels)] of a level's networks; their hidden layers go into `hidden`."""
        answers = []
        for network, module in self._modules.items():
            if network.level != level:
                continue
            windows = windows_of(network, boxes, points_px)
            output, layer = self._run_network(module, self._inputs(network, images, windows))
            output = output.reshape(len(boxes), len(network.points), 2)
            in_frame = self.settings.encoding.decode(output.astype(np.float64))
            answers.append((network, reproject(frames_of(network, boxes, windows), in_frame)))
            if level > 1 and layer is not None:
                hidden[network] = layer
        return answers


@cache
def _survive_forks():
    """In a forked process torch would wait for ever for threads that only its parent has: there it is to do without.
    What it is told is told to the thread alone that tells it, so this must be the one that was forked."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def load_modules(folder, settings=None):
    """(CascadeSettings, dict of Network to NetModule) of a model folder, ours or a saved one of the original; settings
    other than those of its cascade.json may be given.

    Networks that are not there are done without as long as F is there and a level is whole: the original has no EN
    and NM, and a cascade whose level 3 is not yet trained ends at level 2.

    Raises
    ------
    ValueError
        If the folder holds no cascade, naming the file that is missing or wrong (a CaffeError where it is a net's).
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    if not has_networks(folder) and (folder / ONNX_FILE).is_file():
        raise ValueError(f"{folder} holds an exported cascade ({ONNX_FILE}) and no networks for torch; those of the "
                         "published weights are in a clone of the project, not in its wheel")
    if not has_networks(folder):
        raise ValueError(f"{folder} is not a model folder: it has no 1_F.prototxt, nor another network of level 1")
    settings = settings or CascadeSettings.load(folder)
    modules = {network: _load_network(network, folder) for network in _present(settings, folder)}
    _check_points(settings, modules, folder)
    _check_hidden(settings, modules, folder)
    return settings, modules


def _check_points(settings, modules, folder):
    """Raises ValueError where a level has no network for a point."""
    for level in levels_of(modules):
        seen = {point for network in modules if network.level == level for point in network.points}
        missing = [name for point, name in enumerate(settings.points.names) if point not in seen]
        if missing and not any(network.earlier for network in modules):
            raise ValueError(f"{folder}: no network of level {level} predicts {missing[0]}")


def _check_hidden(settings, modules, folder):
    """Raises ValueError where the confidence was fitted to other networks."""
    sizes = {}
    for network, module in modules.items():
        blob = hidden_blob(module.graph)
        size = None if blob is None else int(np.prod(module.graph.blob_shapes[blob][1:]))
        sizes.update(dict.fromkeys(names_of_weights(network), size))
    levels = len(levels_of(modules))
    for name, weights in weights_in_use(settings, levels).items():
        if sizes.get(name) != len(weights):
            raise ValueError(f"{folder}: its confidence was fitted to another {name}; `deeplandmark calibrate` "
                             "fits it anew")


def average(answers, shape):
    """Mean (n, k, 2) over the networks that see a point, and their mean distance (n, k) from it.

    answers : list of (Network, (n, its points, 2)); shape : (n, k, 2)
    """
    total, count = np.zeros(shape), np.zeros(shape[1])
    for network, points_px in answers:
        total[:, network.points] += points_px
        count[list(network.points)] += 1
    mean = total / count[:, None]
    distance = np.zeros(shape[:2])
    for network, points_px in answers:
        distance[:, network.points] += np.linalg.norm(points_px - mean[:, network.points], axis=2)
    return mean, distance / count


def _load_network(network, folder):
    stem = folder / network.full_name
    module = to_torch(f"{stem}.prototxt", f"{stem}.caffemodel")
    check_network(module, network, f"{stem}.prototxt")
    return module


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
