"""CelebA's lists: `list_landmarks_celeba.txt` with the usual five points, `list_bbox_celeba.txt` beside it with boxes.

    202599                                                      202599
    lefteye_x lefteye_y righteye_x righteye_y nose_x ...        image_id x_1 y_1 width height
    000001.jpg  165 184 244 176 196 249 194 271 266 260         000001.jpg  95 71 226 313

The list of boxes may be missing, as it is for the aligned pictures.
"""
from __future__ import annotations

from deeplandmark.faces.box import BBox
from deeplandmark.faces.datasets.annotation import Problem
from deeplandmark.faces.datasets.labels import Label, Labels, hidden_as_nan, hidden_as_number, picture_path
from deeplandmark.faces.datasets.text_lines import finite, lines_of, numbers_of
from deeplandmark.faces.datasets.written import number, relative_name
from deeplandmark.faces.errors import ListError
from deeplandmark.faces.points import FIVE_POINTS
from deeplandmark.work.whole_file import write_text

_LANDMARKS = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
_BOXES = "image_id x_1 y_1 width height"


def is_celeba(path, beginning):
    """Whether the first line is a number and the second has the names of the columns."""
    first, _, rest = beginning.partition(b"\n")
    return first.strip().isdigit() and rest.split()[:1] in ([b"lefteye_x"], [b"image_id"])


def read_celeba(list_path, folder, wanted):
    """The Labels of a list of landmarks, with the boxes of the list beside it."""
    rows, problems = _rows(list_path, _LANDMARKS)
    boxes_path = boxes_beside(list_path)
    boxes = {}
    if boxes_path != list_path and boxes_path.is_file():
        found, bad = _rows(boxes_path, _BOXES)
        boxes = {name: BBox(x, y, x + width, y + height) for name, _, (x, y, width, height) in found}
        problems += bad
    faces = [Label(picture_path(folder, name), hidden_as_nan(values.reshape(-1, 2)), boxes.get(name), list_path.name,
                   place) for name, place, values in rows]
    return Labels(faces, problems, len(FIVE_POINTS))


def write_celeba(list_path, faces, points):
    """Writes both lists. Raises ListError for other points than the five, or where the name says no second one."""
    boxes_path = boxes_beside(list_path)
    if points != FIVE_POINTS:
        raise ListError(f"{list_path}: CelebA's lists hold the usual five points, the faces have {len(points)} others")
    if boxes_path == list_path:
        raise ListError(f"{list_path}: expected landmarks in its name, as in list_landmarks_celeba.txt: the boxes go "
                        "into list_bbox_celeba.txt")
    names = [relative_name(face.path, list_path.parent) for face in faces]
    for name in names:
        if len(name.split()) > 1:
            raise ListError(f"{list_path}: CelebA's lists have no place for the blank in {name!r}")
    for path, head, values in (
            (list_path, _LANDMARKS, (hidden_as_number(face.landmark_px).ravel() for face in faces)),
            (boxes_path, _BOXES, ((box.left, box.top, box.width, box.height) for box in (f.bbox for f in faces)))):
        rows = "".join(f"{name} {' '.join(map(number, row))}\n" for name, row in zip(names, values))
        write_text(path, f"{len(names)}\n{head}\n{rows}")


def boxes_beside(list_path):
    """The path of the list of boxes that belongs to one of landmarks."""
    return list_path.with_name(list_path.name.replace("landmarks_align", "bbox").replace("landmarks", "bbox"))


def _rows(list_path, head):
    """[(picture, line, values)] and the Problems of one of the two lists."""
    lines = list(lines_of(list_path))
    titles = lines[1][1] if len(lines) > 1 else ""
    if titles.split() != head.split():
        raise ListError(f"{list_path}:2: expected {head}, found {titles[:80]}")
    found, problems, most = [], [], len(head.split()) - head.startswith("image_id")
    for place, line in lines[2:]:
        name, *words = line.split()
        try:
            if len(words) != most:
                raise ListError(f"{list_path.name}:{place}: expected a picture and {most} numbers, found "
                                f"{1 + len(words)} fields")
            found.append((name, place, finite(numbers_of(words, f"{list_path.name}:{place}"),
                                              f"{list_path.name}:{place}")))
        except ListError as error:
            problems.append(Problem(place, str(error)))
    return found, problems
