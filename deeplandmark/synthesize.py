"""Command: draws a set of synthetic faces in the format of the real archive."""

import argparse
import sys

import cv2

from .faces.draw import contact_sheet
from .faces.errors import FacesError
from .faces.picture import read_colour
from .faces.picture_list import read_list
from .faces.synthetic.generate import LISTS, generate


def main(arguments=None):
    """Returns the exit status."""
    args = _parser().parse_args(arguments)
    try:
        folder = generate(args.folder, args.train, args.test, args.seed, args.jobs)
        if args.show:
            _show(folder, args.show)
    except (FacesError, OSError) as error:
        print(f"synthesize: {error}", file=sys.stderr)
        return 1
    print(f"{args.train} training and {args.test} test faces of seed {args.seed} in {folder}")
    return 0


def _show(folder, sheet_path, most=48):
    faces = read_list(folder / LISTS[0], problems=[])[:most] or read_list(folder / LISTS[1], problems=[])[:most]
    sheet = contact_sheet([read_colour(face.path) for face in faces], [face.landmark_px for face in faces],
                          boxes=[face.bbox for face in faces])
    if not cv2.imwrite(str(sheet_path), sheet):
        raise OSError(f"{sheet_path}: cannot be written")


def _parser():
    parser = argparse.ArgumentParser(prog="python -m deeplandmark.synthesize", description=__doc__)
    parser.add_argument("folder", help="gets trainImageList.txt, testImageList.txt and synthetic/*.jpg")
    parser.add_argument("--train", type=_count, default=2000, metavar="N", help="training faces (default 2000)")
    parser.add_argument("--test", type=_count, default=500, metavar="N", help="test faces (default 500)")
    parser.add_argument("--seed", type=_count, default=0, metavar="S", help="the same seed gives the same faces")
    parser.add_argument("--jobs", type=_count, metavar="J", help="processes (default: every core)")
    parser.add_argument("--show", metavar="SHEET.png", help="also draw a sheet of the first faces with their points")
    return parser


def _count(text):
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


if __name__ == "__main__":
    sys.exit(main())
