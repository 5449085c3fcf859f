"""Measure the map from a detector's boxes to the training list's: the rows of detectors/box_map.py.

examples:
  deeplandmark fit_boxes --data dataset/train
  deeplandmark fit_boxes --data dataset/train --detector face_detection_yunet.onnx --limit 500
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import cv2
import numpy as np

from deeplandmark.commandline.arguments import whole_number
from deeplandmark.commandline.command import command
from deeplandmark.detectors import load_detector
from deeplandmark.detectors.box_map import fit_edge_shifts, squares_of_points
from deeplandmark.faces import PictureError, open_archive, read_colour, read_list, too_many_bad
from deeplandmark.faces.datasets.picture_list import Problem, training_part
from deeplandmark.work.progress import Progress

# A found box is of the labelled face when their centres lie no further apart than this, in widths of the label.
_SAME_FACE = 0.25


@command
def main(arguments=None):
    """Returns the exit status."""
    _run(_parser().parse_args(arguments))
    return 0


def paired_boxes(detector, faces, threads):
    """Boxes (n, 4) as the detector frames them and the list's (n, 4), of those faces that it finds.

    Raises
    ------
    ListError
        If more than 1 % of the pictures cannot be read.
    """
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(partial(_nearest, detector), faces)
        pairs = [pair for pair in Progress("pictures", len(faces), "finding faces").over(found) if pair is not None]
    too_many_bad([pair for pair in pairs if isinstance(pair, Problem)], len(faces))
    pairs = [pair for pair in pairs if not isinstance(pair, Problem)]
    return np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])


def _nearest(detector, face):
    """(found box, the list's box), None where the face is not found, a Problem where its picture cannot be read."""
    try:
        boxes = detector.find(read_colour(face.path)).boxes.astype(np.float64)
    except PictureError as error:
        return Problem(face.line, str(error))
    if not len(boxes):
        return None
    distance = np.abs((boxes[:, :2] + boxes[:, 2:]) / 2 - face.bbox.centre).max(axis=1)
    nearest = int(distance.argmin())
    return (boxes[nearest], face.bbox.as_array()) if distance[nearest] < _SAME_FACE * face.bbox.width else None


def _run(args):
    faces = _read_faces(args.data)
    truth = np.array([face.bbox.as_array() for face in faces])
    _print("points", squares_of_points(np.array([face.landmark_px for face in faces])), truth, len(faces))
    detector = load_detector(args.detector)
    chosen = faces[::-(-len(faces) // args.limit)]
    _print(detector.name, *paired_boxes(detector, chosen, args.threads), len(chosen))


def _read_faces(data):
    """The faces of the training list that networks are trained on."""
    problems = []
    faces = read_list(open_archive(data).train_list, problems=problems)
    too_many_bad(problems, len(faces) + len(problems))
    return training_part(faces)


def _print(name, boxes, truth, total):
    edge_shifts, left_over = fit_edge_shifts(boxes, truth)
    row = ", ".join(f"{value:.3f}" for value in edge_shifts)
    typical, most = np.percentile(np.abs(left_over), (50, 95), axis=0)
    print(f'"{name}": ({row}),  # {len(boxes)} of {total} faces; left over, in sides of the list\'s box: '
          f"median {np.round(typical, 3)}, 95 % within {np.round(most, 3)}")


def _parser():
    parser = argparse.ArgumentParser(prog="deeplandmark fit_boxes", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="FOLDER", help="of the archive, with trainImageList.txt")
    parser.add_argument("--detector", default="haar", metavar="KIND", help="haar, or a FaceDetectorYN model file")
    parser.add_argument("--limit", type=whole_number(1), default=2000, metavar="N",
                        help="pictures to look at (default 2000)")
    parser.add_argument("--threads", type=whole_number(1), default=2, metavar="N")
    return parser


if __name__ == "__main__":
    sys.exit(main())
