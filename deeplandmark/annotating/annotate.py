"""Labels of a face mesh for faces of pictures or of a list."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from deeplandmark.annotating.face_mesh import FaceMesh
from deeplandmark.annotating.hand_points import compared, moved
from deeplandmark.annotating.mesh_points import points_from_mesh
from deeplandmark.faces.box import BBox
from deeplandmark.faces.datasets.annotation import Annotation, Problem, face_or_problem
from deeplandmark.faces.errors import FacesError, ListError
from deeplandmark.faces.picture import read_colour
from deeplandmark.faces.points import IBUG_68, Points
from deeplandmark.work.in_order import in_order

LEAST_FACES = 20       # by which it is told what people and the mesh mean by a point


@dataclass(frozen=True)
class FoundFace:
    """A face with its mesh.

    Attributes
    ----------
    face : Annotation
        Its picture and box; points where a list had some, else none, (0, 2).
    vertices : float32 (468, 2), pixels
    score : float
        0..1, how sure the mesh is of it.
    """
    face: Annotation
    vertices: np.ndarray
    score: float


@dataclass(frozen=True)
class LeftOut:
    """A face whose labels are not to be trusted, and how far they are off (float, box widths)."""
    face: Annotation
    error: float


def find_in_pictures(mesh: FaceMesh, find: Callable, paths: Iterable[str], jobs: int | None = None) \
        -> Iterator[list[FoundFace] | Problem]:
    """What is in each picture, in order: its FoundFace, or the Problem.

    `find(path, image)` gives the boxes (n, 4), of the cascade's kind, of the faces in a picture uint8 (h, w, 3).
    """
    return in_order(partial(_in_picture, mesh, find), paths, jobs)


def find_in_list(mesh: FaceMesh, faces: Iterable[Annotation], jobs: int | None = None) \
        -> Iterator[list[FoundFace] | Problem]:
    """The mesh of each face of a list, by its box, in order; or the Problem of its picture."""
    return in_order(partial(_of_face, mesh), faces, jobs)


def face_of_picture(path: str, box: list[float]) -> Annotation:
    """A face without points that was found in a picture, by its box: left, top, right, bottom."""
    return Annotation(Path(path), BBox(*box), np.zeros((0, 2)), str(path), 0)


def labelled(found: list[FoundFace], points: Points) -> list[Annotation]:
    """The faces with the points of a set that the mesh tells."""
    return _with_points(found, points_from_mesh(_vertices(found), points))


def labelled_with_hands(found: list[FoundFace], points: Points, most_off: float) \
        -> tuple[list[Annotation], list[LeftOut], np.ndarray]:
    """As `labelled`, for faces whose five points people have set: labels moved towards these (see hand_points.py).

    Parameters
    ----------
    found : list of FoundFace
        With five points.
    most_off : float
        Faces whose five points lie further from people's than that, on the mean, in box widths, are left out.

    Returns
    -------
    (list of Annotation, list of LeftOut, float64 array (n,))
        The last are the errors of all faces.

    Raises
    ------
    ListError
        For so few faces that it cannot be told what people mean by each point.
    """
    if len(found) < LEAST_FACES:
        raise ListError(f"{len(found)} faces are too few to compare the labels with: at least {LEAST_FACES}")
    vertices = _vertices(found)
    five = IBUG_68.to_five(points_from_mesh(vertices, IBUG_68))
    differences = compared(five, [each.face.landmark_px for each in found])
    widths = np.array([each.face.bbox.width for each in found])
    errors = np.nanmean(differences.errors, axis=1) * differences.frames.sides / widths
    labels = _with_points(found, moved(points_from_mesh(vertices, points), five, differences))
    kept = [label for label, error in zip(labels, errors) if error <= most_off]
    left_out = [LeftOut(each.face, float(error)) for each, error in zip(found, errors) if error > most_off]
    if not kept:
        raise ListError("no face's labels lie near those of the list: are its points the usual five?")
    return kept, left_out, errors


def _in_picture(mesh, find, path):
    try:
        image = read_colour(path)
        boxes = np.asarray(find(path, image), np.float64).reshape(-1, 4)
    except FacesError as error:
        return Problem(0, str(error))
    return _found(mesh, image, [face_of_picture(path, box) for box in boxes.tolist()])


def _of_face(mesh, face):
    image = face_or_problem(face, channels=3)
    return image if isinstance(image, Problem) else _found(mesh, image, [face])


def _found(mesh, image, faces):
    meshes = zip(faces, *mesh.find(image, [face.bbox.as_array() for face in faces]))
    return [FoundFace(face, vertices.astype(np.float32), float(score)) for face, vertices, score in meshes]


def _vertices(found):
    return np.array([each.vertices for each in found], np.float64)


def _with_points(found, points_px):
    return [replace(each.face, landmark_px=own) for each, own in zip(found, points_px)]
