"""Show the steps from pictures to a measured model: the commands that ./bootstrap.sh runs for a family, or a system.

examples:
  deeplandmark plan
  deeplandmark plan --variant wide --recipe full --data dataset/train
  deeplandmark plan --levels 2,3 --set rotation=20
  deeplandmark plan --system single_shot --data dataset/train --negatives noface.zip
  deeplandmark plan --system regressor --points 68 --data dataset/labels-68
  deeplandmark plan --system pose --data dataset/train-lists-axes
"""
import argparse
import re
import shlex
import sys

from deeplandmark.commandline.arguments import positive, whole_number
from deeplandmark.commandline.command import command
from deeplandmark.commandline.detector_options import add_detector_data_arguments
from deeplandmark.commandline.parser import command_parser
from deeplandmark.commandline.points_options import OwnPoints, points_of
from deeplandmark.commandline.variant_options import (
    add_levels_argument,
    add_set_argument,
    add_variant_argument,
    check_levels,
)
from deeplandmark.models.families import POINTS_OF_SYSTEM, USUAL_OF_SYSTEM, settings_of, variant_of_system
from deeplandmark.training.steps import SYNTHETIC_EFFORT, folders_of, is_synthetic, steps
from deeplandmark.training.templates import RECIPES, check_family_variables, check_variables


@command
def main(arguments=None):
    """Returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.effort is None and is_synthetic(options.data):
        options.effort = SYNTHETIC_EFFORT
    if options.system in USUAL_OF_SYSTEM:
        options.variant = variant_of_system(options.system, options.variant)
        found, folders = _of_family(options)
    elif options.system in POINTS_OF_SYSTEM:
        found, folders = _of_system(options)
    else:
        found, folders = _of_detector(options) if options.system else _of_family(options)
    if options.check:
        return 0
    print(_shell(found, folders) if options.shell else "\n".join(_shown(step) for step in found))
    return 0


def _of_system(options):
    """Steps and Folders of a family with points of its own, under the system's name alone."""
    if options.points:
        raise ValueError(f"--points is not for --system {options.system}, which has its own")
    options.variant, options.points = options.system, POINTS_OF_SYSTEM[options.system]
    return _of_family(options, named=False)


def _of_family(options, named=True):
    """Steps and Folders; whether the folders' names tell the points."""
    own = points_of(options.points) if options.points else OwnPoints()
    check_levels(options.levels, settings_of(options.variant, own.points))
    check_family_variables(dict(options.set), options.variant)
    for name, value in (("more", options.more), ("negatives", options.negatives)):
        if value:
            raise ValueError(f"--{name} is for detectors: give --system")
    folders = folders_of(options.variant, own.name if named else "", options.data)
    return ([] if options.check else steps(options, own.points, folders)), folders


def _of_detector(options):
    """Steps and Folders."""
    from deeplandmark.detector_training import systems  # torch comes with it, which families do without
    for name in ("points", "levels", "copies"):
        if getattr(options, name):
            raise ValueError(f"--{name} is for families of landmark networks, not for --system {options.system}")
    if options.system not in systems.SYSTEMS:
        raise ValueError(f"--system {options.system}: there are "
                         f"{', '.join((*systems.SYSTEMS, *POINTS_OF_SYSTEM, *USUAL_OF_SYSTEM))}")
    system = systems.SYSTEMS[options.system]
    check_variables(dict(options.set), system.name)
    folders = folders_of(system.name, "", options.data)
    return systems.steps(system, options, folders), folders


def _shown(step):
    return f"{step.minutes:4g}  {shlex.join(['deeplandmark', *step.command])}"


def _shell(found, folders):
    """What bash evaluates: the folders' names, how many steps there are, and each of them as a call of `step`."""
    lines = [f"model={shlex.quote(folders.model)} log={shlex.quote(folders.log)} result={shlex.quote(folders.result)}",
             f"steps={len(found)} todo={sum(step.minutes for step in found)}"]
    return "\n".join([*lines, *(shlex.join(["step", step.name, str(step.minutes), *step.command]) for step in found)])


def _device(text):
    if not re.fullmatch(r"cpu|cuda(:[0-9]+)?", text):
        raise argparse.ArgumentTypeError(f"{text} is neither cpu nor cuda nor cuda:N")
    return text


def _parser():
    parser = command_parser("plan", __doc__)
    parser.add_argument("--data", default="dataset/train", metavar="FOLDER", help="of the pictures' lists")
    add_variant_argument(parser)
    parser.add_argument("--system", metavar="NAME", help="a detector (single_shot, mtcnn), pose, of a "
                        "head, or what the family belongs to: cascade or regressor, by itself its usual family")
    add_detector_data_arguments(parser)
    parser.add_argument("--points", metavar="FILE", help="set of points (68, 88) or a points file")
    parser.add_argument("--recipe", default="fast", choices=RECIPES, help="training plan (default: fast)")
    add_levels_argument(parser, "levels to train")
    add_set_argument(parser)
    parser.add_argument("--effort", type=positive, metavar="X", help="factor on the number of iterations (default: 1; "
                        f"{SYNTHETIC_EFFORT:g} for synthetic faces)")
    parser.add_argument("--jobs", type=whole_number(1), metavar="N", help="processes that train at a time")
    parser.add_argument("--device", default="cpu", type=_device, help="cpu (default), cuda or cuda:N")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--copies", type=whole_number(1), metavar="N", help="samples of each face with frozen patches")
    parser.add_argument("--seed", type=whole_number(), default=1)
    parser.add_argument("--end-with", type=whole_number(1), metavar="PID", help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--shell", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
