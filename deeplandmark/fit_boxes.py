"""Measure the map from a detector's boxes to the training list's: the rows of detectors/box_map.py.

examples:
  deeplandmark fit_boxes --data dataset/train
  deeplandmark fit_boxes --data dataset/train --detector face_detection_yunet.onnx --limit 500
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from deeplandmark.commandline.arguments import add_max_pixels, whole_number
from deeplandmark.commandline.command import command
from deeplandmark.commandline.face_lists import faces_of_list, name_skipped
from deeplandmark.commandline.parser import command_parser
from deeplandmark.detectors.box_map import fit_edge_shifts
from deeplandmark.faces.box_of_points import squares_of_points
from deeplandmark.faces.datasets.annotation import Problem, face_or_problem
from deeplandmark.faces.datasets.bad_lines import BadLines
from deeplandmark.faces.datasets.held_back import training_part
from deeplandmark.faces.datasets.own_lists import training_list
from deeplandmark.models.detectors import load_detector
from deeplandmark.work.opencv import set_up_opencv
from deeplandmark.work.progress import Progress

# A found box is of the labelled face when their centres lie no further apart than this, in widths of the label.
_SAME_FACE = 0.25


@command
def main(arguments=None):
    """Returns the exit status."""
    _run(_parser().parse_args(arguments))
    return 0


def paired_boxes(detector, faces, threads):
    """(boxes (n, 4) as the detector frames them, the list's (n, 4)) of those faces that it finds, and the `Problem` of
    each picture that cannot be read.

    Raises
    ------
    ListError
        If too many cannot be read (see `BadLines`).
    """
    bad = BadLines(len(faces))
    set_up_opencv()
    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(partial(_nearest, detector), faces)
        found = Progress("pictures", len(faces), "finding faces").over(found)
        pairs = [pair for pair in found if not bad.takes(pair) and pair is not None]
    return (np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])), bad.problems


def _nearest(detector, face):
    """(found box, the list's box), None where the face is not found, a Problem where its picture cannot be read."""
    image = face_or_problem(face, channels=3)
    if isinstance(image, Problem):
        return image
    boxes = detector.find(image).boxes.astype(np.float64)
    if not len(boxes):
        return None
    distance = np.abs((boxes[:, :2] + boxes[:, 2:]) / 2 - face.bbox.centre).max(axis=1)
    nearest = int(distance.argmin())
    return (boxes[nearest], face.bbox.as_array()) if distance[nearest] < _SAME_FACE * face.bbox.width else None


def _run(args):
    faces = training_part(faces_of_list("fit_boxes", training_list(args.data)))
    whole = [face for face in faces if face.visible.all()]
    if whole:
        truth = np.array([face.bbox.as_array() for face in whole])
        _print("points", squares_of_points(np.array([face.landmark_px for face in whole])), truth, len(faces))
    detector = load_detector(args.detector)
    chosen = faces[::-(-len(faces) // args.limit)]
    pairs, problems = paired_boxes(detector, chosen, args.threads)
    name_skipped("fit_boxes", problems)
    _print(detector.name, *pairs, len(chosen))


def _print(name, boxes, truth, total):
    edge_shifts, left_over = fit_edge_shifts(boxes, truth)
    row = ", ".join(f"{value:.3f}" for value in edge_shifts)
    typical, most = np.percentile(np.abs(left_over), (50, 95), axis=0)
    print(f'"{name}": ({row}),  # {len(boxes)} of {total} faces; left over, in sides of the list\'s box: '
          f"median {np.round(typical, 3)}, 95 % within {np.round(most, 3)}")


def _parser():
    parser = command_parser("fit_boxes", __doc__)
    parser.add_argument("--data", required=True, metavar="PATH", help="folder of the archive, with "
                        "trainImageList.txt, or faces in any format (their boxes are those to be met)")
    parser.add_argument("--detector", default="haar", metavar="KIND", help="haar, a FaceDetectorYN model file, or "
                        "a folder of MTCNN's networks")
    parser.add_argument("--limit", type=whole_number(1), default=2000, metavar="N",
                        help="pictures to look at (default 2000)")
    add_max_pixels(parser)
    parser.add_argument("--threads", type=whole_number(1), default=2, metavar="N")
    return parser


if __name__ == "__main__":
    sys.exit(main())
