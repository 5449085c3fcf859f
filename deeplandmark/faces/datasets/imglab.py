"""dlib's imglab XML: pictures, boxes in them and any parts a box, in pixels.

    <image file='a.jpg'><box left='25' top='39' width='40' height='37'><part name='00' x='25' y='44'/> ...

A part that a box lacks is a point that is not visible; boxes without parts and boxes marked `ignore` are left out.

A box of 68 points (iBUG's) is tight around them: eyebrows on top, chin at the bottom. The cascade's boxes are squares
that begin higher. `cascade_box` maps one kind to the other by two numbers, fitted by least squares so that the five
points lie, on average over 770 faces with tight boxes, where they lie on average in the boxes of the paper's training
list (left eye 0.27, 0.26; right eye 0.74, 0.25; nose 0.50, 0.54; left mouth corner 0.31, 0.77; right 0.71, 0.76). No
answer of any cascade had a part in it. Boxes of other points are taken as they are.
"""
from __future__ import annotations

import re
from itertools import groupby
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

import numpy as np

from deeplandmark.faces.box import BBox
from deeplandmark.faces.datasets.annotation import Problem
from deeplandmark.faces.datasets.labels import Label, Labels, as_it_is, hidden_as_nan, picture_path
from deeplandmark.faces.datasets.written import relative_name
from deeplandmark.faces.errors import ListError
from deeplandmark.faces.points import IBUG_68
from deeplandmark.work.whole_file import write_text

# In (width + height) / 2 of the tight box: the side of the square, and how far its middle lies above the box's.
SIDE, UP = 0.89, 0.08
_NUMBER = re.compile("[0-9]{1,4}")                               # of a point; a larger one would fill the memory


def is_imglab(path, beginning):
    """Whether a file, of which the first bytes are given, is XML."""
    return path.suffix.lower() == ".xml" or beginning.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def read_imglab(list_path, folder, wanted):
    """The Labels of an XML file; parts with numbers for names are points in that order, from 0 on."""
    boxes = [box for box in _boxes(list_path) if box[-1]]
    named = list(dict.fromkeys(name for *_, parts in boxes for name in parts))
    numbered = all(_NUMBER.fullmatch(name) for name in named)
    names = [str(i) for i in range(max(map(int, named), default=-1) + 1)] if numbered else named
    faces, problems = [], []
    for picture, box, line, parts in boxes:
        try:
            found = {str(int(name)) if numbered else name: part for name, part in parts.items()}
            faces.append(_label(folder, names, picture, box, found, list_path.name, line))
        except ListError as error:
            problems.append(Problem(line, str(error)))
    return Labels(faces, problems, len(names), None if numbered else tuple(names),
                  cascade_box if len(names) == len(IBUG_68) else as_it_is)


def write_imglab(list_path, faces, points):
    """Writes an imglab file in whole pixels, as dlib reads them; parts are numbered, those not visible left out."""
    text = "<?xml version='1.0' encoding='UTF-8'?>\n<dataset>\n<name>faces</name>\n<images>\n"
    for path, together in groupby(faces, lambda face: face.path):
        boxes = "".join(_box_text(face) for face in together)
        text += f"  <image file={quoteattr(relative_name(path, list_path.parent))}>\n{boxes}  </image>\n"
    write_text(list_path, f"{text}</images>\n</dataset>\n")


def cascade_box(tight):
    """The square the cascade expects for a face whose 68 points lie tightly in the BBox `tight`."""
    size = (tight.width + tight.height) / 2
    (x, y), half = tight.centre - [0, UP * size], SIDE * size / 2
    return BBox(*map(float, (x - half, y - half, x + half, y + half)))


def _tight_box(square):
    """A box that `cascade_box` makes that square of."""
    (x, y), half = square.centre, square.width / SIDE / 2
    return BBox(x - half, y - half + 2 * UP * half, x + half, y + half + 2 * UP * half)


def _box_text(face):
    box = _tight_box(face.bbox.square()) if len(face.landmark_px) == len(IBUG_68) else face.bbox
    left, top, right, bottom = (round(edge) for edge in box.as_array())
    parts = "".join(f"      <part name='{i:02d}' x='{round(x)}' y='{round(y)}'/>\n"
                    for i, (x, y) in enumerate(face.landmark_px) if np.isfinite([x, y]).all())
    return f"    <box top='{top}' left='{left}' width='{right - left}' height='{bottom - top}'>\n{parts}    </box>\n"


def _boxes(list_path):
    """Of every box not ignored: (picture or None, its attributes, its line, {name: attributes} of its parts)."""
    found, picture = [], None
    for name, attributes, line in _elements(list_path):
        if name == "image":
            picture = attributes.get("file")
        elif name == "box":
            found.append((picture, attributes, line, {}))
        elif name == "part" and found:
            found[-1][-1][attributes.get("name", "")] = attributes
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
    except (expat.ExpatError, LookupError, ValueError) as error:      # also of an unknown encoding
        raise ListError(f"{list_path}: no XML ({error})") from None
    if found[0][0] != "dataset":
        raise ListError(f"{list_path}: not imglab's XML: expected <dataset>, found <{found[0][0]}>")
    return found


def _label(folder, names, picture, box, parts, list_file, line):
    place = f"{list_file}:{line}"
    if not picture:
        raise ListError(f"{place}: a box outside <image file='...'>")
    left, top, width, height = _numbers(box, ("left", "top", "width", "height"), place)
    if not (np.isfinite([left, top]).all() and 0 < width < np.inf and 0 < height < np.inf):
        raise ListError(f"{place}: a box of {width:g} x {height:g} has no area")
    points_px = hidden_as_nan([_numbers(parts[name], ("x", "y"), place) if name in parts else (np.nan, np.nan)
                               for name in names])
    if np.isinf(points_px).any():
        raise ListError(f"{place}: a part is not finite")
    return Label(picture_path(folder, picture), points_px, BBox(left, top, left + width, top + height), list_file, line)


def _numbers(attributes, names, place):
    try:
        return [float(attributes[name]) for name in names]
    except (KeyError, ValueError):
        raise ListError(f"{place}: expected numbers {', '.join(names)}, found {attributes}") from None
