"""How commands say what is bad in a list of faces; the lists are read by faces/datasets/read_faces.py."""
import logging

from deeplandmark.faces.datasets.read_faces import read_faces
from deeplandmark.faces.points import FIVE_POINTS

_LOG = logging.getLogger(__name__)


def faces_of_list(command, path, points=FIVE_POINTS, folder=None):
    """The faces of a list (see `read_faces`); its bad lines are named."""
    faces, problems = read_faces(path, points, folder)
    name_skipped(command, problems)
    return faces


def name_skipped(command, problems):
    """A warning for each Problem: a line of a list, or its picture, that a command passed over."""
    for problem in problems:
        _LOG.warning("%s: skipped %s", command, problem)
