"""Which model a command uses when it is not told."""
from pathlib import Path

import deeplandmark

MARK = "1_F.prototxt"  # every model folder, ours and the original's, has network F


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
