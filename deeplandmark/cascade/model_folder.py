"""Which model a command uses when it is not told, and what a model folder holds."""
import hashlib
from pathlib import Path

import deeplandmark

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
        if has_networks(folder):
            return folder
    raise NoModelError("no model: neither the package's published weights nor model/1_F.prototxt is there; "
                       "give one with --model, or train one with ./bootstrap.sh")


def has_networks(folder):
    """Whether a folder holds networks of level 1, as every model folder does, ours and the original's."""
    return any(Path(folder).glob("1_*.prototxt"))


def fingerprint(folder):
    """A hash of the networks and settings of a model folder; an exported cascade carries that of its folder."""
    digest = hashlib.sha256()
    for path in sorted([*Path(folder).glob("[0-9]_*.prototxt"), *Path(folder).glob("[0-9]_*.caffemodel"),
                        *Path(folder).glob("cascade.json")]):
        content = path.read_bytes()
        if path.suffix != ".caffemodel":
            content = content.replace(b"\r\n", b"\n")            # git may have written the text in Windows' way
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
