"""Pictures and where the faces in them are, as lists for detectors tell it: boxes, ellipses, points, or no face at all.

Unlike the lists that networks are trained on (faces/datasets/), these label every face of a picture, and may label it
by anything.
"""
from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from deeplandmark.faces.box_of_points import boxes_of_points
from deeplandmark.faces.datasets.archive import unpacked
from deeplandmark.faces.datasets.read_faces import read_faces
from deeplandmark.faces.errors import ListError
from deeplandmark.faces.picture import PICTURE_SUFFIXES, pictures_below

EDGES = ("left", "top", "right", "bottom")
# How a list may name the five points; a mouth's middle and others beside them are left out.
FIVE = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")


@dataclass
class Places:
    """A picture and its faces.

    Attributes
    ----------
    path : Path
    boxes : list of 4 floats each
        left, top, right, bottom, pixels, of whatever kind the list's are.
    """
    path: Path
    boxes: list = field(default_factory=list)

    def as_array(self):
        """float64 (n, 4)."""
        return np.array(self.boxes, np.float64).reshape(-1, 4)


def read_places(path, pictures=None):
    """A list of Places.

    Parameters
    ----------
    path : path
        A folder or zip of pictures without faces; a CSV file with a column `picture` and either left, top, right,
        bottom or left_eye_x, left_eye_y ... of the five points (pictures beside those named that have no row show no
        face); ellipses as FDDB writes them; or a list of faces of any format of faces/datasets/.
    pictures : folder, optional
        Where the pictures' names start; by default the list's folder.

    Raises
    ------
    ArchiveError
        When there is no such file, or for a damaged zip.
    ListError
        When it is none of these, and naming the line that cannot be read.
    """
    path = unpacked(path)
    if path.is_dir():
        return _without_faces(path)
    folder = path.parent if pictures is None else Path(pictures)
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise ListError(f"{path}: cannot be read ({error.strerror})") from None
    if path.suffix.lower() == ".csv" and lines and "picture" in lines[0].split(","):
        return _of_csv(path, lines, folder)
    if len(lines) > 1 and lines[1].strip().isdigit():
        return _of_ellipses(path, lines, folder)
    return places_of(read_faces(path, folder=folder)[0])


def _without_faces(folder):
    found = [Places(path) for path in pictures_below(folder)]
    if not found:
        raise ListError(f"{folder}: no pictures in it")
    return found


def places_of(faces):
    """The Places of a list of Annotation, by picture."""
    by_path = {}
    for face in faces:
        by_path.setdefault(face.path, Places(face.path)).boxes.append(face.bbox.as_array())
    return list(by_path.values())


def _of_csv(path, lines, folder):
    rows = csv.DictReader(lines)
    names = rows.fieldnames or []
    points = [f"{name}_{axis}" for name in FIVE for axis in "xy"]
    columns = next((each for each in (EDGES, points) if set(each) <= set(names)), None)
    if "picture" not in names or columns is None:
        raise ListError(f"{path}: expected columns picture and {', '.join(EDGES)} or {', '.join(points)}; found "
                        f"{', '.join(names)}")
    by_path = {}
    for number, row in enumerate(rows, 2):
        try:
            numbers = np.array([float(row[name]) for name in columns])
        except (TypeError, ValueError):
            raise ListError(f"{path}:{number}: expected numbers {', '.join(columns)}") from None
        box = numbers if columns is EDGES else boxes_of_points(numbers.reshape(1, 5, 2))[0]
        place = folder / row["picture"]
        by_path.setdefault(place, Places(place)).boxes.append(box)
    for beside in sorted({place.parent for place in by_path}):
        for other in sorted(beside.iterdir()):
            if other.suffix.lower() in PICTURE_SUFFIXES:
                by_path.setdefault(other, Places(other))
    return list(by_path.values())


def _of_ellipses(path, lines, folder):
    """FDDB's: a picture's name without suffix, how many, and a line each: radii, angle, middle, 1."""
    found, place = [], 0
    while place < len(lines) and lines[place].strip():
        try:
            count = int(lines[place + 1])
            rows = [[float(word) for word in line.split()[:5]] for line in lines[place + 2:place + 2 + count]]
            ellipses = np.array(rows, np.float64).reshape(count, 5)
        except (IndexError, ValueError):
            raise ListError(f"{path}:{place + 1}: expected a picture, a number, and so many lines of radius radius "
                            "angle x y") from None
        name = lines[place].strip()
        picture = folder / (name if Path(name).suffix.lower() in PICTURE_SUFFIXES else f"{name}.jpg")
        found.append(Places(picture, list(boxes_of_ellipses(ellipses))))
        place += 2 + count
    return found


def boxes_of_ellipses(ellipses):
    """The upright boxes (n, 4) that ellipses (n, 5) just fit in: first radius, second radius, the first one's angle to
    the x axis (radians), middle x, y."""
    first, second, angle, x, y = np.asarray(ellipses, np.float64).reshape(-1, 5).T
    half_width = np.hypot(first * np.cos(angle), second * np.sin(angle))
    half_height = np.hypot(first * np.sin(angle), second * np.cos(angle))
    return np.stack([x - half_width, y - half_height, x + half_width, y + half_height], axis=1)
