"""What a file of labelled faces says, in its own terms, and the same as the points and boxes that are asked for."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deeplandmark.faces.box import BBox, usable
from deeplandmark.faces.box_of_points import boxes_of_points, completed
from deeplandmark.faces.datasets.annotation import Annotation, Problem, box_text
from deeplandmark.faces.errors import ListError, OtherPointsError
from deeplandmark.faces.head_pose import axes_of_points
from deeplandmark.faces.points import FIVE_POINTS, HEAD_AXES, IBUG_68, SETS, Points

_FARTHEST = 1e6         # pixels: what is farther off is a slip
NOT_VISIBLE = -1.0      # both coordinates of such a point, in formats that have no word for it


@dataclass(frozen=True)
class Label:
    """One face, as its file has it.

    Attributes
    ----------
    path : Path
        Of the picture.
    points_px : float64 (k, 2)
        x, y; (0, 0) is the middle of the first pixel. NaN where not visible.
    box : BBox or None
    list_file : str
        For messages, with `line`, which counts from 1.
    line : int
    """
    path: Path
    points_px: np.ndarray
    box: BBox | None
    list_file: str
    line: int


@dataclass(frozen=True)
class Labels:
    """All faces of a file, and what is bad in it.

    Attributes
    ----------
    faces : iterable of Label
        To be gone through once: a list, or, where a file has a face a line, what reads them one by one.
    problems : list of Problem
        Of lines read so far.
    count : int
        Points of a face.
    names : tuple of str or None
        Of the points, where the file tells.
    box_of : callable (BBox) -> BBox, or None
        Makes the cascade's kind of box of the file's own; None where that kind is unknown, and boxes are made of the
        points if they say where the usual five are.
    """
    faces: Iterable[Label]
    problems: list[Problem]
    count: int
    names: tuple[str, ...] | None = None
    box_of: Callable | None = None

    @property
    def points(self) -> Points:
        """The set that the file's points seem to be: one of SETS by their names or number, or else one of its own."""
        found = [points for points in SETS.values() if len(points) == self.count]
        if self.names is None or found and _places(self.names, found[0]):
            return found[0] if found else _unnamed(tuple(f"p{i + 1}" for i in range(self.count)))
        return _unnamed(self.names)


def as_annotations(labels: Labels, points: Points, path: str | os.PathLike, boxes: str = "") -> Iterator[Annotation]:
    """The faces of a file, one by one, with the points of a set and the cascade's kind of box; what cannot be used is
    added to `labels.problems`.

    Parameters
    ----------
    labels : Labels
    points : Points
    path
        Of the file, for messages.
    boxes : "", "file" or "points"
        Boxes as the format's own kind says; those of the file as they are; or made of the points.

    Raises
    ------
    ListError
        If the file holds other points.
    """
    asked, source = None, labels.points
    for label in labels.faces:
        asked = asked or _chooser(labels, points, path)
        place = f"{label.list_file}:{label.line}"
        try:
            chosen = asked(label.points_px)
            if not np.isfinite(chosen).all(axis=1).any():
                raise ListError(f"{place}: no point is visible")
            if (np.abs(label.points_px) > _FARTHEST).any():
                raise ListError(f"{place}: a landmark lies more than a million pixels away")
            box = _box(label, labels, source, boxes)
            if not usable(box.as_array())[0]:
                far = "" if not box.has_area else ", as good as: less than a pixel, or a million pixels away"
                raise ListError(f"{place}: {box_text(box)} has no area{far}")
            yield Annotation(label.path, box, chosen, label.list_file, label.line)
        except ListError as error:
            labels.problems.append(Problem(label.line, str(error)))


def as_it_is(box: BBox) -> BBox:
    """The `box_of` of formats whose boxes are the cascade's kind, or any kind that somebody has chosen."""
    return box


def hidden_as_nan(points_px: np.ndarray) -> np.ndarray:
    """Points (..., 2), float64, with NaN where one is marked as not visible: both coordinates -1, or either NaN."""
    points_px = np.array(points_px, np.float64)
    points_px[(points_px == NOT_VISIBLE).all(axis=-1) | np.isnan(points_px).any(axis=-1)] = np.nan
    return points_px


def hidden_as_number(points_px: np.ndarray) -> np.ndarray:
    """The opposite of `hidden_as_nan`."""
    return np.where(np.isnan(points_px), NOT_VISIBLE, points_px)


def picture_path(folder: Path, name: str) -> Path:
    """The path of a picture that a file names, with slashes of either kind."""
    return folder / name.replace("\\", "/")


def _chooser(labels, points, path):
    """What takes the file's points (count, 2) to those asked for."""
    places = None if labels.names is None else _places(labels.names, points)
    if places:
        return lambda points_px: points_px[places]
    if labels.names is None and labels.count == len(points):
        return lambda points_px: points_px
    source = labels.points
    if points == FIVE_POINTS and source.five:
        return source.to_five
    if points == HEAD_AXES and source == IBUG_68:
        return axes_of_points
    named = "" if labels.names is None else f" ({_shortly(labels.names)})"
    raise OtherPointsError(f"{path}: its faces have {labels.count} points{named}, {len(points)} are asked for "
                           f"({_shortly(points.names)})")


def _places(names, points):
    """Where the points of a set are among some names: by their names, or else by their titles; [] if not all are."""
    known = {_plain(name): i for i, name in enumerate(names)}
    for wanted in (points.names, points.shown):
        places = [known.get(_plain(name)) for name in wanted]
        if None not in places:
            return places
    return []


def _plain(name):
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _shortly(names):
    return " ".join(names if len(names) < 7 else (*names[:3], "...", names[-1]))


def _unnamed(names):
    return Points(names, tuple(range(len(names))))


def _box(label, labels, source, boxes):
    given = label.box
    if given is not None and (boxes == "file" or not boxes and labels.box_of):
        return given if boxes else labels.box_of(given)
    if source.five:
        try:
            return BBox(*boxes_of_points(completed(source.to_five(label.points_px))[None])[0].tolist())
        except ValueError:                                       # fewer than two of the five are visible
            pass
    if boxes == "points" or given is None:
        seen = label.points_px[np.isfinite(label.points_px).all(axis=1)]
        return BBox(*boxes_of_points(seen[None])[0].tolist())
    return given
