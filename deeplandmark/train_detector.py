"""Train a detector, stage by stage: ./bootstrap.sh --system NAME runs all of them, and measures it.

Each stage goes on where it was when it is run again, and is passed over when it is done. Without a stage all of them
run, one after the other.

examples:
  deeplandmark train_detector single_shot --data dataset/train --negatives noface.zip
  deeplandmark train_detector mtcnn samples_p --data dataset/train --more faces68-train.zip
  deeplandmark train_detector mtcnn train_p --data dataset/train --set base_lr=0.003
  torchrun --nproc-per-node 2 -m deeplandmark.train_detector mtcnn --data dataset/train
"""
import os
import sys

from deeplandmark.commandline.arguments import positive, whole_number
from deeplandmark.commandline.command import command, when_interrupted
from deeplandmark.commandline.detector_options import add_detector_data_arguments
from deeplandmark.commandline.parser import command_parser
from deeplandmark.commandline.ranks_options import add_batch_size_of_argument, ranks_of
from deeplandmark.commandline.variant_options import add_set_argument
from deeplandmark.training.templates import RECIPES
from deeplandmark.work.processes import end_with

FOLDERS = {"train": "HDF5 samples", "model": "networks and snapshots", "log": "training logs"}


@command
def main(arguments=None):
    """Returns the exit status."""
    options = _parser().parse_args(arguments)
    from deeplandmark.detector_training.job import Job  # after --help: torch takes seconds to load
    from deeplandmark.detector_training.systems import SYSTEMS
    from deeplandmark.training.network_training import Folders
    if options.end_with:
        end_with(options.end_with)
    if options.system not in SYSTEMS:
        raise ValueError(f"no detector {options.system} is trained here (known: {', '.join(SYSTEMS)})")
    if not options.data:
        raise ValueError("no data: give --data FOLDER (or ZIP), or set DEEPLANDMARK_DATA")
    system = SYSTEMS[options.system]
    stages = [system.stage(name) for name in options.stages] or system.stages
    folders = Folders(options.prototxt or f"prototxt/{system.name}",
                      *(getattr(options, kind) or f"{kind}-{system.name}" for kind in FOLDERS))
    with when_interrupted("the same command goes on from there"), ranks_of(options) as ranks:
        job = Job(options.data, tuple(options.more), options.negatives, folders, options.recipe, options.effort,
                  options.seed, tuple(options.set), options.jobs, options.device, ranks)
        for stage in stages:
            print(stage.run(job), flush=True)
    return 0


def _parser():
    parser = command_parser("train_detector", __doc__)
    parser.add_argument("system", metavar="SYSTEM", help="single_shot or mtcnn")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="as `deeplandmark plan --system NAME` lists them")
    parser.add_argument("--data", default=os.environ.get("DEEPLANDMARK_DATA"), metavar="PATH",
                        help="folder or zip with trainImageList.txt (default: DEEPLANDMARK_DATA)")
    add_detector_data_arguments(parser)
    parser.add_argument("--recipe", default="fast", choices=RECIPES, help="training plan (default: fast)")
    parser.add_argument("--effort", type=positive, default=1.0, metavar="X", help="factor on the number of iterations")
    add_set_argument(parser)
    parser.add_argument("--seed", type=whole_number(), default=1)
    parser.add_argument("--jobs", type=whole_number(1), metavar="N", help="threads that make samples (default: every "
                        "core)")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    add_batch_size_of_argument(parser)
    parser.add_argument("--prototxt", metavar="DIR", help="generated prototxt files (default: prototxt/SYSTEM)")
    for name, content in FOLDERS.items():
        parser.add_argument(f"--{name}", metavar="DIR", help=f"{content} (default: {name}-SYSTEM)")
    parser.add_argument("--end-with", type=whole_number(1), metavar="PID",
                        help="end when this process, the caller, is no more; the snapshots stay")
    return parser


if __name__ == "__main__":
    sys.exit(main())
