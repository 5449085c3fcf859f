"""The archive of training pictures: finding it in a folder, unpacking it, checking that it is whole."""

from __future__ import annotations

import lzma
import os
import shutil
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from deeplandmark.faces.datasets.annotation import Problem
from deeplandmark.faces.datasets.read_faces import read_faces
from deeplandmark.faces.errors import ArchiveError, ListError
from deeplandmark.faces.points import FIVE_POINTS, Points
from deeplandmark.work.progress import Progress
from deeplandmark.work.whole_file import WholeFile

TRAIN_LIST, TEST_LIST = "trainImageList.txt", "testImageList.txt"
OFFICIAL_PICTURES = 13466  # 10,000 in the training list, 3,466 in the validation list (paper, Sec. 5)


@dataclass(frozen=True)
class Archive:
    """A folder that holds both lists, and the pictures they name below it."""
    folder: Path

    @property
    def train_list(self) -> Path:
        return self.folder / TRAIN_LIST

    @property
    def test_list(self) -> Path:
        return self.folder / TEST_LIST


@dataclass(frozen=True)
class Completeness:
    """What `check_archive` found."""
    named: int                   # different pictures named by the lists
    missing: tuple[Path, ...]    # Paths of those that are not there
    problems: tuple[Problem, ...] = ()     # bad lines of the lists

    def __str__(self) -> str:
        if not self.missing:
            return f"all {self.named} pictures are there"
        return f"{len(self.missing)} of {self.named} pictures are missing, the first: {self.missing[0]}"


def open_archive(path: str | os.PathLike, unpack_to: str | os.PathLike | None = None) -> Archive:
    """The `Archive` at `path`: a folder with trainImageList.txt and testImageList.txt, in itself or one level below, or
    a .zip of such a folder, which is unpacked into the folder `unpack_to` (default: beside the zip, under its name).

    Raises ArchiveError when there is none, or when the zip is damaged or unsafe. Whether every picture is there is
    `check_archive`'s question.
    """
    path = Path(path)
    if path.is_dir():
        return Archive(_folder_with_lists(path))
    if not path.exists():
        raise ArchiveError(f"{path}: no such folder or zip")
    unpack_to = path.with_suffix("") if unpack_to is None else Path(unpack_to)
    unpack(path, unpack_to)
    return Archive(_folder_with_lists(unpack_to))


# What zipfile and the ways of packing raise for a damaged zip.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, EOFError, RuntimeError, ValueError,
            LookupError, OverflowError, struct.error)


def check_archive(archive: Archive, pictures: int | None = None, points: Points = FIVE_POINTS) -> Completeness:
    """A `Completeness`: how many different pictures the lists name, and which are not there.

    Raises ArchiveError when a list cannot be read or has too many bad lines and, with `pictures` (e.g.
    OFFICIAL_PICTURES), unless exactly so many are named and all are there. `points` are those that a line holds.
    """
    named: set[Path] = set()
    problems: list[Problem] = []
    for list_path in (archive.train_list, archive.test_list):
        faces, bad = _read(list_path, points)
        named.update(face.path for face in faces)
        problems += bad
    missing = tuple(sorted(path for path in named if not path.is_file()))
    found = Completeness(len(named), missing, tuple(problems))
    if pictures is not None and (found.missing or found.named != pictures):
        raise ArchiveError(f"{archive.folder}: expected {pictures} pictures; {found}")
    return found


def unpack(zip_path: str | os.PathLike, folder: str | os.PathLike) -> None:
    """Unpacks a zip into `folder`. Files already there with the right size are kept, so a killed run goes on; each file
    appears under its name only when whole. Raises ArchiveError for a damaged zip (every file's CRC is checked as it is
    read) and, before anything is written, for a name that would land outside the folder."""
    zip_path, folder = Path(zip_path), Path(folder)
    try:
        with zipfile.ZipFile(zip_path) as archive:
            members = [(info, folder / _safe_name(info, zip_path)) for info in archive.infolist() if not info.is_dir()]
            _check_room(members, zip_path, folder)
            for info, target in Progress("files", len(members), f"unpacking {zip_path.name}").over(members):
                if not (target.is_file() and target.stat().st_size == info.file_size):
                    _unpack_one(archive, info, target)
    except _DAMAGED as error:
        raise ArchiveError(f"{zip_path}: the zip is damaged or of an unknown kind ({error})") from None
    except OSError as error:
        raise ArchiveError(f"{zip_path}: cannot be unpacked into {folder} ({error})") from None


def _check_room(members, zip_path, folder):
    """A small zip may hold more than there is room for."""
    needed = sum(info.file_size for info, _ in members)
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if needed > (free := shutil.disk_usage(there).free):
        raise ArchiveError(f"{zip_path}: its files take {needed:,} bytes, {folder} has room for {free:,}")


def unpacked(path: str | os.PathLike, below: str | os.PathLike = "dataset") -> Path:
    """The path itself or, of a .zip, the folder of its name below `below`, where it is unpacked. Raises ArchiveError
    when there is nothing of that name, and as `unpack`."""
    path = Path(path)
    if not path.exists():
        raise ArchiveError(f"{path}: no such file, folder or zip")
    if path.suffix.lower() != ".zip":
        return path
    unpack(path, Path(below, path.stem))
    return Path(below, path.stem)


def _unpack_one(archive, info, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(info) as source, WholeFile(target, durable=False) as temporary, open(temporary, "wb") as copy:
        shutil.copyfileobj(source, copy)


def _safe_name(info, zip_path):
    name = info.filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or ":" in parts[0]:
        raise ArchiveError(f"{zip_path}: refuses to unpack {info.filename!r}, which leads out of the folder")
    return PurePosixPath(name)


def _folder_with_lists(folder):
    below = sorted(child for child in folder.iterdir() if child.is_dir()) if folder.is_dir() else []    # an empty zip's
    for candidate in [folder, *below]:
        if (candidate / TRAIN_LIST).is_file() and (candidate / TEST_LIST).is_file():
            return candidate
    raise ArchiveError(f"{folder}: neither it nor a folder in it holds {TRAIN_LIST} and {TEST_LIST}")


def _read(list_path, points):
    try:
        return read_faces(list_path, points)
    except ListError as error:
        raise ArchiveError(str(error)) from None
