"""Train the networks of a level on the HDF5 files that `deeplandmark.prepare` made.

Killed at any moment and started again, it goes on from the last snapshots.

examples:
  deeplandmark train 1
  deeplandmark train 2 --jobs 2
  deeplandmark train 3 --only 3_LE1,3_LE2 --device cuda --precision bfloat16
  deeplandmark train 1 --points mouth.json
  torchrun --nproc-per-node 2 -m deeplandmark.train 1
"""
import sys
import time

from deeplandmark.commandline.arguments import whole_number
from deeplandmark.commandline.command import command, when_interrupted
from deeplandmark.commandline.parser import command_parser
from deeplandmark.commandline.points_options import add_points_argument
from deeplandmark.commandline.ranks_options import add_batch_size_of_argument, ranks_of
from deeplandmark.commandline.telling import LOG
from deeplandmark.commandline.variant_options import add_variant_argument
from deeplandmark.models.families import settings_of
from deeplandmark.work.processes import end_with
from deeplandmark.work.progress import duration

FOLDERS = {"train": "HDF5 files", "model": "models and snapshots", "log": "training logs"}


@command
def main(arguments=None):
    """Returns the exit status."""
    args = _parser().parse_args(arguments)
    from deeplandmark.training.network_training import Folders
    from deeplandmark.training.train_level import train_level  # after --help: torch takes seconds to load
    if args.end_with:
        end_with(args.end_with)
    start = time.monotonic()
    folders = Folders(args.prototxt, *(getattr(args, kind) or args.own.folder(kind) for kind in FOLDERS))
    with (when_interrupted(f"the same command goes on from the last snapshots in {folders.model}/"),
          ranks_of(args) as ranks):
        errors = train_level(settings_of(args.variant, args.own.points), args.level, folders, args.only, args.jobs,
                             args.device, args.precision, _say, ranks, args.share)
    print(f"level {args.level} is trained ({duration(time.monotonic() - start)}); test loss as a share of a constant "
          "answer's: " + ", ".join(f"{name} {error:.3f}" for name, error in errors.items()))
    return 0


def _say(text):
    LOG.info("%s%s", "\n" * sys.stderr.isatty(), text)


def _names(text):
    return text.split(",")


def _parser():
    parser = command_parser("train", __doc__)
    parser.add_argument("level", type=int, choices=(1, 2, 3))
    add_variant_argument(parser)
    parser.add_argument("--only", type=_names, metavar="NAMES", help="networks to train, such as 2_LE1,2_LE2")
    parser.add_argument("--jobs", type=whole_number(1), metavar="N",
                        help="processes that train at a time (default: one a core; 1 on a GPU)")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"),
                        help="of the maps (default: float32); weights and losses are always float32")
    add_batch_size_of_argument(parser)
    parser.add_argument("--share", default="auto", choices=("auto", "batch", "networks"),
                        help="under torchrun: each process has its share of every batch, or networks of its own "
                             "(default: these where there are at least as many of each kind as processes)")
    add_points_argument(parser)
    parser.add_argument("--prototxt", default="prototxt", metavar="DIR",
                        help="generated prototxt files (default: prototxt)")
    for name, content in FOLDERS.items():
        parser.add_argument(f"--{name}", metavar="DIR", help=f"{content} (default: {name}; {name}-NAME with --points)")
    parser.add_argument("--end-with", type=whole_number(1), metavar="PID",
                        help="end when this process, the caller, is no more; the snapshots stay")
    return parser


if __name__ == "__main__":
    sys.exit(main())
