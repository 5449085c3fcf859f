"""WFLW's text lists: one face a line, 98 points, a box, six attributes and the picture.

    x0 y0 ... x97 y97 x_min y_min x_max y_max pose expression illumination make-up occlusion blur picture.jpg
"""
from __future__ import annotations

import numpy as np

from deeplandmark.faces.box import BBox
from deeplandmark.faces.datasets.annotation import Problem
from deeplandmark.faces.datasets.labels import Label, Labels, hidden_as_nan, hidden_as_number, picture_path
from deeplandmark.faces.datasets.text_lines import finite, lines_of, numbers_of
from deeplandmark.faces.datasets.written import number, relative_name
from deeplandmark.faces.errors import ListError
from deeplandmark.faces.points import WFLW_98
from deeplandmark.work.whole_file import write_text

ATTRIBUTES = ("pose", "expression", "illumination", "make-up", "occlusion", "blur")
_NUMBERS = 2 * len(WFLW_98) + 4


def is_wflw(path, beginning):
    """Whether the first line begins with so many numbers."""
    words = beginning.partition(b"\n")[0].split(maxsplit=_NUMBERS)[:_NUMBERS]
    try:
        return len([float(word) for word in words]) == _NUMBERS
    except ValueError:
        return False


def read_wflw(list_path, folder, wanted):
    """The Labels of a list; the attributes are not needed for any points, and lists without them are read as well."""
    faces, problems = [], []
    for place, line in lines_of(list_path):
        try:
            faces.append(_label(folder, line, list_path.name, place))
        except ListError as error:
            problems.append(Problem(place, str(error)))
    return Labels(faces, problems, len(WFLW_98))


def write_wflw(list_path, faces, points):
    """Writes a list with all attributes 0. Raises ListError for other points."""
    if len(points) != len(WFLW_98):
        raise ListError(f"{list_path}: WFLW's lists hold {len(WFLW_98)} points, the faces have {len(points)}")
    text = ""
    for face in faces:
        values = [*hidden_as_number(face.landmark_px).ravel(), *face.bbox.as_array(), *[0] * len(ATTRIBUTES)]
        text += f"{' '.join(map(number, values))} {relative_name(face.path, list_path.parent)}\n"
    write_text(list_path, text)


def _label(folder, line, list_file, place):
    *words, rest = line.split(maxsplit=_NUMBERS)
    if len(words) < _NUMBERS:
        raise ListError(f"{list_file}:{place}: expected {2 * len(WFLW_98)} landmark + 4 box numbers, the attributes "
                        f"and a picture, found {len(words) + 1} fields")
    values = numbers_of(words, f"{list_file}:{place}")
    flags = rest.split(maxsplit=len(ATTRIBUTES))
    name = flags[-1] if len(flags) > len(ATTRIBUTES) and set(flags[:-1]) <= {"0", "1"} else rest
    points_px = finite(hidden_as_nan(np.reshape(values[:-4], (-1, 2))), f"{list_file}:{place}")
    return Label(picture_path(folder, name), points_px, BBox(*values[-4:].tolist()), list_file, place)
