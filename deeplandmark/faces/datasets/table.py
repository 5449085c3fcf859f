"""CSV with a row a face: `picture, left, top, right, bottom, x1, y1 ... xk, yk`, as `detect --csv` writes it.

Points may also have names, `left_eye_x, left_eye_y`; an empty cell is a point that is not visible. Other columns do
not matter. Without a box in the columns, boxes are made of the points.
"""
from __future__ import annotations

import csv
import io
import re
from contextlib import contextmanager

import numpy as np

from deeplandmark.faces.box import BBox
from deeplandmark.faces.datasets.annotation import Problem, box_text
from deeplandmark.faces.datasets.labels import Label, Labels, as_it_is, hidden_as_nan, picture_path
from deeplandmark.faces.datasets.text_lines import finite, numbers_of, open_list
from deeplandmark.faces.datasets.written import number, relative_name
from deeplandmark.faces.errors import ListError
from deeplandmark.work.whole_file import write_text

_PICTURE = ("picture", "image", "image_id", "file", "filename", "file_name", "path")
_BOX = ("left", "top", "right", "bottom")
_NUMBERED, _NAMED = re.compile(r"x(\d+)"), re.compile(r"(.+)_x")


def is_table(path, beginning):
    """Whether a file is called .csv, or its first line is a head with a picture's column."""
    head = beginning.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].lower().split(b",")
    return path.suffix.lower() == ".csv" or len(head) > 1 and head[0].strip().decode("latin-1") in _PICTURE


def read_table(list_path, folder, wanted):
    """The Labels of a file."""
    with _reader_of(list_path) as reader:
        columns = {(name or "").strip(): name for name in reader.fieldnames or ()}
    picture, names, pairs = _columns(columns, list_path)
    box = [columns[name] for name in _BOX] if all(name in columns for name in _BOX) else None
    problems = []

    def faces():
        with _reader_of(list_path) as rows:
            for row in rows:
                try:
                    yield _label(row, picture, box, pairs, folder, list_path.name, rows.line_num)
                except ListError as error:
                    problems.append(Problem(rows.line_num, str(error)))
    return Labels(faces(), problems, len(pairs), names, as_it_is if box else None)


def write_table(list_path, faces, points):
    """Writes a file that `detect --boxes-file` reads as well."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["picture", *_BOX, *(f"{axis}{i + 1}" for i in range(len(points)) for axis in "xy")])
    for face in faces:
        values = [*face.bbox.as_array(), *face.landmark_px.ravel()]
        writer.writerow([relative_name(face.path, list_path.parent),
                         *("" if np.isnan(value) else number(value) for value in values)])
    write_text(list_path, text.getvalue())


@contextmanager
def _reader_of(list_path):
    with open_list(list_path, newline="") as file:
        reader = csv.DictReader(file, restval="")
        try:
            yield reader
        except csv.Error as error:
            raise ListError(f"{list_path}:{reader.line_num}: no CSV ({error})") from None


def _columns(columns, list_path):
    """(name of the picture's column, names of the points or None, [(x's column, y's column)])."""
    picture = next((columns[name] for name in columns if name.lower() in _PICTURE), None)
    numbered = sorted(int(found[1]) for name in columns if (found := _NUMBERED.fullmatch(name)))
    names = [] if numbered else [found[1] for name in columns if (found := _NAMED.fullmatch(name))]
    wanted = [(f"x{i}", f"y{i}") for i in numbered] or [(f"{name}_x", f"{name}_y") for name in names]
    missing = [name for pair in wanted for name in pair if name not in columns]     # "x01" is no "x1"
    if picture is None or not wanted or missing:
        what = missing[0] if missing else "picture" if picture is None else "x1, y1 ..."
        raise ListError(f"{list_path}:1: expected the columns picture, {', '.join(_BOX)}, x1, y1 ...; {what} is not "
                        "there")
    return picture, tuple(names) or None, [(columns[x], columns[y]) for x, y in wanted]


def _label(row, picture, box, pairs, folder, list_file, line):
    place = f"{list_file}:{line}"
    name = (row[picture] or "").strip()
    if not name:
        raise ListError(f"{place}: names no picture")
    cells = [(row[column] or "").strip() for pair in pairs for column in pair]
    points_px = hidden_as_nan(numbers_of([cell or "nan" for cell in cells], place).reshape(-1, 2))
    bbox = BBox(*numbers_of([(row[column] or "").strip() for column in box], place).tolist()) if box else None
    if bbox is not None and not bbox.has_area:
        raise ListError(f"{place}: {box_text(bbox)} has no area")
    return Label(picture_path(folder, name), finite(points_px, place), bbox, list_file, line)
