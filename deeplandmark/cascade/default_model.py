"""Which model a command uses when it is not told, or told the name of published weights."""
from __future__ import annotations

import os
from pathlib import Path

import deeplandmark
from deeplandmark.networks.model_folder import has_networks

ONNX_FILE = "cascade.onnx"  # the whole folder as one graph, made by `deeplandmark export`
PUBLISHED = {"wide": ""}      # name of weights in the package -> their folder in published/


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


def default_model() -> Path:
    """Path of the weights published inside the package; until those exist, of `model/` in the working directory.

    Raises
    ------
    NoModelError
        When neither is there.
    """
    for folder in (_published(), Path("model")):
        if has_networks(folder) or (folder / ONNX_FILE).is_file():    # a wheel has the exported cascade alone
            return folder
    raise NoModelError("no model: neither the package's published weights nor model/1_F.prototxt is there; "
                       "give one with --model, or train one with ./bootstrap.sh")


def _published():
    return Path(deeplandmark.__file__).parent / "published"
