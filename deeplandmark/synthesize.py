"""Draw a set of synthetic faces in the format of the real archive.

examples:
  deeplandmark synthesize faces
  deeplandmark synthesize faces --train 200 --test 50 --seed 3 --show faces.png
"""

import sys

from deeplandmark.commandline.arguments import whole_number
from deeplandmark.commandline.command import command, when_interrupted
from deeplandmark.commandline.parser import command_parser
from deeplandmark.faces.datasets.picture_list import read_list
from deeplandmark.faces.draw import contact_sheet
from deeplandmark.faces.picture import read_colour, write_picture
from deeplandmark.faces.synthetic.generate import LISTS, generate


@command
def main(arguments=None):
    """Returns the exit status."""
    args = _parser().parse_args(arguments)
    if args.show and not args.train + args.test:
        raise ValueError("--show: there are no faces to show")
    with when_interrupted("the same command draws the faces anew"):
        folder = generate(args.folder, args.train, args.test, args.seed, args.jobs)
        if args.show:
            _show(folder, args.show)
    print(f"{args.train} training and {args.test} test faces of seed {args.seed} in {folder}")
    return 0


def _show(folder, sheet_path, most=48):
    faces = read_list(folder / LISTS[0])[:most] or read_list(folder / LISTS[1])[:most]
    sheet = contact_sheet([read_colour(face.path) for face in faces], [face.landmark_px for face in faces],
                          boxes=[face.bbox for face in faces])
    write_picture(sheet_path, sheet)


def _parser():
    parser = command_parser("synthesize", __doc__)
    parser.add_argument("folder", help="gets trainImageList.txt, testImageList.txt and synthetic/*.jpg")
    parser.add_argument("--train", type=whole_number(), default=2000, metavar="N", help="training faces (default 2000)")
    parser.add_argument("--test", type=whole_number(), default=500, metavar="N", help="test faces (default 500)")
    parser.add_argument("--seed", type=whole_number(), default=0, metavar="S",
                        help="the same seed gives the same faces")
    parser.add_argument("--jobs", type=whole_number(1), metavar="J", help="processes (default: every core)")
    parser.add_argument("--show", metavar="SHEET.png", help="also draw a sheet of the first faces with their points")
    return parser


if __name__ == "__main__":
    sys.exit(main())
