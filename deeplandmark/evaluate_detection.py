"""Measure a detector on a list of faces: how many it finds, how many boxes are on none, what its boxes cost the points.

examples:
  deeplandmark evaluate_detection --data dataset/train
  deeplandmark evaluate_detection --data dataset/train --held-back --limit 300 --sheet unmatched.png
"""

import argparse
import sys

import cv2
import numpy as np

from deeplandmark.commandline.arguments import add_max_pixels, add_python_layers, fraction, whole_number
from deeplandmark.commandline.command import command
from deeplandmark.commandline.face_lists import faces_of_list, name_skipped
from deeplandmark.faces import BBox, read_colour
from deeplandmark.faces.datasets.held_back import held_back
from deeplandmark.faces.datasets.own_lists import measuring_list, training_list
from deeplandmark.faces.draw import contact_sheet
from deeplandmark.faces.metrics import failure_rate, mean_error
from deeplandmark.faces.picture import write_picture
from deeplandmark.measuring.detection import FOUND, evaluate_detected
from deeplandmark.measuring.evaluation import spread
from deeplandmark.models.detectors import load_detector
from deeplandmark.work.opencv import set_up_opencv


@command(strangers_models=True)
def main(arguments=None):
    """Returns the exit status."""
    options = _parser().parse_args(arguments)
    _run(options)
    return 0


def _run(options):
    from deeplandmark.models import load  # late: --help and a wrong folder need no networks
    detector = load_detector(options.detector, options.min_face)
    annotations = _read_faces(options)
    system = load(options.model)
    set_up_opencv()
    result = evaluate_detected(system, detector, annotations, options.threads)
    name_skipped("evaluate_detection", result.problems)
    print(report(result))
    unmatched = result.unmatched()
    if options.sheet and unmatched:
        write_picture(options.sheet, _sheet(unmatched))


def report(result):
    """The figures of a `DetectedFaces` as text."""
    found, boxes, unmatched = result.found, result.box_count, len(result.unmatched())
    lines = [f"pictures                          {len(found)}",
             f"labelled face found               {found.sum()} ({found.mean():.1%}; overlap of at least {FOUND})",
             f"boxes                             {boxes}",
             f"boxes not on the labelled face    {unmatched} ({unmatched / max(1, boxes):.1%}; other faces among them)"]
    if found.any():
        for name, points in (("labelled", result.given), ("detected", result.detected)):
            errors = result.errors(points)
            lines.append(f"error from {name} boxes         {mean_error(errors, axis=None):.2%} of the labelled box's "
                         f"width, {failure_rate(errors, axis=None):.2%} failures")
    lines.append(f"detection                         {1000 * result.seconds / len(found):.1f} ms of one core a picture")
    return "\n".join(lines)


def _read_faces(options):
    """Annotations, cut to --limit."""
    path = training_list(options.data) if options.held_back else measuring_list(options.data)
    faces = faces_of_list("evaluate_detection", path)
    faces = held_back(faces) if options.held_back else faces
    return faces if options.limit is None else spread(faces, options.limit)


def _sheet(unmatched, side=180):
    images, boxes, titles = [], [], []
    for face, box, overlap in unmatched:
        image = read_colour(face.path)
        scale = side / max(image.shape[:2])
        images.append(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        boxes.append(BBox(*(np.float64(box) * scale)))
        titles.append(f"line {face.line}, {overlap:.2f}")
    return contact_sheet(images, boxes=boxes, titles=titles, columns=10)


def _parser():
    parser = argparse.ArgumentParser(prog="deeplandmark evaluate_detection", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="PATH", help="folder of the archive, with both lists, "
                        "or faces in any format")
    parser.add_argument("--held-back", action="store_true", help="every tenth face of the training list, for choosing "
                        "settings, instead of the validation list")
    parser.add_argument("--limit", type=whole_number(1), metavar="N", help="only N pictures, spread over the list")
    parser.add_argument("--model", metavar="DIR", help="model folder; default: the published weights of the package")
    parser.add_argument("--detector", default="haar", metavar="KIND", help="haar, or a FaceDetectorYN model file")
    parser.add_argument("--min-face", type=fraction, metavar="F", help="as for detect")
    parser.add_argument("--sheet", metavar="FILE.png", help="draw the boxes that are not on the labelled face: "
                        "which of them are faces, only an eye can tell")
    add_python_layers(parser)
    add_max_pixels(parser)
    parser.add_argument("--threads", type=whole_number(1), default=2, metavar="N")
    return parser


if __name__ == "__main__":
    sys.exit(main())
