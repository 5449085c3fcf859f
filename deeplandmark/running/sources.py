"""What a user names on the command line, as pictures and videos: files, folders, globs."""

import glob
import os
import re
from collections import Counter
from dataclasses import dataclass

from deeplandmark.faces.picture import PICTURE_SUFFIXES

VIDEO_SUFFIXES = frozenset(".mp4 .m4v .avi .mov .mkv .webm .mpg .mpeg .wmv .flv .ogv .3gp .ts .mts .m2ts".split())
# Pictures of kinds that OpenCV does not read.
_OTHER_SUFFIXES = frozenset(".heic .heif .jxl .psd .svg .raw .dng .cr2 .cr3 .nef .arw .orf .raf .rw2".split())
_LINKS = "linked folders"


@dataclass(frozen=True)
class Source:
    """A file to look at: its path, or what is wrong with a name (`problem`, a str)."""
    path: str
    problem: str = None

    @property
    def is_video(self):
        """Whether (bool) its suffix is that of a video."""
        return os.path.splitext(self.path)[1].lower() in VIDEO_SUFFIXES


def sources(names, leave_out=None, passed_over=None):
    """Every Source that the names (list of str) stand for, one by one, in order.

    What several of them stand for comes once. A folder stands for the pictures in it and below it, by their suffix,
    sorted; the folder `leave_out`, where results go, is not entered. A name with * ? [ that is no file is a glob (**
    goes through folders). A file that is named is taken whatever its suffix. Nothing is opened. Held in memory are the
    names of one folder at a time, the matches of one glob, and a hash of every path. `passed_over`, a Counter, gets the
    suffixes of pictures and videos that were found in folders and left out, see `passed_over_text`.
    """
    passed_over = Counter() if passed_over is None else passed_over
    seen = set()  # hashes: a million paths would take ten times the memory
    for source in _named(names, leave_out, passed_over):
        key = hash(os.path.abspath(source.path))
        if key not in seen:
            seen.add(key)
            yield source


def passed_over_text(passed_over):
    """A line (str) about what folders held besides, by a Counter that `sources` has filled; None where there is
    nothing to say."""
    videos = sum(count for kind, count in passed_over.items() if kind in VIDEO_SUFFIXES)
    parts = [f"{count} {kind} (OpenCV does not read it: convert to .jpg or .png)"
             for kind, count in sorted(passed_over.items()) if kind in _OTHER_SUFFIXES]
    parts += [f"{videos} {'video' if videos == 1 else 'videos'} (to be named one by one)"] if videos else []
    links = passed_over[_LINKS]
    parts += [f"{links} linked {'folder' if links == 1 else 'folders'} (to be named itself)"] if links else []
    return f"passed over in folders: {', '.join(parts)}" if parts else None


def _named(names, leave_out, passed_over):
    for name in names:
        matches = sorted(glob.glob(name, recursive=True)) if is_glob(name) else [name]
        if not matches:
            yield Source(name, f"{name}: no file matches")
        for match in matches:
            yield from _below(match, leave_out, passed_over) if os.path.isdir(match) else [_file(match)]


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
    if os.path.isfile(path):
        return Source(path)
    return Source(path, f"{path}: {'no file but a pipe or a device' if os.path.exists(path) else 'no such picture'}")


def _below(folder, leave_out, passed_over):
    found = False
    for path in _walk(folder, None if leave_out is None else os.path.abspath(leave_out), passed_over):
        found = True
        yield Source(path)
    if not found:
        yield Source(folder, f"{folder}: no pictures in this folder")


def _walk(folder, leave_out, passed_over):
    for parent, folders, files in os.walk(folder):
        passed_over[_LINKS] += sum(os.path.islink(os.path.join(parent, name)) for name in folders)
        folders[:] = sorted(name for name in folders if os.path.abspath(os.path.join(parent, name)) != leave_out)
        for name in sorted(files):
            suffix = os.path.splitext(name)[1].lower()
            if name.startswith("."):
                continue
            if suffix in PICTURE_SUFFIXES:
                yield os.path.join(parent, name)
            elif suffix in VIDEO_SUFFIXES or suffix in _OTHER_SUFFIXES:
                passed_over[suffix] += 1
