"""Write pictures in other styles: grey, light, dark, as a sketch, and the mean of them all, each into its folder.

They are the styles that --variant san makes inside its network, after the set 300W-Style: to see what it sees, or to
train and measure other networks on them. Points and lists of the pictures hold for the styles as well.

examples:
  deeplandmark restyle pictures styles
  deeplandmark restyle 300W/01_Indoor styles --styles sketch,aggregated
"""
import argparse
import logging
import sys
from functools import partial
from pathlib import Path

from deeplandmark.commandline.arguments import add_max_pixels
from deeplandmark.commandline.command import command
from deeplandmark.commandline.parser import command_parser
from deeplandmark.faces.errors import PictureError
from deeplandmark.faces.picture import pictures_below, read_upright
from deeplandmark.running.result_folder import ResultFolder
from deeplandmark.training.styles import STYLES, restyled
from deeplandmark.work.in_order import in_order
from deeplandmark.work.progress import Progress


@command
def main(arguments=None):
    """Returns the exit status: 1 when a picture was bad."""
    options = _parser().parse_args(arguments)
    folders = {style: ResultFolder(f"{options.out}/{style}", [options.folder]) for style in options.styles}
    paths = [path for path in pictures_below(options.folder) if Path(options.out) not in path.parents]
    if not paths:
        raise ValueError(f"{options.folder}: there are no pictures")
    bad, progress = 0, Progress("pictures", len(paths), "restyling")
    for problem in progress.over(in_order(partial(_restyle, folders), paths)):
        if problem:
            bad += 1
            progress.say(f"restyle: skipped {problem}", logging.WARNING)
    print(f"{len(paths) - bad} pictures in {len(folders)} styles in {options.out}")
    return 1 if bad else 0


def _restyle(folders, path):
    """Writes the styles of one picture; returns what is wrong with it, or nothing."""
    try:
        found = restyled(read_upright(path))
    except PictureError as error:
        return error
    for style, folder in folders.items():
        folder.write(folder.path_of(path), found[style])


def _styles(text):
    names = text.split(",")
    unknown = [name for name in names if name not in STYLES]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is no style (known: {', '.join(STYLES)})")
    return names


def _parser():
    parser = command_parser("restyle", __doc__)
    parser.add_argument("folder", metavar="FOLDER", help="the pictures in it and below it")
    parser.add_argument("out", metavar="OUT", help="gets a folder a style; a picture keeps its path below FOLDER")
    parser.add_argument("--styles", type=_styles, default=list(STYLES), metavar="A,B",
                        help=f"only these (default: {','.join(STYLES)})")
    add_max_pixels(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
