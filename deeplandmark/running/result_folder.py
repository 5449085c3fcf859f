"""Where the pictures go that a run writes."""

import os
from pathlib import Path

from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.picture import write_picture
from deeplandmark.running.sources import VIDEO_SUFFIXES, common_folder

# Kinds of picture that are written as what they were; others become .png.
_KEPT_SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"])


class ResultFolder:
    """Where the results of pictures go: two pictures of one name in two folders stay apart.

    What is made of a picture has the path below this folder that the picture has below the folder of everything that
    was named.

    Parameters
    ----------
    folder : path
    names : list of str
        What the user named: files, folders, globs.

    Raises
    ------
    FacesError
        When results would overwrite the pictures themselves, or `folder` is no folder.
    """

    def __init__(self, folder, names):
        self.folder = Path(folder)
        self._base = common_folder(names) if names else os.getcwd()
        if names and self.folder.resolve() == Path(self._base).resolve():
            raise FacesError(f"{folder} is where the pictures lie: results need another folder")
        if self.folder.exists() and not self.folder.is_dir():
            raise FacesError(f"{folder} is no folder")

    def path_of(self, path):
        """Where (Path) the result of the picture or video `path` goes.

        A picture keeps its suffix where it is a usual one, otherwise .png is added; a video becomes .mp4.
        """
        target = self.folder / os.path.relpath(os.path.abspath(path), self._base)
        suffix = target.suffix.lower()
        if suffix in VIDEO_SUFFIXES:
            return target if suffix == ".mp4" else target.with_name(target.name + ".mp4")
        return target if suffix in _KEPT_SUFFIXES else target.with_name(target.name + ".png")

    def numbered(self, path, number):
        """The Path of one of several results: a.jpg gives a_1.jpg, a_2.jpg ..."""
        target = self.path_of(path)
        return target.with_name(f"{target.stem}_{number}{target.suffix}")

    @staticmethod
    def write(target, image):
        """Writes a picture, uint8 (h, w) or (h, w, 3) blue green red, and makes the folder it lies in.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        write_picture(target, image)
