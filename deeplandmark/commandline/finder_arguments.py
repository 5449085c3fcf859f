"""What `detect`, `align` and `label` are told on the command line about finding faces."""

import sys
import warnings

from deeplandmark.commandline.arguments import add_max_pixels, add_python_layers, whole_number
from deeplandmark.commandline.detector_arguments import add_search_arguments, detector_of
from deeplandmark.detectors import GivenBoxes, parse_box, read_boxes
from deeplandmark.detectors.given import doubtful_order
from deeplandmark.faces.errors import FacesError
from deeplandmark.networks.published import POINTS, model_of_points
from deeplandmark.running.faces_in_picture import FaceFinder
from deeplandmark.work.cores import cores
from deeplandmark.work.opencv import set_up_opencv


def add_finder_arguments(parser):
    add_model_arguments(parser)
    add_pose_argument(parser)
    parser.add_argument("--boxes", action="append", metavar="L,T,R,B", help="a face's box, left,top,right,bottom in "
                        "pixels, instead of searching; may be given several times")
    parser.add_argument("--boxes-file", metavar="FILE", help="boxes of many pictures, JSON lines or CSV")
    parser.add_argument("--threads", type=whole_number(1), default=cores(), metavar="N", help="default: every core")


def add_pose_argument(parser):
    parser.add_argument("--pose", action="store_true", help="also pitch, yaw and roll of each head, in degrees: above "
                        "0 where the nose points up, to the right side of the picture, and where the head is tilted "
                        "clockwise")


def add_model_arguments(parser):
    """What decides about the points of a picture's faces."""
    parser.add_argument("--model", metavar="DIR", help="model folder; default: the published weights of the package; "
                        "light: its small ones")
    parser.add_argument("--points", choices=POINTS, help="how many points of a face the published weights find "
                        "(default 5; 68: iBUG's; 88: with the brows' both edges and the nose)")
    parser.add_argument("--level", type=int, choices=(1, 2, 3), help="last level of a cascade (default 3)")
    add_looks_argument(parser, "auto")
    add_search_arguments(parser)
    parser.add_argument("--max-faces", type=whole_number(1), metavar="N", help="only the N largest faces of a picture")
    parser.add_argument("--device", default="cpu", help="where the model runs: cpu (default), cuda or cuda:N; the "
                        "processor where no library here has a GPU")
    add_max_pixels(parser)
    add_python_layers(parser)


def with_boxes_joined(arguments=None):
    """The words of a command line (list of str, by default this process's) with `--boxes -40,...` in one: a box may
    begin with a minus, which argparse takes for an option."""
    joined = []
    for word in sys.argv[1:] if arguments is None else arguments:
        if joined and joined[-1] == "--boxes" and word[:1] == "-" and "," in word:
            joined[-1] = f"--boxes={word}"
        else:
            joined.append(word)
    return joined


def add_looks_argument(parser, default):
    parser.add_argument("--looks", choices=("1", "2", "auto"), default=str(default), help="how often the model looks "
                        "at a face: again upright and in a better box, and turned where it is lost; auto: where "
                        f"that is worth it (default {default})")


def looks_of(options):
    """What --looks says: 1, 2 or "auto"."""
    return options.looks if options.looks == "auto" else int(options.looks)


def load_finder(options):
    """The `FaceFinder` of those arguments. Raises FacesError, ValueError or ImportError naming what is wrong."""
    model = model_of_points(options.points, options.model)
    from deeplandmark.models import load  # late: a wrong argument needs no network library
    set_up_opencv()                                              # before it has a word to say about a detector
    boxes = None if options.boxes_file is None else read_boxes(options.boxes_file)
    given = [] if boxes is None else [box for own in boxes.values() for box in own]
    if options.boxes:
        given = [parse_box(text) for text in options.boxes]
        detector = GivenBoxes(given)
    else:
        detector = detector_of(options)
    remark = doubtful_order(given)
    if remark is not None:
        warnings.warn(remark, stacklevel=2)
    system = load(model, device=options.device)
    if options.level is not None and not hasattr(system, "levels"):
        raise FacesError(f"--level {options.level}: the model {model} has no levels")
    return FaceFinder(system, detector, options.max_faces, options.level, boxes, looks_of(options),
                      load("pose") if getattr(options, "pose", False) else None)
