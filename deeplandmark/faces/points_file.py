"""Points files: which points a cascade of one's own finds, as JSON.

    {"names": ["left_ear", "right_ear", "chin"], "mirror": [["left_ear", "right_ear"]]}

`names` are in the order of the numbers in the picture lists. `mirror` says what becomes of them in a mirrored picture:
pairs of names, every other point becoming itself; or, as in cascade.json, one position for each point.

Labels whose points have names (imglab's XML, COCO's JSON, CSV) say the same, where the names say left and right.
"""
import re
from pathlib import Path

from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.points import known
from deeplandmark.work.json_text import parse_json

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")               # it becomes part of the names of files and networks
_SIDE, _OTHER_SIDE = re.compile("left|right", re.IGNORECASE), {"left": "right", "right": "left"}
_TAKEN = ("f", "en", "nm")                                       # networks of a cascade's level 1


def read_points(path):
    """The Points of a points file, or of labels whose points have names.

    Raises
    ------
    ValueError
        Naming the file and what is wrong with it, or why it cannot be read.
    """
    try:
        if Path(path).suffix.lower() in (".xml", ".csv"):
            return _of_labels(path)
        values = parse_json(Path(path).read_bytes())
        if isinstance(values, dict) and "annotations" in values:
            return _of_labels(path)
        if not isinstance(values, dict) or set(values) != {"names", "mirror"}:
            raise ValueError('expected {"names": [...], "mirror": [...]}')
        names = _names(values["names"])
        return known(names, _mirror(values["mirror"], names))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except FacesError as error:
        raise ValueError(str(error)) from None
    except ValueError as error:                                  # also of JSON and of UTF-8
        raise ValueError(f"{path}: {error}") from None


def _of_labels(path):
    """The Points that labels name; left and right of a name change places in the mirror."""
    from deeplandmark.faces.datasets.read_faces import read_labels  # it brings OpenCV, which --help does not need
    labels = read_labels(path)
    if labels.names is None:
        raise ValueError(f"its {labels.count} points have no names; a points file names them (docs/own_points.md)")
    names = _names([re.sub(r"[^A-Za-z0-9_-]+", "_", name) for name in labels.names])
    partners = [_SIDE.sub(lambda found: _OTHER_SIDE[found[0].lower()], name.lower()) for name in names]
    lower = [name.lower() for name in names]
    for name, partner in zip(names, partners):
        if partner not in lower:
            raise ValueError(f"the point {name} has no {partner}, which it would be in a mirrored picture; a points "
                             "file says what becomes of it (docs/own_points.md)")
    return known(names, tuple(lower.index(partner) for partner in partners))


def _names(values):
    if not isinstance(values, list) or not values:
        raise ValueError("names is not a list of at least one name")
    seen = set()
    for name in values:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"the name {name!r} is not up to 32 letters, digits, _ and -, beginning with a letter")
        if name.lower() in _TAKEN:
            raise ValueError(f"the name {name!r} is that of a network of level 1")
        if name.lower() in seen:                                 # file systems may not tell E from e
            raise ValueError(f"the name {name!r} is there twice (capitals do not count)")
        seen.add(name.lower())
    return tuple(values)


def _mirror(values, names):
    if not isinstance(values, list):
        raise ValueError("mirror is not a list")
    if values and all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return _involution(values, names)
    mirror = list(range(len(names)))
    for pair in values:
        i, j = _pair(pair, names)
        if i == j or mirror[i] != i or mirror[j] != j:
            raise ValueError(f"mirror: the pair {pair} holds a point that is in a pair already")
        mirror[i], mirror[j] = j, i
    return tuple(mirror)


def _pair(pair, names):
    if not isinstance(pair, list) or len(pair) != 2:
        raise ValueError(f"mirror: {pair!r} is not a pair of names")
    for name in pair:
        if name not in names:
            raise ValueError(f"mirror: {name!r} is none of the names {', '.join(names)}")
    return tuple(map(names.index, pair))


def _involution(values, names):
    if sorted(values) != list(range(len(names))):
        raise ValueError(f"mirror: {values} are not the positions 0 to {len(names) - 1}, each once")
    for i, j in enumerate(values):
        if values[j] != i:
            raise ValueError(f"mirror: {names[i]} becomes {names[j]}, but {names[j]} becomes {names[values[j]]}")
    return tuple(values)
