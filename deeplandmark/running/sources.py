"""What a user names on the command line, as pictures and videos: files, folders, globs."""

import glob
import os
import re
from dataclasses import dataclass

PICTURE_SUFFIXES = frozenset(".jpg .jpeg .jpe .png .webp .bmp .dib .tif .tiff .pgm .ppm .pnm .pbm .jp2".split())
VIDEO_SUFFIXES = frozenset(".mp4 .m4v .avi .mov .mkv .webm .mpg .mpeg .wmv .flv .ogv .3gp".split())


@dataclass(frozen=True)
class Source:
    """A file to look at: its path, or what is wrong with a name (`problem`, a str)."""
    path: str
    problem: str = None

    @property
    def is_video(self):
        """Whether (bool) its suffix is that of a video."""
        return os.path.splitext(self.path)[1].lower() in VIDEO_SUFFIXES


def sources(names, leave_out=None):
    """Every Source that the names (list of str) stand for, one by one, in order.

    What several of them stand for comes once. A folder stands for the pictures in it and below it, by their suffix,
    sorted; the folder `leave_out`, where results go, is not entered. A name with * ? [ that is no file is a glob (**
    goes through folders). A file that is named is taken whatever its suffix. Nothing is opened. Held in memory are the
    names of one folder at a time, the matches of one glob, and a hash of every path.
    """
    seen = set()  # hashes: a million paths would take ten times the memory
    for source in _named(names, leave_out):
        key = hash(os.path.abspath(source.path))
        if key not in seen:
            seen.add(key)
            yield source


def _named(names, leave_out):
    for name in names:
        matches = sorted(glob.glob(name, recursive=True)) if is_glob(name) else [name]
        if not matches:
            yield Source(name, f"{name}: no file matches")
        for match in matches:
            yield from _below(match, leave_out) if os.path.isdir(match) else [_file(match)]


def common_folder(names):
    """The absolute path (str) of the folder that all names lie in, the fixed part of a glob.

    Results of picture P go to P's path relative to it, so that two pictures of one name in two folders stay apart.
    """
    parts = [re.split(r"[*?[]", name)[0] if is_glob(name) else name for name in names]
    folders = [part if os.path.isdir(part) else os.path.dirname(part) for part in parts]
    return os.path.commonpath([os.path.abspath(folder) for folder in folders])


def is_glob(name):
    """Whether (bool) a name with * ? [ stands for the files that match it, as there is none of that very name."""
    return glob.has_magic(name) and not os.path.lexists(name)


def _file(path):
    return Source(path) if os.path.isfile(path) else Source(path, f"{path}: no such picture")


def _below(folder, leave_out):
    found = False
    for path in _walk(folder, None if leave_out is None else os.path.abspath(leave_out)):
        found = True
        yield Source(path)
    if not found:
        yield Source(folder, f"{folder}: no pictures in this folder")


def _walk(folder, leave_out):
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if os.path.abspath(os.path.join(parent, name)) != leave_out)
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES and not name.startswith("."):
                yield os.path.join(parent, name)
