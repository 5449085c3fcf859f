"""`deeplandmark view_loss log/`: draw the losses of every network in a folder, point out unusual ones."""

import os
import sys

from deeplandmark.commandline.command import command
from deeplandmark.commandline.parser import command_parser
from deeplandmark.commandline.telling import LOG

_EXAMPLES = """examples:
  deeplandmark view_loss log
  deeplandmark view_loss caffe-logs --out curves --svg
  deeplandmark view_loss log --tensorboard runs && tensorboard --logdir runs
"""

PERCENT_OF = "the box width"        # what errors in % are a share of, by the training nets' output error_percent


def get_args_parser():
    parser = command_parser("view_loss", __doc__.split(": ", 1)[1], epilog=_EXAMPLES)
    parser.add_argument("folder", nargs="?", default="log", help="folder with one NETWORK.log each, Caffe's or ours")
    parser.add_argument("--out", metavar="DIR", help="where pictures and CSV go; default: FOLDER/curves")
    parser.add_argument("--svg", action="store_true", help="write SVG beside PNG")
    parser.add_argument("--tensorboard", metavar="DIR", help="also write TensorBoard scalars there, a run for each "
                        "network (needs the extra [tensorboard])")
    return parser


@command
def main(arguments=None):
    """Returns the exit status."""
    options = get_args_parser().parse_args(arguments)
    if not os.path.isdir(options.folder):
        raise ValueError(f"{options.folder}: no such folder")
    from deeplandmark.caffe.logs import (  # after --help: torch takes seconds
        loss_curves,
        loss_plots,
        loss_remarks,
        loss_tables,
        loss_tensorboard,
    )
    out_dir = options.out or os.path.join(options.folder, "curves")
    curves, unreadable = loss_curves.read_folder(options.folder)
    for reason in unreadable.values():
        LOG.warning("view_loss: %s", reason)
    if not curves:
        return 1
    remarks = loss_remarks.unusual(curves)
    loss_tables.write_csv(curves, remarks, out_dir)
    if options.tensorboard:
        loss_tensorboard.write_tensorboard(curves, options.tensorboard)
    loss_plots.draw(curves, remarks, out_dir, ("png", "svg") if options.svg else ("png",), percent_of=PERCENT_OF)
    print(loss_tables.table(curves, remarks))
    print(_legend(curves))
    print(f"{len(curves)} networks, {len(remarks)} unusual; pictures and CSV in {out_dir}, all of them together in "
          "overview.png and losses.csv")
    return 0


def _legend(curves):
    """What the columns of the table are."""
    parts = ["train loss: mean over average_loss iterations", "test loss: the same measure, on the test data"]
    if any(curve.shown_error[0] for curve in curves):
        parts.append(f"error in %: mean distance from the true points in the test, of {PERCENT_OF}")
    without = [curve.name for curve in curves if not len(curve.test_loss.iters)]
    if without:
        parts.append(f"no test loss in {len(without)} logs: over-fitting cannot be seen in them")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
