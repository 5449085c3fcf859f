"""Makes deeplandmark/faces/mean_face.json: where iBUG's 68 points lie on the mean face, in three dimensions.

    python -m docs.fit_mean_face labels.csv [labels.xml ...] [--write]

Nobody measured a head for it: faces that turn show their depth. Each face and its mirror image is thought of as the
same rigid shape, turned and projected orthographically, and the shape is found by factorisation (Tomasi and Kanade,
IJCV 1992): of all points, stacked, the three largest singular vectors, made square by the lengths and right angles
that two rows of a rotation have; faces of different sizes count alike. The contour takes no part in that: it is marked
where a turned face ends, and would make the head a sixth too deep. Then the shape is nodded until the faces' median
pitch is 0.
"""
import argparse
import sys

import numpy as np

from deeplandmark.faces.datasets.read_faces import read_faces
from deeplandmark.faces.head_pose import FILE, RIGID, pose_of_points, rotation_of
from deeplandmark.faces.points import IBUG_68
from deeplandmark.work.whole_file import write_text


def main(arguments=None):
    args = _parser().parse_args(arguments)
    points = np.concatenate([[face.landmark_px for face in read_faces(path, IBUG_68)[0]] for path in args.lists])
    points = points[np.isfinite(points).all(axis=(1, 2))]
    shape = level(mean_shape(points), points)
    print(f"{len(points)} faces; depth {np.ptp(shape[:, 2]):.3f}, height {np.ptp(shape[:, 1]):.3f} of width 2")
    if args.write:
        rows = ",\n".join(f"  {row.round(4).tolist()}" for row in shape)
        write_text(FILE, f'{{"names": "iBUG 68", "made_by": "python -m docs.fit_mean_face", '
                         f'"faces": {len(points)}, "points": [\n{rows}\n]}}\n')
        poses = pose_of_points(points)
        off = np.linalg.norm(poses.points() - points, axis=2) / poses.scale[:, None]
        print(f"{FILE}: points lie {off.mean():.3f} units beside it; yaw {np.percentile(poses.angles[:, 1], [5, 95])}")
    return 0


def mean_shape(points_px):
    """The rigid shape (68, 3) in the head's frame of faces/head_pose.py that points (n, 68, 2) are projections of."""
    mirrored = (points_px * [-1, 1])[:, list(IBUG_68.mirror)]
    seen = np.concatenate([points_px, mirrored])
    seen = seen - seen[:, RIGID].mean(axis=1, keepdims=True)
    seen = seen / np.sqrt((seen[:, RIGID] ** 2).sum(axis=(1, 2), keepdims=True))
    rows = seen.transpose(0, 2, 1).reshape(-1, 68)                                 # x and y of each face
    left, sizes, _ = np.linalg.svd(rows[:, RIGID], full_matrices=False)
    motion = left[:, :3] * sizes[:3]
    motion = motion @ _square_root(motion[0::2], motion[1::2])
    return _in_frame(np.linalg.lstsq(motion, rows, rcond=None)[0].T)


def level(shape, points_px):
    """The shape nodded so that the median pitch of faces (n, 68, 2) is 0."""
    pitch = np.median(pose_of_points(points_px, shape).angles[:, 0])
    return shape @ rotation_of([pitch, 0.0, 0.0]).T


def _square_root(across, down):
    """A (3, 3) with which each pair of rows (n, 3) becomes two of one length, square to each other."""
    pairs = [(i, j) for i in range(3) for j in range(i, 3)]

    def products(a, b):
        return np.stack([a[:, i] * b[:, j] + (a[:, j] * b[:, i] if i != j else 0) for i, j in pairs], axis=1)
    equations = np.concatenate([products(across, across) - products(down, down), products(across, down)])
    total = (products(across, across) + products(down, down)).sum(axis=0)          # else nothing would be best
    weight = np.linalg.norm(equations)
    answers = np.append(np.zeros(len(equations)), weight)
    found = np.linalg.lstsq(np.vstack([equations, weight * total / np.linalg.norm(total)]), answers, rcond=None)[0]
    square = np.zeros((3, 3))
    for (i, j), value in zip(pairs, found):
        square[i, j] = square[j, i] = value
    return np.linalg.cholesky(square)


def _in_frame(shape):
    """The shape with its axes, middle, unit and mirror symmetry as a head's frame has them."""
    mirror = list(IBUG_68.mirror)
    five = IBUG_68.five
    part = [shape[list(points)].mean(axis=0) for points in five]
    across = (shape[mirror] - shape)[[i for i, _ in IBUG_68.pairs]].sum(axis=0)
    across /= np.linalg.norm(across)
    down = (part[3] + part[4] - part[0] - part[1])
    down -= across * (down @ across)
    down /= np.linalg.norm(down)
    front = np.cross(across, down)
    middle = (part[0] + part[1] + part[3] + part[4]) / 4
    front = front if (part[2] - middle) @ front > 0 else -front                    # the nose is before the others
    shape = (shape - middle) @ np.stack([across, down, front], axis=1)
    shape = (shape + shape[mirror] * [-1, 1, 1]) / 2
    return shape / shape[16, 0]


def _parser():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lists", nargs="+", metavar="LIST", help="faces with 68 points, in any format")
    parser.add_argument("--write", action="store_true", help="write the file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
