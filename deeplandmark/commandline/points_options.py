"""The flag --points of the commands that train: points of one's own, and folders of their own for the results."""
import argparse
import re
from dataclasses import dataclass
from pathlib import Path

from deeplandmark.faces.points import FIVE_POINTS, HEAD_AXES, SETS, Points
from deeplandmark.faces.points_file import read_points
from deeplandmark.models.families import FAMILIES, USUAL
from deeplandmark.work.one_line import clipped

# model-wide/, model-synthetic/ and so on are the folders of others.
AXES = "axes"               # what HEAD_AXES, which are no marks on a face, are called
_TAKEN = ("synthetic", *(name for name in FAMILIES if name != USUAL))


@dataclass(frozen=True)
class OwnPoints:
    """What --points names; without it the usual five.

    Attributes
    ----------
    points : Points
    name : str
        Of the file, without its ending, or 68, 88; empty for the usual five.
    """
    points: Points = FIVE_POINTS
    name: str = ""

    def folder(self, kind):
        """The folder for a kind of files: model, or model-NAME."""
        return f"{kind}-{self.name}" if self.name else kind


def add_points_argument(parser):
    """Adds --points; its OwnPoints is the attribute `own` of what is parsed."""
    parser.add_argument("--points", dest="own", type=_argument, default=OwnPoints(), metavar="FILE",
                        help=f"set of points: {', '.join(SETS)}, a points file of your own, or labels that name their "
                        "points (docs/own_points.md); default: the usual five")


def points_of(path):
    """The OwnPoints of a name in SETS or a points file. Raises ValueError naming what is wrong."""
    if path in SETS:
        return OwnPoints() if SETS[path] == FIVE_POINTS else OwnPoints(SETS[path], path)
    if path == AXES:
        return OwnPoints(HEAD_AXES, AXES)
    name = Path(path).stem
    taken = name in (*SETS, AXES) or name.startswith(_TAKEN) or name.endswith(tuple(f"-{word}" for word in _TAKEN))
    if not re.fullmatch(r"[\w.-]+", name, re.ASCII) or taken:
        raise ValueError(f"{path}: its name becomes that of folders (model-NAME): letters, digits, . _ and -, "
                         f"not {' or '.join((*SETS, AXES))}, nor beginning or ending with {' or '.join(_TAKEN)}")
    return OwnPoints(read_points(path), name)


def _argument(path):
    try:
        return points_of(path)
    except ValueError as error:
        raise argparse.ArgumentTypeError(clipped(error)) from None
