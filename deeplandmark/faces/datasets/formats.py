"""The formats that lists of faces come in, a row each.

A format is one file in this folder and one row in FORMATS, before the last. The file has

    is_FORMAT(path, beginning) -> bool            # by the name and the first bytes of a file; of a folder they are b""
    read_FORMAT(path, folder, wanted) -> Labels   # pictures are named from `folder` on; `wanted` points are asked for
    write_FORMAT(path, faces, points)             # faces : list of Annotation

A reader turns whatever the format has into pixels of the picture, counted from 0. A face that cannot be used is a
`Problem`, whose text names file and line; a file that is not of the format at all is a ListError. Which points and
boxes are made of that is the same for all of them: labels.py.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deeplandmark.faces.datasets.celeba import is_celeba, read_celeba, write_celeba
from deeplandmark.faces.datasets.coco import is_coco, read_coco, write_coco
from deeplandmark.faces.datasets.imglab import is_imglab, read_imglab, write_imglab
from deeplandmark.faces.datasets.picture_list import read_labels, write_labels
from deeplandmark.faces.datasets.pts import is_pts, read_pts, write_pts
from deeplandmark.faces.datasets.table import is_table, read_table, write_table
from deeplandmark.faces.datasets.wflw import is_wflw, read_wflw, write_wflw
from deeplandmark.faces.errors import ListError


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    name, text : str
        What `convert --to` calls it; what it is, for people.
    suffix : str or None
        Of the files that are written so where nothing else is said; "" for a folder.
    is_of, read, write : callables
        See the head of this file.
    """
    name: str
    text: str
    suffix: str | None
    is_of: Callable
    read: Callable
    write: Callable


# The first that a file is of; every other file is a list in the archive's format.
FORMATS = (
    Format("pts", "a folder of .pts files (300W)", "", is_pts, read_pts, write_pts),
    Format("imglab", "dlib's imglab XML", ".xml", is_imglab, read_imglab, write_imglab),
    Format("coco", "COCO's keypoints JSON", ".json", is_coco, read_coco, write_coco),
    Format("csv", "CSV as detect writes it", ".csv", is_table, read_table, write_table),
    Format("wflw", "WFLW's text lists", None, is_wflw, read_wflw, write_wflw),
    Format("celeba", "CelebA's list of landmarks, with that of boxes beside it", None, is_celeba, read_celeba,
           write_celeba),
    Format("list", "the paper's lists", ".txt", lambda path, beginning: True, read_labels, write_labels))


def format_of(path: Path) -> Format:
    """The Format of a file or folder, by what it holds. Raises ListError for one that cannot be read."""
    beginning = b"" if path.is_dir() else _beginning(path)
    return next(row for row in FORMATS if row.is_of(path, beginning))


def format_to_write(path: Path, name: str | None = None) -> Format:
    """The Format of that name, or else of the path's ending. Raises ListError where neither tells."""
    found = [row for row in FORMATS if (row.name == name if name else row.suffix == path.suffix.lower())]
    if not found:
        raise ListError(f"{path}: which format? by its ending .xml, .json, .csv, .txt or none, or --to "
                        f"{', '.join(row.name for row in FORMATS)}")
    return found[0]


def _beginning(path, size=8192):
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise ListError(f"{path}: cannot be read ({error.strerror})") from None
