"""Faces without networks: boxes, picture lists, archives, augmentation, drawing, synthetic faces (numpy and cv2)."""

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

__all__ = ["FACE_88", "FIVE_POINTS", "IBUG_68", "Annotation", "Archive", "ArchiveError", "BBox", "FacesError",
           "ListError", "PictureError", "Points", "Problem", "check_archive", "check_picture", "download", "mirror",
           "open_archive", "read_colour", "read_face", "read_faces", "read_grey", "read_list", "similarity",
           "too_many_bad", "write_list"]
