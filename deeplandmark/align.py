"""Cut faces out of pictures, turned and scaled so that their points, or their heads' poses, lie where a template wants
them.

examples:
  deeplandmark align pictures --out aligned
  deeplandmark align photo.jpg --out aligned --size 224 --max-faces 1
  deeplandmark align pictures --out aligned --by pose
  deeplandmark align pictures --out aligned --template passport.json --transforms transforms.jsonl --resume
"""

import argparse
import json
import sys
from dataclasses import replace

import numpy as np

from deeplandmark.commandline.command import command
from deeplandmark.commandline.finder_arguments import add_finder_arguments, load_finder, with_boxes_joined
from deeplandmark.commandline.parser import command_parser
from deeplandmark.faces.alignment import ARCFACE, crop_aligned, read_template, similarity_to
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.points import FIVE_POINTS, IBUG_68
from deeplandmark.running.batch import count_sources, work_through
from deeplandmark.running.result_folder import ResultFolder
from deeplandmark.running.row_file import can_go_on, finished, rows_to
from deeplandmark.running.rows import JSON_LINES, json_rows
from deeplandmark.running.sources import sources


@command(strangers_models=True)
def main(arguments=None):
    """Returns the exit status: 1 when a file was bad or the run could not go on, 130 after Ctrl-C."""
    parser = _parser()
    options = parser.parse_args(with_boxes_joined(arguments))
    options.pose = options.pose or options.by == "pose"
    if options.resume and not (options.transforms and can_go_on(options.transforms)):
        parser.error("--resume goes by --transforms FILE")
    return _run(options)


def _run(options):
    template = _template(options)
    folder = ResultFolder(options.out, options.pictures)
    finder = load_finder(options)
    known = finder.system.points
    align = _by_pose(template, finder) if options.by == "pose" else _by_points(template, known)
    layout = JSON_LINES._replace(rows=lambda located, frame: _transform_rows(located, folder))
    row_files = [rows_to(options.transforms, layout, len(known), options.resume)] if options.transforms else []

    def read(paths):
        for located in finder.read(paths):
            if located.problem is None:
                located = replace(located, matrices=align(located))
                _write_crops(located, template.size, folder)
            yield replace(located, image=None)

    def take(located):
        for rows in row_files:
            rows.write(located)

    def is_done(source):
        return any(rows.is_done(source.path) for rows in row_files)

    with finished(row_files):
        named = options.pictures, options.out
        total = count_sources(*named, "align")
        summary = work_through(sources(*named), total, read, take, options.threads, "align", is_done)
    return 1 if summary.bad else 0


def _template(options):
    template = ARCFACE if options.template == "arcface" else read_template(options.template)
    return template if options.size is None else template.resized(*options.size)


def _by_points(template, known):
    """What makes the matrices (n, 2, 3) of a Located, from its faces' points, which are `known`, to the template's: of
    all points, or of the usual five that a larger set tells."""
    if len(template.points) == len(known):
        return lambda located: _similarities(located.points, template)
    if known.five and len(template.points) == len(known.five):
        return lambda located: _similarities(known.to_five(located.points), template)
    raise FacesError(f"the template has {len(template.points)} points, the model {len(known)}")


def _by_pose(template, finder):
    """The same from where the mean face's points lie under the faces' poses: the faces' own are not asked for."""
    found = [points for points in (FIVE_POINTS, IBUG_68) if len(points) == len(template.points)]
    if not found:
        raise FacesError(f"the template has {len(template.points)} points; --by pose goes by the mean face's 5 or 68")

    def align(located):
        poses = finder.head_poses(located.image, located.boxes, located.points)
        return _similarities(poses.points(found[0]), template)
    return align


def _similarities(points_px, template):
    return np.array([similarity_to(points, template.points) for points in points_px]).reshape(-1, 2, 3)


def _write_crops(located, size, folder):
    for number, matrix in enumerate(located.matrices, 1):
        crop = crop_aligned(located.image, matrix, size)
        folder.write(folder.numbered(located.path, number), crop)


def _transform_rows(located, folder):
    """`detect`'s rows, each with the crop's path and the matrix that takes the picture's pixels to the crop's."""
    lines = []
    for number, line in enumerate(json_rows(located).splitlines(), 1):
        matrix = located.matrices[number - 1]
        lines.append(json.dumps({**json.loads(line), "crop": str(folder.numbered(located.path, number)),
                                 "matrix": matrix.round(6).tolist()}) + "\n")
    return "".join(lines)


def _size(text):
    try:
        sides = [int(side) for side in text.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or min(sides) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: 224, or width x height as 96x112")
    return sides[0], sides[-1]


def _parser():
    parser = command_parser("align", __doc__)
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="picture, folder of pictures, or glob")
    parser.add_argument("--out", required=True, metavar="DIR", help="crops go there: photo.jpg gives photo_1.jpg ...")
    parser.add_argument("--template", default="arcface", metavar="FILE", help="arcface (default: 112 x 112), or a JSON "
                        'file {"size": [width, height], "points": [[x, y], ...]}')
    parser.add_argument("--by", choices=("points", "pose"), default="points", help="points (default): the face's own; "
                        "pose: the mean face's under the head's pose, which needs no points")
    parser.add_argument("--size", type=_size, metavar="WxH", help="size of the crops; the template is scaled to fit")
    parser.add_argument("--transforms", metavar="FILE",
                        help="also write detect's rows with crop and matrix; - is stdout")
    parser.add_argument("--resume", action="store_true", help="go on where a run with these --transforms was stopped")
    add_finder_arguments(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
