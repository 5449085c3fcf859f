"""Makes deeplandmark/annotating/mesh_map.json: which vertices of MediaPipe's face mesh make each of iBUG's 68 points.

    python -m docs.fit_mesh_map labels_faces68_train.xml trainImageList.txt [--mesh FILE] [--write]

The first list has 68 points; the second has five set by people, by which is told how far the first list's points lie
beside the true ones: those of faces68-train lie about two pixels too far to the right and down, and learning that
would serve nobody. The errors printed are those of people who were held back; `--write` fits everybody and writes the
file. People are told apart by the pictures' names, without the number at their end.
"""
import argparse
import re
import sys

import numpy as np

from deeplandmark.annotating.face_mesh import load_face_mesh
from deeplandmark.annotating.fit_map import fit_map, mirror_of_vertices
from deeplandmark.annotating.hand_points import compared
from deeplandmark.annotating.mesh_points import FILE, VERTICES_88, as_text
from deeplandmark.faces.datasets.annotation import read_face
from deeplandmark.faces.datasets.read_faces import read_faces
from deeplandmark.faces.points import FACE_88, IBUG_68
from deeplandmark.work.in_order import in_order
from deeplandmark.work.progress import Progress
from deeplandmark.work.whole_file import write_text

HELD_BACK, SEED = 0.2, 0
FOR_MIRROR = 100           # faces
# The vertices in the middle of the mesh.
MIDDLE = (0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 94, 151, 152, 164, 168, 175, 195, 197, 199,
          200)


def main(arguments=None):
    args = _parser().parse_args(arguments)
    mesh = load_face_mesh(args.mesh)
    faces = read_faces(args.labels, IBUG_68)[0]
    vertices = _vertices(mesh, faces)
    few = slice(None, None, max(1, len(faces) // FOR_MIRROR))
    known = [(VERTICES_88[i], VERTICES_88[j]) for i, j in FACE_88.pairs]
    mirror = mirror_of_vertices(vertices[few], _vertices(mesh, faces[few], mirrored=True), MIDDLE, known)
    labels = np.array([face.landmark_px for face in faces])
    labels = labels - _beside(vertices, labels, mesh, read_faces(args.hand)[0])
    held = _held_back(faces)
    print(f"{len(faces)} faces, {held.sum()} of them of held-back people")
    _print_errors(fit_map(vertices[~held], labels[~held], IBUG_68, mirror), vertices[held], labels[held])
    if args.write:
        write_text(FILE, as_text(mirror, fit_map(vertices, labels, IBUG_68, mirror)))
        print(FILE)
    return 0


def _vertices(mesh, faces, mirrored=False):
    def find(face):
        image, box = read_face(face, 3), face.bbox.as_array()
        if not mirrored:
            return mesh.find(image, [box])[0][0]
        last = image.shape[1] - 1
        found = mesh.find(np.ascontiguousarray(image[:, ::-1]), [[last - box[2], box[1], last - box[0], box[3]]])[0][0]
        return found * [-1, 1] + [last, 0]
    return np.array(list(Progress("faces", len(faces), "mesh").over(in_order(find, faces))))


def _beside(vertices, labels, mesh, hand_faces, most=500):
    """How far the labels lie beside the mesh, pixels (n, 1, 2): beside the true points a line in the face's size for x
    and one for y; and what hands, too, lie to the right of the mesh, which no map that treats both sides alike can
    follow. Hands and labels are both compared with the mean of the mesh's vertices at each of the five points."""
    hand_faces = hand_faces[::max(1, len(hand_faces) // most)]
    by_hand = compared(_five(_vertices(mesh, hand_faces)), [face.landmark_px for face in hand_faces])
    found = compared(_five(vertices), IBUG_68.to_five(labels))
    apart = (found.of_faces + found.meaning - by_hand.meaning - by_hand.beside).mean(axis=1)
    turns = found.frames.sides * np.exp(1j * np.radians(found.frames.angles))
    apart, right = apart * turns, by_hand.beside * turns
    return np.stack([right.real + _line(found.frames.sides, apart.real, "x"),
                     right.imag + _line(found.frames.sides, apart.imag, "y")], axis=-1)[:, None]


def _five(vertices):
    return FACE_88.to_five(vertices[:, VERTICES_88])


def _line(sides, apart, axis):
    """The line through most of the differences, where each face has its own."""
    kept = np.ones(len(sides), bool)
    for _ in range(5):
        slope, start = np.polyfit(sides[kept], apart[kept], 1)
        off = np.abs(apart - start - slope * sides)
        kept = off < 3.7 * np.median(off)
    print(f"the labels lie beside the true points by {start:.2f} + {slope:.4f} box widths pixels in {axis}")
    return start + slope * sides


def _held_back(faces):
    """bool (n,): the faces of a fifth of the people."""
    people = np.array([re.sub(r"[_\d]*$", "", face.path.stem) for face in faces])
    names = np.unique(people)
    return np.isin(people, np.random.default_rng(SEED).choice(names, round(HELD_BACK * len(names)), replace=False))


def _print_errors(weights, vertices, labels):
    errors = np.linalg.norm(np.einsum("kv,nvc->nkc", weights, vertices) - labels, axis=2)
    errors = 100 * errors / np.linalg.norm(labels[:, 45] - labels[:, 36], axis=1)[:, None]
    groups = ", ".join(f"{name} {errors[:, list(part)].mean():.2f}" for name, part in IBUG_68.groups)
    print(f"held back: {errors.mean():.2f} % of the distance of the outer eye corners ({groups}); vertices of a point: "
          f"at most {(weights != 0).sum(axis=1).max()}, weights up to {np.abs(weights).max():.2f}")


def _parser():
    parser = argparse.ArgumentParser(prog="python -m docs.fit_mesh_map", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels")
    parser.add_argument("hand")
    parser.add_argument("--mesh", metavar="FILE")
    parser.add_argument("--write", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
