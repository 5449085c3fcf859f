"""Measure a detector on a list of faces: how many it finds, how many boxes are on none, what its boxes cost the points.

With --list it is measured on pictures all of whose faces are labelled, by boxes, ellipses or points: how many it finds
at so many false boxes.

examples:
  deeplandmark evaluate_detection --data dataset/train
  deeplandmark evaluate_detection --list faces.csv --detector model-mtcnn --roc roc.png
  deeplandmark evaluate_detection --list FDDB-ellipseList.txt --pictures originalPics --false-boxes 28
  deeplandmark evaluate_detection --data dataset/train --held-back --limit 300 --sheet unmatched.png
"""

import sys

import cv2
import numpy as np

from deeplandmark.commandline.arguments import add_max_pixels, add_python_layers, fraction, whole_number
from deeplandmark.commandline.command import command
from deeplandmark.commandline.detector_arguments import add_search_arguments, detector_of
from deeplandmark.commandline.face_lists import faces_of_list, name_skipped
from deeplandmark.commandline.parser import command_parser
from deeplandmark.detectors.single_shot import SCORE
from deeplandmark.faces import BBox, read_colour
from deeplandmark.faces.datasets.held_back import held_back
from deeplandmark.faces.datasets.own_lists import measuring_list, training_list
from deeplandmark.faces.draw import contact_sheet
from deeplandmark.faces.metrics import failure_rate, mean_error
from deeplandmark.faces.picture import write_picture
from deeplandmark.measuring.detection import FOUND, evaluate_detected
from deeplandmark.measuring.detection_curve import measure_places, measure_stages
from deeplandmark.measuring.evaluation import spread
from deeplandmark.measuring.labelled_places import places_of, read_places
from deeplandmark.measuring.plotting import save_figure
from deeplandmark.measuring.report_detection import (
    FALSE_BOXES,
    detection_table,
    draw_recall,
    read_others,
    stage_lines,
)
from deeplandmark.work.opencv import set_up_opencv

SHOWN = 200            # boxes of a sheet


@command(strangers_models=True)
def main(arguments=None):
    """Returns the exit status."""
    options = _parser().parse_args(arguments)
    _run(options)
    return 0


def _run(options):
    detector = _detector(options)
    set_up_opencv()
    if options.list:
        _on_places(detector, options)
    elif options.data:
        _on_archive(detector, options)
    else:
        raise ValueError("no faces: give --data FOLDER, or --list")


def _detector(options):
    detector = detector_of(options)
    if options.least_score is not None:
        if not hasattr(detector, "least_score"):
            raise ValueError("--least-score is for single-shot detectors, without --thorough")
        detector.least_score = options.least_score
    return detector


def _on_archive(detector, options):
    from deeplandmark.models import load  # late: --help and a wrong folder need no networks
    annotations = _read_faces(options)
    result = evaluate_detected(load(options.model), detector, annotations, options.threads)
    name_skipped("evaluate_detection", result.problems)
    stages = measure_stages(detector, places_of(result.annotations), options.threads)
    print("\n".join([report(result), *stage_lines(stages)]))
    unmatched = result.unmatched()
    if options.sheet and unmatched:
        write_picture(options.sheet, _sheet(unmatched))


def _on_places(detector, options):
    places = read_places(options.list, options.pictures)
    places = held_back(places) if options.held_back else places
    places = places if options.limit is None else spread(places, options.limit)
    others = read_others(options.others) if options.others else ()
    result = measure_places(detector, places, options.threads)
    name_skipped("evaluate_detection", result.problems)
    stages = measure_stages(detector, places, options.threads) if result.faces else ()
    print("\n".join([detection_table(result, options.false_boxes, others), *stage_lines(stages)]))
    if options.roc:
        save_figure(draw_recall(result, others), options.roc)
    if options.sheet and not all(right.all() for right in result.right):
        write_picture(options.sheet, _sheet_of_false(result))


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


def _sheet(unmatched):
    return _drawn([(face.path, box, f"line {face.line}, {overlap:.2f}") for face, box, overlap in unmatched])


def _drawn(rows, side=180):
    """A sheet of (path, box, title)."""
    images, boxes, titles = [], [], []
    for path, box, title in rows:
        image = read_colour(path)
        scale = side / max(image.shape[:2])
        images.append(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        boxes.append(BBox(*(np.float64(box) * scale)))
        titles.append(title)
    return contact_sheet(images, boxes=boxes, titles=titles, columns=10)


def _sheet_of_false(result):
    """The surest boxes on no labelled face."""
    found = sorted(((score, place.path, box) for place, boxes, scores, right in
                    zip(result.places, result.boxes, result.scores, result.right)
                    for box, score, fine in zip(boxes, scores, right) if not fine), key=lambda each: -each[0])
    return _drawn([(path, box, f"{score:.3f}") for score, path, box in found[:SHOWN]])


def _whole_numbers(text):
    return tuple(map(whole_number(), text.split(",")))


def _parser():
    parser = command_parser("evaluate_detection", __doc__)
    parser.add_argument("--data", metavar="PATH", help="folder of the archive, with both lists, "
                        "or faces in any format")
    parser.add_argument("--list", metavar="PATH", help="instead: all faces of pictures, as CSV (picture, and left, "
                        "top, right, bottom or left_eye_x ...), FDDB's ellipses, any list of faces; or a folder or zip "
                        "of pictures without faces")
    parser.add_argument("--pictures", metavar="FOLDER", help="where the pictures of --list are (default: beside it)")
    parser.add_argument("--false-boxes", type=_whole_numbers, default=FALSE_BOXES, metavar="N,N", help="with --list: "
                        "the recall at so many (default: " + ",".join(map(str, FALSE_BOXES)) + ")")
    parser.add_argument("--roc", metavar="FILE.png", help="with --list: draw recall over false boxes")
    parser.add_argument("--others", metavar="FILE.csv", help="with --list: results of others to stand beside (name, "
                        "false_boxes, recall)")
    parser.add_argument("--held-back", action="store_true", help="every tenth face of the training list, for choosing "
                        "settings, instead of the validation list; every tenth picture of --list")
    parser.add_argument("--limit", type=whole_number(1), metavar="N", help="only N pictures, spread over the list")
    parser.add_argument("--model", metavar="DIR", help="model folder; default: the published weights of the package; "
                        "light: its small ones")
    add_search_arguments(parser)
    parser.add_argument("--least-score", type=fraction, metavar="F", help=f"of a single-shot detector, the least score "
                        f"of a box (default: {SCORE}); a smaller one lets the curve of --list go on")
    parser.add_argument("--sheet", metavar="FILE.png", help="draw the boxes that are not on the labelled face: "
                        "which of them are faces, only an eye can tell")
    add_python_layers(parser)
    add_max_pixels(parser)
    parser.add_argument("--threads", type=whole_number(1), default=2, metavar="N")
    return parser


if __name__ == "__main__":
    sys.exit(main())
