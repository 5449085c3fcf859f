"""COCO's keypoints JSON, which labelling tools such as CVAT and Label Studio export, and COCO-WholeBody's faces.

    {"images": [{"id": 7, "file_name": "a.jpg"}], "categories": [{"id": 1, "keypoints": ["left_eye", ...]}],
     "annotations": [{"image_id": 7, "category_id": 1, "bbox": [x, y, width, height], "keypoints": [x, y, v, ...]}]}

v is 0 for a point that is not labelled: it is not visible here. Crowds and annotations without any labelled point are
left out; the `line` of messages is the annotation's place in its list, from 1.
"""
from __future__ import annotations

import json
from itertools import pairwise

import numpy as np

from deeplandmark.faces.box import BBox
from deeplandmark.faces.datasets.annotation import Problem
from deeplandmark.faces.datasets.labels import Label, Labels, hidden_as_nan, picture_path
from deeplandmark.faces.datasets.written import relative_name
from deeplandmark.faces.errors import ListError
from deeplandmark.work.json_text import parse_json
from deeplandmark.work.whole_file import write_text

_NOT_LABELLED, _VISIBLE = 0, 2
_LARGEST = 1e12


def is_coco(path, beginning):
    """Whether a file is a JSON object."""
    return path.suffix.lower() == ".json" or beginning.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def read_coco(list_path, folder, wanted):
    """The Labels of a file; of several categories with points the one that most annotations are of."""
    content = _content(list_path)
    images = {_key(image.get("id")): image for image in _dicts(content, "images", list_path)}
    rows = [(place, row) for place, row in enumerate(_dicts(content, "annotations", list_path), 1) if _is_labelled(row)]
    kinds = [_key(row.get("category_id")) for _, row in rows]
    kind = max(set(kinds), key=kinds.count) if kinds else None
    names = next((category.get("keypoints") for category in _dicts(content, "categories", list_path)
                  if category.get("id") == kind), None) if not any("face_kpts" in row for _, row in rows) else None
    named = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    lengths = [len(_numbers(row)) // 3 for _, row in rows]
    count = len(names) if named else max(set(lengths), key=lengths.count, default=wanted or 0)
    faces, problems = [], []
    for place, row in rows:
        if _key(row.get("category_id")) == kind:
            try:
                faces.append(_label(row, images, folder, count, list_path.name, place))
            except ListError as error:
                problems.append(Problem(place, str(error)))
    return Labels(faces, problems, count, tuple(names) if named else None)


def write_coco(list_path, faces, points):
    """Writes a file with one category, `face`, whose keypoints have the points' names."""
    paths = list(dict.fromkeys(face.path for face in faces))
    images = [{"id": i, "file_name": relative_name(path, list_path.parent)} for i, path in enumerate(paths, 1)]
    numbers = {path: i for i, path in enumerate(paths, 1)}
    rows = []
    for i, face in enumerate(faces, 1):
        box, seen = face.bbox, face.visible
        values = [value for (x, y), yes in zip(face.landmark_px.tolist(), seen)
                  for value in ((_short(x), _short(y), _VISIBLE) if yes else (0, 0, 0))]
        rows.append({"id": i, "image_id": numbers[face.path], "category_id": 1, "iscrowd": 0,
                     "bbox": [_short(value) for value in (box.left, box.top, box.width, box.height)],
                     "area": _short(box.width * box.height), "num_keypoints": int(seen.sum()), "keypoints": values})
    category = {"id": 1, "name": "face", "keypoints": list(points.names),
                "skeleton": [[a + 1, b + 1] for line in points.lines for a, b in pairwise(line)]}
    write_text(list_path, json.dumps({"images": images, "annotations": rows, "categories": [category]}) + "\n")


def _short(value):
    return round(float(value), 6)


def _content(list_path):
    try:
        content = parse_json(list_path.read_bytes())
    except OSError as error:
        raise ListError(f"{list_path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ListError(f"{list_path}: no JSON ({error})") from None
    if not isinstance(content, dict):
        raise ListError(f'{list_path}: not COCO\'s: expected {{"images": [...], "annotations": [...]}}')
    return content


def _dicts(content, key, list_path):
    values = content.get(key, [] if key == "categories" else None)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise ListError(f"{list_path}: not COCO's: {key} is no list of objects")
    return values


def _numbers(row):
    """x, y, v ... of a face: COCO-WholeBody's own key, or the usual one; [] where they are no list."""
    values = row.get("face_kpts", row.get("keypoints"))
    return values if isinstance(values, list) else []


def _is_labelled(row):
    flags = _numbers(row)[2::3]
    return not row.get("iscrowd") and any(flag != 0 for flag in flags) and row.get("face_valid", True)


def _label(row, images, folder, count, list_file, line):
    place = f"{list_file}:{line}"
    image = images.get(_key(row.get("image_id")))
    if image is None or not isinstance(image.get("file_name"), str):
        raise ListError(f"{place}: its image_id {row.get('image_id')!r} is none of the images")
    values, box = _numbers(row), row.get("face_box", row.get("bbox"))
    if not _are_numbers(values) or len(values) != 3 * count:
        raise ListError(f"{place}: expected {count} points as x, y, v, found {len(values)} values")
    if box is not None and not (isinstance(box, list) and _are_numbers(box) and len(box) == 4):
        raise ListError(f"{place}: expected bbox as x, y, width, height, found {str(box)[:60]}")
    rows = np.array(values, np.float64).reshape(-1, 3)
    points_px = hidden_as_nan(np.where(rows[:, 2:] == _NOT_LABELLED, np.nan, rows[:, :2]))
    bbox = None if box is None else BBox(*map(float, (box[0], box[1], box[0] + box[2], box[1] + box[3])))
    return Label(picture_path(folder, image["file_name"]), points_px, bbox, list_file, line)


def _are_numbers(values):
    # Whole numbers of any length are JSON; so are Infinity and NaN, as Python reads it.
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST
               for value in values)


def _key(value):
    """What refers to an image or a category; None for what cannot."""
    return value if isinstance(value, (int, str)) else None
