"""Faces of dlib's imglab XML with the 68 points of iBUG, read as those or as the usual five, in the cascade's boxes.

A file names pictures, boxes in them and 68 parts a box, all in pixels:

    <image file='a.jpg'><box left='25' top='39' width='40' height='37'><part name='00' x='25' y='44'/> ...

The five points are the middles of the six points round each eye, the tip of the nose and the corners of the mouth.

Such a box is tight around the 68 points: eyebrows on top, chin at the bottom. The cascade's boxes are squares that
begin higher. `cascade_box` maps one kind to the other by two numbers, fitted by least squares so that the five points
lie, on average over 770 faces with tight boxes, where they lie on average in the boxes of the paper's training list
(left eye 0.27, 0.26; right eye 0.74, 0.25; nose 0.50, 0.54; left mouth corner 0.31, 0.77; right 0.71, 0.76). No answer
of any cascade had a part in it.
"""
from pathlib import Path
from xml.parsers import expat

import numpy as np

from deeplandmark.faces.box import BBox
from deeplandmark.faces.datasets.annotation import Annotation, Problem
from deeplandmark.faces.errors import ListError
from deeplandmark.faces.points import FIVE_POINTS, IBUG_68

# In (width + height) / 2 of the tight box: the side of the square, and how far its middle lies above the box's.
SIDE, UP = 0.89, 0.08


def is_imglab(path, beginning):
    """Whether a file, of which the first bytes are given, is XML."""
    return path.suffix.lower() == ".xml" or beginning.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def read_imglab(list_path, points=FIVE_POINTS, problems=None, folder=None):
    """All faces of an imglab XML file, in its order: a list of `Annotation` with `cascade_box`.

    `points` says which points they get: IBUG_68, or the usual five made of them; another set is a ListError. Pictures
    are looked for in `folder`, by default the file's own. Boxes marked `ignore` are left out. A face that cannot be
    used is appended to the list `problems` as a `Problem`; without `problems` it raises ListError, as does a file that
    cannot be read.
    """
    list_path = Path(list_path)
    if points.names not in (FIVE_POINTS.names, IBUG_68.names):
        raise ListError(f"{list_path}: imglab's points are read as the {len(IBUG_68)} of iBUG or as the usual five, "
                        f"the model finds {len(points)} others")
    folder = list_path.parent if folder is None else Path(folder)
    annotations = []
    for picture, box, line, parts in _boxes(list_path):
        try:
            annotations.append(_annotation(folder, points, picture, box, parts, list_path.name, line))
        except ListError as error:
            if problems is None:
                raise
            problems.append(Problem(line, str(error)))
    return annotations


def cascade_box(tight):
    """The square the cascade expects for a face whose 68 points lie tightly in the BBox `tight`."""
    size = (tight.width + tight.height) / 2
    (x, y), half = tight.centre - [0, UP * size], SIDE * size / 2
    return BBox(*map(float, (x - half, y - half, x + half, y + half)))


def _boxes(list_path):
    """Of every box not ignored: (picture or None, its attributes, its line, {name: attributes} of its parts)."""
    found, picture = [], None
    for name, attributes, line in _elements(list_path):
        if name == "image":
            picture = attributes.get("file")
        elif name == "box":
            found.append((picture, attributes, line, {}))
        elif name == "part" and found:
            found[-1][-1][attributes.get("name")] = attributes
    return [box for box in found if box[1].get("ignore", "0") not in ("1", "true")]


def _elements(list_path):
    """(name, attributes, line) of every element, in their order."""
    found, parser = [], expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: found.append((name, attributes, parser.CurrentLineNumber))
    try:
        with list_path.open("rb") as file:
            parser.ParseFile(file)
    except OSError as error:
        raise ListError(f"{list_path}: cannot be read ({error.strerror})") from None
    except expat.ExpatError as error:
        raise ListError(f"{list_path}: no XML ({error})") from None
    if found[0][0] != "dataset":
        raise ListError(f"{list_path}: not imglab's XML: expected <dataset>, found <{found[0][0]}>")
    return found


def _annotation(folder, points, picture, box, parts, list_file, line):
    place = f"{list_file}:{line}"
    if not picture:
        raise ListError(f"{place}: a box outside <image file='...'>")
    names = [f"{i:02d}" for i in range(len(IBUG_68))]
    missing = [name for name in names if name not in parts]
    if missing:
        raise ListError(f"{place}: expected {len(IBUG_68)} parts 00 to {names[-1]}, found {len(parts)} without "
                        f"{missing[0]}")
    left, top, width, height = _numbers(box, ("left", "top", "width", "height"), place)
    found = np.array([_numbers(parts[name], ("x", "y"), place) for name in names])
    if not (width > 0 and height > 0):
        raise ListError(f"{place}: a box of {width:g} x {height:g} has no area")
    landmark_px = found if len(points) == len(IBUG_68) else IBUG_68.to_five(found)
    bbox = cascade_box(BBox(left, top, left + width, top + height))
    return Annotation(folder / picture.replace("\\", "/"), bbox, landmark_px, list_file, line)


def _numbers(attributes, names, place):
    try:
        numbers = [float(attributes[name]) for name in names]
    except (KeyError, ValueError):
        numbers = [np.nan]
    if not np.isfinite(numbers).all():
        raise ListError(f"{place}: expected numbers {', '.join(names)}, found {attributes}")
    return numbers
