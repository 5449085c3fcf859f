"""Labelled faces in any format in the place of the archive: the lists for training and for measuring made of them."""
from __future__ import annotations

import os
import re
from pathlib import Path

from deeplandmark.faces.datasets.annotation import Annotation, Problem
from deeplandmark.faces.datasets.archive import TEST_LIST, TRAIN_LIST, Archive, open_archive
from deeplandmark.faces.datasets.formats import FORMATS, format_of
from deeplandmark.faces.datasets.held_back import is_held_back
from deeplandmark.faces.datasets.picture_list import write_labels
from deeplandmark.faces.datasets.plausible import check_plausible
from deeplandmark.faces.datasets.pts import SUFFIX
from deeplandmark.faces.datasets.read_faces import read_faces
from deeplandmark.faces.errors import ArchiveError
from deeplandmark.faces.points import Points

_TRAIN, _TEST = re.compile("train(?:ing)?", re.IGNORECASE), re.compile("test(?:ing)?|val(?:idation)?", re.IGNORECASE)
_SUFFIXES = (".xml", ".json", ".csv", ".txt")


def write_lists(path: str | os.PathLike, points: Points, out: str | os.PathLike) -> tuple[Archive, list[Problem]]:
    """An archive of lists made of labels in other formats, pictures staying where they are.

    Two lists are taken as they are, one named after training and one after testing or validation (labels_train.xml,
    labels_test.xml). Of a single one, every tenth picture is for measuring.

    Parameters
    ----------
    path : path
        A list, a folder of .pts files, or a folder that holds one or two lists.
    points : Points
    out : path
        Folder that gets trainImageList.txt and testImageList.txt.

    Returns
    -------
    (Archive, list of Problem)

    Raises
    ------
    ArchiveError
        If a folder holds no list, or several of which it cannot be told which is which.
    ListError
        If a list cannot be read, or cannot be right (see `check_plausible`).
    """
    train, test = lists_at(path)
    faces, problems = read_faces(train, points)
    check_plausible(faces, points, train)
    if test is None:
        faces, tested = _without_a_tenth(faces)
    else:
        tested, more = read_faces(test, points)
        check_plausible(tested, points, test)
        problems = [*problems, *more]
    if not tested:
        raise ArchiveError(f"{path}: {len(faces)} faces are too few to hold a tenth of the pictures back for measuring")
    archive = Archive(Path(out))
    archive.folder.mkdir(parents=True, exist_ok=True)
    write_labels(archive.train_list, faces, points)
    write_labels(archive.test_list, tested, points)
    return archive, problems


def add_faces(list_file: str | os.PathLike, faces: list[Annotation], points: Points) -> None:
    """Further faces at the end of a list that `write_lists` wrote."""
    write_labels(Path(list_file), [*read_faces(list_file, points)[0], *faces], points)


def is_own(path: str | os.PathLike) -> bool:
    """Whether a path is labels of another kind than the archive's folder or zip of both lists."""
    path = Path(path)
    if path.is_dir():
        folders = [path, *(child for child in path.iterdir() if child.is_dir())]
        return not any((folder / TRAIN_LIST).is_file() and (folder / TEST_LIST).is_file() for folder in folders)
    return path.is_file() and path.suffix.lower() != ".zip"


def training_list(path: str | os.PathLike, unpack_to: str | os.PathLike | None = None) -> Path:
    """The list to train on: the archive's (see `open_archive`), or one in any other format."""
    return lists_at(path)[0] if is_own(path) else open_archive(path, unpack_to).train_list


def measuring_list(path: str | os.PathLike) -> Path:
    """The list to measure on: the archive's, that of a pair in any other format, or a single one as it is."""
    if not is_own(path):
        return open_archive(path).test_list
    train, test = lists_at(path)
    return test or train


def lists_at(path: str | os.PathLike) -> tuple[Path, Path | None]:
    """(list to train on, list to measure on or None) of a list or a folder. Raises ArchiveError for a folder without or
    with several."""
    path = Path(path)
    if not path.is_dir():
        partner = [path.with_name(_TRAIN.sub(word, path.name)) for word in ("test", "val", "valid", "validation")]
        return path, next((other for other in partner if other != path and other.is_file()), None)
    found = [file for file in sorted(path.iterdir()) if _is_list(file)]
    if not found and any(path.rglob(f"*{SUFFIX}")):
        return path, None
    train = [file for file in found if _TRAIN.search(file.name)]
    test = [file for file in found if _TEST.search(file.name) and file not in train]
    if len(found) == 1:
        return found[0], None
    if len(train) == len(test) == 1:
        return train[0], test[0]
    names = ", ".join(file.name for file in found[:6])
    kinds = "; ".join(row.text for row in FORMATS)
    raise ArchiveError(f"{path}: neither {TRAIN_LIST} and {TEST_LIST}, nor one list of faces, nor one for training and "
                       f"one for testing by their names ({kinds}); found {names or 'none'}")


def _is_list(file):
    return (file.is_file() and file.suffix.lower() in _SUFFIXES
            and (format_of(file) is not FORMATS[-1] or file.name.endswith("ImageList.txt")))


def _without_a_tenth(faces: list[Annotation]) -> tuple[list[Annotation], list[Annotation]]:
    """The faces of nine tenths of the pictures, and those of every tenth."""
    places: dict[Path, int] = {}
    for face in faces:
        places.setdefault(face.path, len(places))
    chosen = [is_held_back(places[face.path]) for face in faces]
    return [face for face, yes in zip(faces, chosen) if not yes], [face for face, yes in zip(faces, chosen) if yes]
