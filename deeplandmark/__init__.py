"""Facial points in pictures: `load` a model and `locate`; `Cascade` is that of Sun, Wang and Tang (CVPR 2013)."""
from importlib import import_module
from typing import TYPE_CHECKING

__all__ = ["Cascade", "Faces", "__version__", "find", "load"]

# Where each public name is: it is imported when it is asked for, and with it no more than it needs.
_PLACES = {"Cascade": "deeplandmark.cascade.cascade", "Faces": "deeplandmark.faces.result",
           "find": "deeplandmark.running.find", "load": "deeplandmark.models"}

if TYPE_CHECKING:                                                # what editors and type checkers see of them
    from deeplandmark.cascade.cascade import Cascade
    from deeplandmark.faces.result import Faces
    from deeplandmark.models import load
    from deeplandmark.running.find import find

    __version__: str
else:
    def __getattr__(name):
        if name in _PLACES:
            return getattr(import_module(_PLACES[name]), name)
        if name == "__version__":
            return _version()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)


def _version() -> str:
    """Of the setup.cfg beside the package, in a checkout; else of the installed package."""
    from configparser import ConfigParser
    from pathlib import Path
    config = ConfigParser(interpolation=None)
    config.read(Path(__file__).parents[1] / "setup.cfg", encoding="utf-8")
    if config.get("metadata", "name", fallback=None) == __name__:
        return config["metadata"]["version"]
    from importlib.metadata import PackageNotFoundError, version
    try:
        return version(__name__)
    except PackageNotFoundError:                                 # the folder alone was copied somewhere
        return "0+unknown"
