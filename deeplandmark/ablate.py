"""Train a network again with one thing changed, and show what the change did.

  structures   F as S0, S3, S4, S5, S6, S7 (the paper's Figure 4)
  recipe       F with one step of the training recipe after the other
  starts       three networks of level 2: where their patches start from (needs a trained level 1)

Errors are those of the held-back tenth of the training list. A killed run goes on with the same command.

examples:
  deeplandmark ablate structures --data dataset/train
  deeplandmark ablate recipe --data dataset/train --iterations 20000
"""
import os
import sys
from pathlib import Path

from deeplandmark.cascade.families import PAPER
from deeplandmark.cascade.settings import PAPER_SETTINGS
from deeplandmark.commandline.arguments import whole_number
from deeplandmark.commandline.command import command, when_interrupted
from deeplandmark.commandline.parser import command_parser
from deeplandmark.faces.datasets.archive import open_archive
from deeplandmark.measuring.ablation import ABLATIONS, needs_frozen, row_text, run, save_rows
from deeplandmark.training.prepare import Plan, prepare
from deeplandmark.work.whole_file import write_text


@command
def main(arguments=None):
    """Returns the exit status."""
    args = _parser().parse_args(arguments)
    if not args.data:
        raise ValueError("no data: give --data FOLDER (or ZIP), or set DEEPLANDMARK_DATA")
    with when_interrupted("the same command goes on from the last snapshots"):
        _ablate(args)
    return 0


def _ablate(args):
    ablation, out = ABLATIONS[args.what], Path(args.out, args.what)
    archive = open_archive(args.data, Path("dataset", Path(args.data).stem))
    for frozen in (False, True)[:1 + needs_frozen(ablation)]:
        plan = Plan.of(PAPER, PAPER_SETTINGS, ablation.level, seed=args.seed, frozen=frozen,
                       start_from=args.start_from if ablation.level > 1 else None)
        prepare(plan, archive.train_list, args.frozen_train if frozen else args.train, args.jobs)
    out.mkdir(parents=True, exist_ok=True)
    print(f"{args.what}: {args.iterations} iterations each; mean error in % of the box width (failures in %)",
          flush=True)
    rows = run(ablation, args.iterations, out, args.train, args.frozen_train, args.seed, args.jobs,
               say=lambda text: print(text, flush=True))
    write_text(out / "table.txt", "\n".join(map(row_text, rows)) + "\n")
    save_rows(rows, args.iterations, out / "table.json")
    print(f"points: {' '.join(rows[0]['points'])} | mean; written to {out}/table.txt and table.json")


def _parser():
    parser = command_parser("ablate", __doc__)
    parser.add_argument("what", choices=list(ABLATIONS))
    parser.add_argument("--data", default=os.environ.get("DEEPLANDMARK_DATA"), metavar="PATH",
                        help="folder or zip with trainImageList.txt (default: DEEPLANDMARK_DATA)")
    parser.add_argument("--iterations", type=whole_number(1), default=5000, metavar="N",
                        help="of each trial (default 5000)")
    parser.add_argument("--out", default="ablation", metavar="DIR")
    parser.add_argument("--train", default="train", metavar="DIR", help="samples; made when they are not there")
    parser.add_argument("--frozen-train", default="train-frozen", metavar="DIR", help="samples posed once (recipe)")
    parser.add_argument("--start-from", default="model", metavar="MODEL", help="of the level before (starts)")
    parser.add_argument("--seed", type=whole_number(), default=1)
    parser.add_argument("--jobs", type=whole_number(1), metavar="N", help="trials at a time (default: one a core)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
