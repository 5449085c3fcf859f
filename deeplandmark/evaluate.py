"""`deeplandmark evaluate`: measure a model on a list of faces, beside the original and the paper."""
import os
import sys
from pathlib import Path

from deeplandmark.commandline.arguments import add_max_pixels, add_python_layers, whole_number
from deeplandmark.commandline.command import command
from deeplandmark.commandline.face_lists import name_skipped
from deeplandmark.commandline.finder_arguments import add_looks_argument, looks_of
from deeplandmark.commandline.parser import command_parser
from deeplandmark.faces.datasets.archive import TEST_LIST
from deeplandmark.faces.datasets.own_lists import measuring_list
from deeplandmark.faces.datasets.read_faces import read_faces
from deeplandmark.faces.errors import FacesError, ListError, OtherPointsError
from deeplandmark.faces.points import FIVE_POINTS, HEAD_AXES
from deeplandmark.measuring import aligned_crops, report_poses, report_robustness
from deeplandmark.measuring import report as usual_report
from deeplandmark.measuring.evaluation import evaluate, spread
from deeplandmark.measuring.five_of_more import FiveOfMore, without_offsets
from deeplandmark.measuring.head_poses import on_drawn_heads
from deeplandmark.measuring.robustness import measure
from deeplandmark.models import load
from deeplandmark.networks.published import model_at

DATA_VARIABLE, DATA_FOLDER = "DEEPLANDMARK_DATA", "dataset/train"
_EXAMPLES = """examples:
  deeplandmark evaluate
  deeplandmark evaluate --model model --data dataset/train --out result
  deeplandmark evaluate --images pictures --list pictures/faces.txt --json table.json --limit 200
  deeplandmark evaluate --list faces68/labels.xml
  deeplandmark evaluate --model 68 --list faces68/labels.xml
  deeplandmark evaluate --model 68 --five
  deeplandmark evaluate --robust --looks auto --out result --limit 500
  deeplandmark evaluate --model pose --list labels68.csv    # of poses: drawn heads, and what the points tell
  deeplandmark evaluate --alignment --list people.csv       # which way of cutting faces out makes crops most alike
"""


def get_args_parser():
    parser = command_parser("evaluate", __doc__.split(": ", 1)[1], epilog=_EXAMPLES)
    parser.add_argument("--model", metavar="DIR", help="model folder, ours or the original's; default: the published "
                        "weights of the package, else model/; light: its small ones")
    parser.add_argument("--list", metavar="FILE", help="faces, in any of the formats of docs/formats.md, or a "
                        f"folder of .pts files; default: {TEST_LIST} of --images or --data")
    parser.add_argument("--images", metavar="DIR", help="folder the list's paths start at; default: the list's own")
    parser.add_argument("--data", metavar="DIR", help="folder of the archive, or faces in any format; default: the "
                        f"variable {DATA_VARIABLE} when it is a folder, else {DATA_FOLDER}")
    parser.add_argument("--json", metavar="FILE", help="write the table as JSON; errors are fractions of the box width")
    parser.add_argument("--out", metavar="DIR", help="write table, curves, histograms and drawn faces there")
    add_looks_argument(parser, 1)
    parser.add_argument("--alignment", action="store_true", help="compare instead crops aligned by the box, by five "
                        "points, by 68 and by the pose: pictures of a person are named NAME_1.jpg, NAME_2.jpg ...")
    parser.add_argument("--robust", action="store_true", help="measure instead how far the faces may be tilted, framed "
                        "badly, dark, blurred, small, covered ...")
    parser.add_argument("--five", action="store_true", help="judge a model of more points by the five that its points "
                        "tell, on a list of five; constant offsets of definition are taken off")
    add_python_layers(parser)
    add_max_pixels(parser)
    parser.add_argument("--limit", type=whole_number(1), metavar="N", help="only N faces, spread evenly over the list")
    return parser


@command(strangers_models=True)
def main(arguments=None):
    """Returns the exit status."""
    options = get_args_parser().parse_args(arguments)
    _run(options)
    return 0


def _run(options):
    _make_folders(options)
    model = model_at(options.model)
    if options.five and options.robust:
        raise FacesError("--five is not for --robust")
    system = load(model)                                         # it says how many points the list has
    if options.alignment:
        return _alignment(system, options)
    if system.settings.points == HEAD_AXES:
        return _poses(system, options)
    system = FiveOfMore(system) if options.five else system
    list_path = Path(options.list) if options.list else _default_list(options)
    faces, problems = _faces(list_path, system.settings.points, options)
    name_skipped("evaluate", problems)
    measured, report = (measure, report_robustness) if options.robust else (evaluate, usual_report)
    result = measured(system, faces if options.limit is None else spread(faces, options.limit), problems,
                      looks_of(options))
    if options.five:
        result = without_offsets(result, system.of)
    name_skipped("evaluate", result.problems[len(problems):])
    title = f"model {model}, list {list_path.name}"
    print(report.table(result, title), end="")
    if options.json:
        report.save_json(result, options.json)
    if options.out:
        report.save_report(result, options.out, title)


def _poses(system, options):
    found = {"drawn heads": on_drawn_heads(system), "drawn heads turned far": on_drawn_heads(system, far=True)}
    problems = []
    if options.list or options.images or options.data or DATA_VARIABLE in os.environ or Path(DATA_FOLDER).is_dir():
        path = Path(options.list) if options.list else _default_list(options)
        told, problems = report_poses.of_list(system, path, options.images, options.limit)
        found.update(told)
    name_skipped("evaluate", problems)
    print(report_poses.table(found), end="")
    if options.json:
        report_poses.save_json(found, options.json)
    if options.out:
        report_poses.save_report(found, options.out)


def _alignment(system, options):
    list_path = Path(options.list) if options.list else _default_list(options)
    faces, problems = _faces(list_path, FIVE_POINTS, options)
    systems = {"5": system, "68": load("68"), "pose": load("pose")}
    result = aligned_crops.measure(systems, faces if options.limit is None else spread(faces, options.limit))
    name_skipped("evaluate", [*problems, *result.problems])
    print(aligned_crops.table(result), end="")
    if options.json:
        aligned_crops.save_json(result, options.json)


def _faces(list_path, points, options):
    try:
        return read_faces(list_path, points, options.images)
    except OtherPointsError as error:
        more = points.five and points != FIVE_POINTS
        raise ListError(error.found + ("; --five judges the model by the five that its points tell" if more else "")
                        ) from None


def _make_folders(options):
    """Whatever the results need, before minutes of work rather than after them."""
    for folder in (options.out, options.json and Path(options.json).parent):
        try:
            Path(folder or ".").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ListError(f"{folder}: no folder can be made there ({error.strerror})") from None
    if options.out:
        import deeplandmark.measuring.report_curves  # noqa: F401 - it needs matplotlib, of the extra [train]
    if options.json and Path(options.json).is_dir():
        raise ListError(f"--json {options.json}: is a folder")


def _default_list(options):
    if options.images and (Path(options.images) / TEST_LIST).is_file():
        return Path(options.images) / TEST_LIST
    if options.data and Path(options.data).is_file() and Path(options.data).suffix.lower() != ".zip":
        return measuring_list(options.data)
    folder = _data_folder(options)
    direct = folder / TEST_LIST
    return direct if direct.is_file() else measuring_list(folder)


def _data_folder(options):
    if options.data:
        if not Path(options.data).is_dir():
            raise ListError(f"{options.data}: not a folder (a zip is unpacked by ./bootstrap.sh --data)")
        return Path(options.data)
    for folder in (os.environ.get(DATA_VARIABLE), DATA_FOLDER):
        if folder and Path(folder).is_dir():
            return Path(folder)
    raise ListError(f"no faces to evaluate on: give --list and --images, or --data, or set {DATA_VARIABLE}")


if __name__ == "__main__":
    sys.exit(main())
