"""Folders of `.pts` files, one a face beside its picture, as 300W, LFPW, HELEN and AFW come.

    version: 1
    n_points: 68
    {
    446.000 91.000
    ...
    }

Pixels are counted from 1 there. There are no boxes: they are made of the points.
"""
from __future__ import annotations

import re
from os.path import commonpath

import numpy as np

from deeplandmark.faces.datasets.annotation import Problem
from deeplandmark.faces.datasets.labels import NOT_VISIBLE, Label, Labels, hidden_as_nan
from deeplandmark.faces.datasets.written import number, relative_name
from deeplandmark.faces.errors import ListError
from deeplandmark.work.whole_file import write_text

SUFFIX = ".pts"
_PICTURES = (".jpg", ".png", ".jpeg", ".bmp", ".JPG", ".PNG", ".JPEG", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
_FIRST = 1              # the first pixel's number
_NUMBERED = re.compile(r"(.+)_\d+")     # a further face of a picture


def is_pts(path, beginning):
    """Whether a path is a folder, or one such file."""
    return path.is_dir() or path.suffix.lower() == SUFFIX or beginning.startswith(b"version:")


def files_of(path):
    """The .pts files of a folder, also those further down, or the one file, in the order of their names."""
    return sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path]


def read_pts(list_path, folder, wanted):
    """The Labels of a folder; a picture lies beside its file, or at the same place below `folder`."""
    files = files_of(list_path)
    if not files:
        raise ListError(f"{list_path}: a folder without {SUFFIX} files")
    root = list_path if list_path.is_dir() else list_path.parent
    read, problems = [], []
    for place, file in enumerate(files, 1):
        try:
            read.append((place, file, _points(file)))
        except ListError as error:
            problems.append(Problem(place, str(error)))
    lengths = [len(points_px) for _, _, points_px in read]
    count = wanted if wanted in lengths else max(set(lengths), key=lengths.count, default=wanted or 0)
    faces = []
    for place, file, points_px in read:
        name = file.relative_to(root).as_posix()
        if len(points_px) == count:
            faces.append(Label(_picture(folder / name), points_px, None, name, place))
        else:
            problems.append(Problem(place, f"{name}: expected {count} points, found {len(points_px)}"))
    return Labels(faces, problems, count)


def write_pts(list_path, faces, points):
    """Writes a folder of .pts files, at the places that the pictures have below the folder common to all; the second
    face of a picture gets `_2`."""
    seen = {}
    common = commonpath([face.path.parent.absolute() for face in faces])
    for face in faces:
        seen[face.path] = seen.get(face.path, 0) + 1
        name = relative_name(face.path, common).rpartition(".")[0] + (f"_{seen[face.path]}" * (seen[face.path] > 1))
        hidden = np.isnan(face.landmark_px)
        rows = np.where(hidden, NOT_VISIBLE, face.landmark_px + _FIRST)
        text = "".join(f"{number(x)} {number(y)}\n" for x, y in rows)
        target = list_path / f"{name}{SUFFIX}"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, f"version: 1\nn_points: {len(rows)}\n{{\n{text}}}\n", durable=False)


def _points(file):
    """(k, 2) float64, counted from 0, NaN where not visible."""
    try:
        text = file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise ListError(f"{file}: cannot be read ({error.strerror})") from None
    begin, end = text.find("{"), len(text.rstrip()) - 1          # no expression: braces without end would take for ever
    try:
        if begin < 0 or text[end] != "}":
            raise ValueError
        rows = [[float(word) for word in line.split()] for line in text[begin + 1:end].splitlines() if line.strip()]
        points_px = hidden_as_nan(np.array(rows, np.float64).reshape(len(rows), 2))
    except (TypeError, ValueError):
        raise ListError(f"{file}: expected version, n_points and lines x y between braces") from None
    told = re.search(r"n_points:\s*(\d+)", text)
    if told and int(told[1]) != len(rows) or not rows or np.isinf(points_px).any():
        raise ListError(f"{file}: expected {told[1] if told else 'some'} points, found {len(rows)} or one not finite")
    return points_px - _FIRST


def _picture(path):
    """The picture beside a .pts file; where there is none, what a missing one is called."""
    stems = [path.with_suffix("")]
    if found := _NUMBERED.fullmatch(path.stem):
        stems.append(path.with_name(found[1]))
    for stem in stems:
        for suffix in _PICTURES:
            picture = stem.with_name(stem.name + suffix)
            if picture.is_file():
                return picture
    return stems[0].with_name(stems[0].name + _PICTURES[0])
