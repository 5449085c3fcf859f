"""Whether a folder holds what another one does, as far as two runs of a command can agree."""
import json
import re
from pathlib import Path

import cv2
import h5py
import numpy as np

# Faces go through the networks together as they come, in float32: a point moves by 0.005 pixels at most with the
# company it is in, which a row rounds to hundredths, a confidence to thousandths, a drawing to sixteenths of a pixel.
ROWS = 0.021
# Levels of a drawn JPEG, where an edge of a dot fell on another sixteenth: of any pixel, and on average.
LEVELS, LEVELS_ON_AVERAGE = 64, 0.05
_TIMES = re.compile(r"[\d.]+ ms|\"ms_per_face\": [\d.]+")


def differences(expected, found):
    """Lines that say what a folder lacks of another, has besides, or has otherwise; an empty list where nothing.

    Logs and what is drawn of them tell of what was done again, and SVG of when: only their names count.
    """
    there, here = _files(expected), _files(found)
    lines = [f"{name} is only {where}" for one, other, where in ((there, here, "there"), (here, there, "here"))
             for name in sorted(one.keys() - other.keys())]
    return lines + [f"{name} differs" for name in sorted(there.keys() & here.keys())
                    if not _alike(there[name], here[name], expected, found)]


def left_over(folder):
    """Temporary files of killed runs: they have names of their own, which nobody takes for results."""
    return [path for path in Path(folder).rglob(".*") if path.is_file()]


def _files(folder):
    return {str(path.relative_to(folder)): path for path in sorted(Path(folder).rglob("*"))
            if path.is_file() and not path.name.startswith(".") and "__pycache__" not in path.parts}


def _alike(there, here, expected, found):
    if there.suffix in (".log", ".svg") or there.parent.name == "curves":
        return True
    if there.suffix == ".h5":                                    # says when it was made
        return _same_numbers(there, here)
    if there.suffix == ".jpg":                                   # drawn
        return _same_picture(there, here)
    if there.stem == "rows":
        return _same_rows(there, here)
    one, other = there.read_bytes(), here.read_bytes()
    if there.suffix in (".json", ".txt", ".prototxt"):
        one, other = (_TIMES.sub("", data.decode().replace(str(folder), "")) for data, folder in
                      ((one, expected), (other, found)))
    return one == other


def _same_numbers(there, here):
    with h5py.File(there) as one, h5py.File(here) as other:
        return set(one) == set(other) and all(np.array_equal(one[name][()], other[name][()]) for name in one)


def _same_picture(there, here):
    one, other = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(int) for path in (there, here))
    if one.shape != other.shape:
        return False
    apart = np.abs(one - other)
    return apart.max() <= LEVELS and apart.mean() <= LEVELS_ON_AVERAGE


def _same_rows(there, here):
    one, other = (_values(path) for path in (there, here))
    return len(one) == len(other) and all(
        abs(a - b) <= ROWS if isinstance(a, float) and isinstance(b, float) else a == b for a, b in zip(one, other))


def _values(path):
    """Words and numbers (float) of a file of rows, in order."""
    words = []
    for line in path.read_text().splitlines():
        cells = _flat(json.loads(line)) if path.suffix == ".jsonl" else line.split(",")
        words += [_number(cell) for cell in cells] + ["\n"]
    return words


def _flat(value):
    if isinstance(value, dict):
        return [part for item in value.items() for part in _flat(list(item))]
    return [part for item in value for part in _flat(item)] if isinstance(value, list) else [value]


def _number(cell):
    try:
        return float(cell)
    except (TypeError, ValueError):
        return cell
