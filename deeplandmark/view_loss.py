"""`deeplandmark view_loss log/`: draw the losses of every network in a folder, point out unusual ones."""

import argparse
import os
import sys

from deeplandmark.commandline.command import command

_EXAMPLES = """examples:
  deeplandmark view_loss log
  deeplandmark view_loss caffe-logs --out curves --svg
  deeplandmark view_loss log --tensorboard runs && tensorboard --logdir runs
"""


def get_args_parser():
    parser = argparse.ArgumentParser(prog="deeplandmark view_loss", description=__doc__.split(": ", 1)[1],
                                     epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    from deeplandmark.caffe.logs import loss_curves, loss_plots, loss_tensorboard  # after --help: torch takes seconds
    out_dir = options.out or os.path.join(options.folder, "curves")
    curves, unreadable = loss_curves.read_folder(options.folder)
    for reason in unreadable.values():
        print(f"view_loss: {reason}", file=sys.stderr)
    if not curves:
        return 1
    remarks = loss_curves.unusual(curves)
    loss_curves.write_csv(curves, remarks, out_dir)
    if options.tensorboard:
        loss_tensorboard.write_tensorboard(curves, options.tensorboard)
    loss_plots.draw(curves, remarks, out_dir, ("png", "svg") if options.svg else ("png",))
    print(loss_curves.table(curves, remarks))
    print(f"{len(curves)} networks, {len(remarks)} unusual; pictures and CSV in {out_dir}, all of them together in "
          "overview.png and losses.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
