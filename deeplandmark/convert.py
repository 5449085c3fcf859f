"""Write a list of faces in another format: .pts, imglab's XML, COCO's JSON, CSV, WFLW, CelebA, the paper's lists.

Formats are told by what a file holds, and by the ending of the one to be written: .xml imglab, .json COCO, .csv, .txt
the paper's list, none a folder of .pts files.

examples:
  deeplandmark convert labels.xml trainImageList.txt
  deeplandmark convert 300W faces.json
  deeplandmark convert WFLW/list_98pt_rect_attr_train.txt five.csv --points 5 --images WFLW/WFLW_images
  deeplandmark convert faces.csv list_landmarks_celeba.txt --to celeba --boxes points
  deeplandmark convert 300W train.xml --boxes boxes.csv
  deeplandmark convert people.xml frames.xml 300W all.csv --points 68
"""
import sys
from dataclasses import replace
from pathlib import Path

from deeplandmark.commandline.command import command
from deeplandmark.commandline.face_lists import name_skipped
from deeplandmark.commandline.parser import command_parser
from deeplandmark.commandline.points_options import add_points_argument
from deeplandmark.commandline.telling import LOG
from deeplandmark.detectors.given import read_boxes
from deeplandmark.faces.box import BBox
from deeplandmark.faces.datasets.formats import FORMATS, format_to_write
from deeplandmark.faces.datasets.plausible import check_plausible
from deeplandmark.faces.datasets.read_faces import read_faces, read_labels
from deeplandmark.faces.errors import ListError

_KINDS = ("file", "points")


@command
def main(arguments=None):
    """Returns the exit status."""
    args = _parser().parse_args(arguments)
    target = format_to_write(Path(args.output), args.to)
    points = args.own.points if args.own else read_labels(args.inputs[0], None, args.images).points
    faces = [face for path in args.inputs for face in _faces(path, points, args)]
    target.write(Path(args.output), faces, points)
    print(f"{args.output}: {len(faces)} faces of {len(points)} points ({target.text})")
    return 0


def _faces(path, points, args):
    """Those of one of the lists."""
    known = args.boxes in ("", *_KINDS)
    faces, problems = read_faces(path, points, args.images, args.boxes if known else "")
    name_skipped("convert", problems)
    if not known:
        faces = _with_boxes(faces, args.boxes)
    _warn(faces, points, path)
    return faces


def _with_boxes(faces, boxes_file):
    """The faces with the boxes of a file, each with the one that holds most of its points and lies nearest."""
    boxes, found = read_boxes(boxes_file), []
    for face in faces:
        middle = face.landmark_px[face.visible].mean(axis=0)
        given = [BBox(*box) for box in boxes.get(face.path.resolve(), ())]
        if not given:
            LOG.warning("convert: skipped %s:%s: %s has no box in %s", face.list_file, face.line, boxes_file, face.path)
            continue
        found.append(replace(face, bbox=min(given, key=lambda box: abs(box.project(middle) - 0.5).max())))
    if not found:
        raise ListError(f"{boxes_file}: has no box for any face")
    return found


def _warn(faces, points, path):
    try:
        check_plausible(faces, points, path)
    except ListError as error:
        LOG.warning("convert: %s", error)


def _parser():
    parser = command_parser("convert", __doc__)
    parser.add_argument("inputs", nargs="+", metavar="IN", help="list of faces, or folder of .pts files; of several, "
                        "one after another, the points of the first unless --points says which")
    parser.add_argument("output", metavar="OUT", help="what is written; pictures stay where they are")
    parser.add_argument("--to", choices=[row.name for row in FORMATS], metavar="FORMAT",
                        help="; ".join(f"{row.name}: {row.text}" for row in FORMATS))
    parser.add_argument("--images", metavar="DIR", help="folder the list's paths start at; default: the list's own")
    parser.add_argument("--boxes", default="", metavar="KIND", help="file: those of IN, as they are; points: made of "
                        "the points; a file of boxes, as detect writes it; default: the cascade's kind, made of the "
                        "points where the format's own is unknown (docs/formats.md)")
    add_points_argument(parser)
    parser.set_defaults(own=None)
    return parser


if __name__ == "__main__":
    sys.exit(main())
