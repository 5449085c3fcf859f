"""The archive's picture lists: one face a line, `folder\\name.jpg left right top bottom x1 y1 ... xk yk`, in pixels."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deeplandmark.faces.box import BBox
from deeplandmark.faces.errors import ListError, PictureError
from deeplandmark.faces.picture import read_colour, read_grey
from deeplandmark.work.whole_file import write_text

# A path may hold blanks; it ends with the suffix of a picture.
_PATH = re.compile(r"^(.*?\.(?:jpe?g|png|bmp|webp|tiff?|p[gpn]m))(?=\s|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Annotation:
    """One face of a list."""
    path: Path               # of the picture
    bbox: BBox
    landmark_px: np.ndarray  # (k, 2) float64: x, y
    list_file: str           # name of the list, for messages
    line: int                # in the list, from 1


@dataclass(frozen=True)
class Problem:
    """A line of a list that cannot be used, and why."""
    line: int
    text: str

    def __str__(self):
        return self.text


def read_list(list_path, points=5, problems=None, folder=None):
    """All faces of a list, in its order: a list of `Annotation`.

    `points` is the number of landmarks a line holds. Pictures are looked for in `folder`, by default the folder of
    the list; nothing is opened here (see `check_picture`). A bad line is appended to the list `problems` as a
    `Problem` and skipped; without `problems` it raises ListError, as does a list that cannot be read.
    """
    list_path = Path(list_path)
    folder = list_path.parent if folder is None else Path(folder)
    annotations = []
    for number, line in enumerate(_lines(list_path), 1):
        if not line.strip():
            continue
        try:
            annotations.append(_parse(line.strip(), points, folder, list_path.name, number))
        except ListError as error:
            if problems is None:
                raise
            problems.append(Problem(number, str(error)))
    return annotations


def is_held_back(index):
    """Whether the face at this place of a training list, counted from 0, is one of the tenth that no network is trained
    on: it tests the networks while they train, and serves for choices and fits."""
    return index % 10 == 9


def held_back(faces):
    """Those of the faces of a training list that no network is trained on, in their order."""
    return [face for index, face in enumerate(faces) if is_held_back(index)]


def training_part(faces):
    """Those of the faces of a training list that networks are trained on, in their order."""
    return [face for index, face in enumerate(faces) if not is_held_back(index)]


def write_list(list_path, annotations):
    """Writes `annotations` as the archive does: backslashes, CRLF, `left right top bottom`, box in whole pixels.
    Paths become relative to the list's folder. Raises ListError for a path outside it."""
    folder = Path(list_path).parent
    text = "".join(_format(annotation, folder) + "\r\n" for annotation in annotations)
    write_text(list_path, text)


def read_face(annotation, channels=1):
    """The picture of one face, uint8 (h, w), or (h, w, 3), blue green red, for 3 channels. Raises PictureError, naming
    the list's line, for a picture that is missing, cut short or none at all, and for a box entirely outside it."""
    place = f"{annotation.list_file}:{annotation.line}"
    try:
        image = read_grey(annotation.path) if channels == 1 else read_colour(annotation.path)
    except PictureError as error:
        raise PictureError(f"{place}: {error}") from None
    height, width = image.shape[:2]
    if not annotation.bbox.overlaps(width, height):
        box = _box_text(annotation.bbox)
        raise PictureError(f"{place}: {box} lies outside the picture of {width} x {height} pixels")
    return image


def check_picture(annotation):
    """None when `read_face` can read the face, else the `Problem`."""
    try:
        read_face(annotation)
    except PictureError as error:
        return Problem(annotation.line, str(error))
    return None


def too_many_bad(problems, total, most=0.01):
    """Raises ListError when more than the fraction `most` of `total` lines have problems."""
    if total == 0:
        raise ListError("the list holds no faces")
    if len(problems) > most * total:
        found = f"{len(problems)} of {total} lines are bad (at most {most:.0%} may be)"
        raise ListError(f"{found}; the first: {problems[0]}")


def _lines(list_path):
    try:
        return list_path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    except OSError as error:
        raise ListError(f"{list_path}: cannot be read ({error.strerror})") from None


def _parse(line, points, folder, list_file, number):
    place = f"{list_file}:{number}"
    match = _PATH.match(line)
    name = match[1] if match else line.split()[0]
    fields = line[len(name):].split()
    if len(fields) != 4 + 2 * points:
        expected = f"path + 4 box + {2 * points} landmark numbers"
        raise ListError(f"{place}: expected {expected}, found {1 + len(fields)} fields")
    numbers = _numbers(fields, place)
    bbox = BBox.from_left_right_top_bottom(*numbers[:4])
    if not bbox.has_area:
        raise ListError(f"{place}: {_box_text(bbox)} has no area (the order is left right top bottom)")
    landmark_px = numbers[4:].reshape(points, 2)
    if not np.isfinite(landmark_px).all():
        raise ListError(f"{place}: a landmark is not finite: {' '.join(fields[4:])}")
    return Annotation(folder / name.replace("\\", "/"), bbox, landmark_px, list_file, number)


def _numbers(fields, place):
    for field in fields:
        try:
            float(field)
        except ValueError:
            raise ListError(f"{place}: {field!r} is not a number") from None
    return np.array(fields, dtype=np.float64)


def _format(annotation, folder):
    try:
        name = annotation.path.relative_to(folder)
    except ValueError:
        raise ListError(f"{annotation.path} does not lie below the list's folder {folder}") from None
    box = annotation.bbox
    edges = (box.left, box.right, box.top, box.bottom)
    numbers = [f"{round(edge):d}" for edge in edges] + [f"{value:f}" for value in annotation.landmark_px.ravel()]
    return " ".join([str(name).replace("/", "\\"), *numbers])


def _box_text(bbox):
    return f"box left {bbox.left:g} right {bbox.right:g} top {bbox.top:g} bottom {bbox.bottom:g}"
