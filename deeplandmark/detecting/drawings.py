"""Where drawn pictures go, and drawing them."""

import os
from pathlib import Path

from deeplandmark.detecting.sources import VIDEO_SUFFIXES, common_folder
from deeplandmark.faces.draw import draw_faces
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.picture import write_picture

# Kinds of picture that are written as what they were; others become .png.
_KEPT_SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"])


class Drawings:
    """The folder of the drawn pictures: each has the path below it that it had below the folder of all that was named.

    Raises FacesError when drawing would overwrite the pictures themselves.
    """

    def __init__(self, folder, names):
        self.folder = Path(folder)
        self._base = common_folder(names) if names else os.getcwd()
        if self.folder.resolve() == Path(self._base).resolve() and names:
            raise FacesError(f"{folder} is where the pictures lie: the drawn ones need another folder")
        if self.folder.exists() and not self.folder.is_dir():
            raise FacesError(f"{folder} is no folder")

    def path_of(self, path):
        """Where the drawn picture or video of `path` goes."""
        target = self.folder / os.path.relpath(os.path.abspath(path), self._base)
        suffix = target.suffix.lower()
        if suffix in VIDEO_SUFFIXES:
            return target.with_name(target.name + ".mp4" * (suffix != ".mp4"))
        return target if suffix in _KEPT_SUFFIXES else target.with_name(target.name + ".png")

    def draw(self, located):
        """Draws and writes a `Located` picture."""
        target = self.path_of(located.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_picture(target, draw_faces(located.image, located.points, located.boxes))
