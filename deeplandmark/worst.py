"""Show the faces of a list on which a model is furthest off, and write the list without them.

A face's error is the mean over its points, in widths of its box. On a labelled list the worst faces are those whose
labels are wrong as often as those that are hard: look at the sheet before anything is dropped.

examples:
  deeplandmark worst model-68-mobilenetv2 train68.csv --sheet worst.png
  deeplandmark worst model-68-mobilenetv2 train68.csv --drop-above 0.08 --keep kept.csv --errors errors.csv
  ./bootstrap.sh --data kept.csv --points 68 --variant mobilenetv2        # the next run leaves them out
"""
import csv
import sys
from pathlib import Path

import numpy as np

from deeplandmark.commandline.arguments import add_max_pixels, add_python_layers, positive, whole_number
from deeplandmark.commandline.command import command
from deeplandmark.commandline.face_lists import name_skipped
from deeplandmark.commandline.finder_arguments import add_looks_argument, looks_of
from deeplandmark.commandline.parser import command_parser
from deeplandmark.faces.datasets.formats import FORMATS, format_to_write
from deeplandmark.faces.datasets.read_faces import read_faces, read_labels
from deeplandmark.faces.errors import ListError
from deeplandmark.faces.metrics import mean_error
from deeplandmark.measuring.evaluation import evaluate
from deeplandmark.measuring.report_faces import draw_worst
from deeplandmark.models import load
from deeplandmark.work.whole_file import open_whole

SHARES = (0.5, 0.9, 0.99, 0.999)


@command(strangers_models=True)
def main(arguments=None):
    """Returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    _check(parser, options)
    target = options.keep and format_to_write(Path(options.keep), options.to)
    system = load(options.model)
    faces, problems = read_faces(options.list, system.settings.points, options.images)
    name_skipped("worst", problems)
    result = evaluate(system, faces, problems, looks_of(options))
    name_skipped("worst", result.problems[len(problems):])
    errors = mean_error(result.errors[:, -1], axis=1)
    _say(errors)
    if options.sheet:
        draw_worst(result, options.sheet, options.most)
    if options.errors:
        _write_errors(options.errors, result.annotations, errors)
    if options.keep:
        _keep(options, target, {_key(face) for face, error in zip(result.annotations, errors)
                                if error <= options.drop_above})
    return 0


def _say(errors):
    quantiles = ", ".join(f"{100 * share:g} % of the faces below {100 * value:.2f} %"
                          for share, value in zip(SHARES, np.quantile(errors, SHARES)))
    print(f"{len(errors)} faces: mean error {100 * errors.mean():.2f} % of the box width; {quantiles}; the worst "
          f"{100 * errors.max():.2f} %")


def _write_errors(path, faces, errors):
    with open_whole(path, newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["picture", "list", "line", "error"])
        writer.writerows([str(faces[i].path), faces[i].list_file, faces[i].line, f"{errors[i]:.4f}"]
                         for i in np.argsort(-errors, kind="stable"))


def _keep(options, target, kept):
    """Writes the faces of the list that are `kept`, with all the points that the list has."""
    points = read_labels(options.list, None, options.images).points
    faces, _ = read_faces(options.list, points, options.images)
    chosen = [face for face in faces if _key(face) in kept]
    if not chosen:
        raise ListError(f"{options.list}: --drop-above {options.drop_above:g} leaves no face")
    target.write(Path(options.keep), chosen, points)
    print(f"{options.keep}: {len(chosen)} of {len(faces)} faces ({target.text}); {len(faces) - len(chosen)} dropped "
          f"(error above {100 * options.drop_above:g} % of the box width, or not to be read)")


def _key(face):
    """Of a face of a list, whichever of its points are asked for."""
    return face.path, face.list_file, face.line, *np.round(face.bbox.as_array(), 3).tolist()


def _check(parser, options):
    if (options.keep is None) != (options.drop_above is None):
        parser.error("--drop-above F and --keep FILE are told together")
    for path in filter(None, (options.sheet, options.errors, options.keep)):
        if not Path(path).parent.is_dir():
            parser.error(f"{path}: there is no folder {Path(path).parent}")


def _parser():
    parser = command_parser("worst", __doc__)
    parser.add_argument("model", metavar="MODEL", help="model folder")
    parser.add_argument("list", metavar="LIST", help="labelled faces, in any of the formats of docs/formats.md")
    parser.add_argument("--images", metavar="DIR", help="folder the list's paths start at; default: the list's own")
    parser.add_argument("--sheet", metavar="FILE", help="picture of the worst faces, with labels and predictions")
    parser.add_argument("--most", type=whole_number(1), default=30, metavar="N", help="faces of the sheet (default 30)")
    parser.add_argument("--errors", metavar="FILE", help="CSV of every face's error, the worst first")
    parser.add_argument("--drop-above", type=positive, metavar="F", help="drop faces with a larger error (box widths)")
    parser.add_argument("--keep", metavar="FILE", help="the list without them, in the format of its ending, or --to")
    parser.add_argument("--to", choices=[row.name for row in FORMATS], metavar="FORMAT",
                        help="; ".join(f"{row.name}: {row.text}" for row in FORMATS))
    add_looks_argument(parser, 1)
    add_max_pixels(parser)
    add_python_layers(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
