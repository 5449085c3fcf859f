"""Which model a command uses when it is not told."""
from pathlib import Path

import deeplandmark
from deeplandmark.networks.model_folder import has_networks

ONNX_FILE = "cascade.onnx"  # the whole folder as one graph, made by `deeplandmark export`


class NoModelError(ValueError):
    """There is no model to fall back on."""


def default_model():
    """Path of the weights published inside the package; until those exist, of `model/` in the working directory.

    Raises
    ------
    NoModelError
        When neither is there.
    """
    published = Path(deeplandmark.__file__).parent / "published"
    for folder in (published, Path("model")):
        if has_networks(folder) or (folder / ONNX_FILE).is_file():    # a wheel has the exported cascade alone
            return folder
    raise NoModelError("no model: neither the package's published weights nor model/1_F.prototxt is there; "
                       "give one with --model, or train one with ./bootstrap.sh")
