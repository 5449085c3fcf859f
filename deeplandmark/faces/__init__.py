"""Faces without networks: boxes, picture lists, archives, augmentation, drawing, synthetic faces (numpy and cv2)."""
from importlib import import_module
from typing import TYPE_CHECKING

__all__ = ["FACE_88", "FIVE_POINTS", "IBUG_68", "Annotation", "Archive", "ArchiveError", "BBox", "FacesError",
           "ListError", "PictureError", "Points", "Problem", "check_archive", "check_picture", "download", "mirror",
           "open_archive", "read_colour", "read_face", "read_faces", "read_grey", "read_list", "similarity",
           "too_many_bad", "write_list"]

# Where each name is: who finds points in a picture need not wait for what reads lists and fetches archives.
_PLACES = {
    **dict.fromkeys(("mirror", "similarity"), "augment"), "BBox": "box",
    **dict.fromkeys(("Annotation", "Problem", "check_picture", "read_face"), "datasets.annotation"),
    **dict.fromkeys(("Archive", "check_archive", "open_archive"), "datasets.archive"),
    "too_many_bad": "datasets.bad_lines", "download": "datasets.download", "read_faces": "datasets.read_faces",
    **dict.fromkeys(("read_list", "write_list"), "datasets.picture_list"),
    **dict.fromkeys(("ArchiveError", "FacesError", "ListError", "PictureError"), "errors"),
    **dict.fromkeys(("read_colour", "read_grey"), "picture"),
    **dict.fromkeys(("FACE_88", "FIVE_POINTS", "IBUG_68", "Points"), "points")}

if TYPE_CHECKING:                                                # what editors and type checkers see of them
    from deeplandmark.faces.augment import mirror, similarity
    from deeplandmark.faces.box import BBox
    from deeplandmark.faces.datasets.annotation import Annotation, Problem, check_picture, read_face
    from deeplandmark.faces.datasets.archive import Archive, check_archive, open_archive
    from deeplandmark.faces.datasets.bad_lines import too_many_bad
    from deeplandmark.faces.datasets.download import download
    from deeplandmark.faces.datasets.picture_list import read_list, write_list
    from deeplandmark.faces.datasets.read_faces import read_faces
    from deeplandmark.faces.errors import ArchiveError, FacesError, ListError, PictureError
    from deeplandmark.faces.picture import read_colour, read_grey
    from deeplandmark.faces.points import FACE_88, FIVE_POINTS, IBUG_68, Points
else:
    def __getattr__(name):
        if name in _PLACES:
            return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
