"""Make the HDF5 files that a level is trained on.

examples:
  deeplandmark prepare 1 --data dataset/train
  deeplandmark prepare 2 --data dataset/train --show patches.png
  deeplandmark prepare 3 --data dataset/train --start-from model
  deeplandmark prepare 1 --data pictures --points mouth.json
  deeplandmark prepare 1 --data labels.xml --points 68 --variant face112
"""
import os
import sys
from pathlib import Path

from deeplandmark.commandline.arguments import add_max_pixels, whole_number
from deeplandmark.commandline.command import command, when_interrupted
from deeplandmark.commandline.face_lists import name_skipped
from deeplandmark.commandline.parser import command_parser
from deeplandmark.commandline.points_options import add_points_argument
from deeplandmark.commandline.variant_options import add_variant_argument
from deeplandmark.faces.datasets.own_lists import training_list
from deeplandmark.models.families import family_of, settings_of
from deeplandmark.training.prepare import Plan, prepare
from deeplandmark.training.show_samples import show_samples


@command
def main(arguments=None):
    """Returns the exit status."""
    args = _parser().parse_args(arguments)
    if not args.data:
        raise ValueError("no data: give --data FOLDER (or ZIP), or set DEEPLANDMARK_DATA")
    with when_interrupted(f"level {args.level} has no HDF5 files until the same command has run to its end"):
        _prepare(args)
    return 0


def _prepare(args):
    plan, out = _plan(args), args.out or args.own.folder("train")
    train_list = training_list(args.data, args.unpack_to or Path("dataset", Path(args.data).stem))
    result = prepare(plan, train_list, out, args.jobs, args.force)
    if result is None:
        print(f"level {args.level}: the HDF5 files in {out}/ are up to date")
    else:
        used, problems = result
        name_skipped("prepare", problems)
        print(f"level {args.level}: {used} faces, {len(problems)} bad lines skipped; {out}/"
              f"{{{','.join(network.full_name for network in plan.networks)}}}/ hold "
              + (f"{plan.copies} copies of each" if plan.frozen else "windows to cut patches of"))
    if args.show:
        show_samples(plan, out, args.show, args.variant)
        print(f"samples are drawn in {args.show}")


def _plan(args):
    _check_start(args)
    family, settings = family_of(args.variant), settings_of(args.variant, args.own.points)
    changes = {} if args.copies is None else {"copies": args.copies}
    return Plan.of(family, settings, args.level, seed=args.seed, start_from=args.start_from,
                   frozen=args.frozen or family.frozen, **changes)


def _check_start(args):
    kind = type(settings_of(args.variant))
    if args.start_from and args.level > 1 and Path(args.start_from, kind.FILE_NAME).is_file():
        names = kind.load(args.start_from).points.names
        if names != args.own.points.names:
            raise ValueError(f"--start-from {args.start_from} finds {' '.join(names)}, the samples are of "
                             f"{' '.join(args.own.points.names)}: give the --points that it was trained with")


def _parser():
    parser = command_parser("prepare", __doc__)
    parser.add_argument("level", type=int, choices=(1, 2, 3))
    parser.add_argument("--data", default=os.environ.get("DEEPLANDMARK_DATA"), metavar="PATH",
                        help="folder or zip with trainImageList.txt, or faces in any format (docs/formats.md); "
                        "default: DEEPLANDMARK_DATA")
    parser.add_argument("--unpack-to", metavar="DIR", help="where a zip is unpacked (default: dataset/NAME)")
    parser.add_argument("--out", metavar="DIR", help="gets {level}_{name}/ (default: train; train-NAME with --points)")
    add_variant_argument(parser)
    add_points_argument(parser)
    parser.add_argument("--frozen", action="store_true",
                        help="patches cut once and for all, for nets generated with --frozen; "
                             "the original's always are")
    parser.add_argument("--copies", type=whole_number(1), metavar="N",
                        help="frozen samples of each face, each under a new pose (default 8)")
    parser.add_argument("--start-from", metavar="MODEL",
                        help="begin where this model puts the points at the level before, not at shifted true points")
    parser.add_argument("--seed", type=whole_number(), default=1)
    parser.add_argument("--jobs", type=whole_number(1), metavar="J", help="processes (default: every core)")
    add_max_pixels(parser)
    parser.add_argument("--force", action="store_true", help="make the files even when they are up to date")
    parser.add_argument("--show", metavar="SHEET.png", help="draw the first samples with their targets")
    return parser


if __name__ == "__main__":
    sys.exit(main())
