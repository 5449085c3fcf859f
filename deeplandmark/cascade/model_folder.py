"""Which model a command uses when it is not told, and what a model folder holds."""
import hashlib
from pathlib import Path

import deeplandmark

MARK = "1_F.prototxt"       # every model folder, ours and the original's, has network F
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
        if (folder / MARK).is_file():
            return folder
    raise NoModelError(f"no model: neither the package's published weights nor model/{MARK} is there; "
                       "give one with --model, or train one with ./bootstrap.sh")


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
