"""Find the training pictures: given ones, those in dataset/train, the official download, or synthetic faces.

Prints the folder that holds trainImageList.txt and testImageList.txt; everything else it says goes to stderr.

examples:
  deeplandmark find_data --data train.zip
  deeplandmark find_data --data labels.xml --points 68
  deeplandmark find_data --data labels.csv --system pose      # poses of its 68 points, and drawn heads
  deeplandmark find_data --offline
"""
import os
import sys
from pathlib import Path

from deeplandmark.commandline.arguments import whole_number
from deeplandmark.commandline.command import command, when_interrupted
from deeplandmark.commandline.face_lists import name_skipped
from deeplandmark.commandline.parser import command_parser
from deeplandmark.commandline.points_options import add_points_argument, points_of
from deeplandmark.commandline.telling import LOG
from deeplandmark.faces.datasets.archive import OFFICIAL_PICTURES, check_archive, open_archive
from deeplandmark.faces.datasets.download import OFFICIAL_URL, download
from deeplandmark.faces.datasets.own_lists import add_faces, is_own, write_lists
from deeplandmark.faces.datasets.plausible import check_plausible
from deeplandmark.faces.datasets.read_faces import read_faces
from deeplandmark.faces.errors import ArchiveError
from deeplandmark.faces.points import FIVE_POINTS, HEAD_AXES
from deeplandmark.faces.synthetic.generate import LISTS, generate
from deeplandmark.models.families import POINTS_OF_SYSTEM

FACES, HEADS = 2000, 6000    # drawn to train on; heads turn further than labelled faces do, and poses need more of them


@command
def main(arguments=None):
    """Returns the exit status."""
    args = _parser().parse_args(arguments)
    if args.system in POINTS_OF_SYSTEM:
        args.own = points_of(POINTS_OF_SYSTEM[args.system])
    with when_interrupted("the same command goes on from here"):
        print(find(args))
    return 0


def find(args):
    """The folder of the pictures, by the first source that has them."""
    dataset = Path(args.dataset)
    given = args.data or os.environ.get("DEEPLANDMARK_DATA")
    if args.own.points == HEAD_AXES:
        return _heads(given, dataset, args)
    if given and is_own(given):
        return _made_of(given, dataset, args.own)
    if given:                                                    # a folder for each zip: two never mix
        return _opened(given, dataset / Path(given).stem, points=args.own.points)
    if args.own.name:
        raise ArchiveError("--points needs pictures of your own: give them with --data PATH")
    downloaded = (dataset / "train.zip").is_file()               # the last run may have been killed while unpacking it
    if (dataset / "train").is_dir() and not downloaded:
        try:
            return _opened(dataset / "train", None, OFFICIAL_PICTURES)
        except ArchiveError as error:
            raise ArchiveError(f"{error}; give other pictures with --data, or remove {dataset / 'train'}") from None
    if downloaded or not args.offline:
        try:
            return _downloaded(dataset)
        except ArchiveError as error:
            _say(f"the download failed ({error}); see dataset/README.md for other ways to get the pictures")
    _say("NO REAL PICTURES: training on SYNTHETIC faces. The models will find points in drawings, not in photographs; "
         "they go to model-synthetic/.")
    return generate(dataset / "synthetic", args.synthetic_train or FACES, args.synthetic_test, args.seed)


def _heads(given, dataset, args):
    """The folder of lists of poses: of labelled faces with drawn ones, which turn further; else of these alone."""
    drawn = generate(dataset / "synthetic-heads", args.synthetic_train or HEADS, args.synthetic_test, args.seed,
                     posed=True)
    if not given:
        if not args.offline:
            raise ArchiveError("no faces with 68 points: give them with --data PATH, or --offline to train on drawn "
                               "heads alone")
        _say("NO REAL PICTURES: training on SYNTHETIC heads.")
        return drawn
    if not is_own(given):
        given = open_archive(given, dataset / Path(given).stem).folder
    folder = _made_of(given, dataset, args.own)
    add_faces(folder / LISTS[0], read_faces(drawn / LISTS[0], args.own.points)[0], args.own.points)
    return folder


def _made_of(given, dataset, own):
    """The folder of the lists that are made of labels in another format."""
    folder = dataset / "-".join([Path(given).stem, "lists", *[own.name] * bool(own.name)])
    archive, problems = write_lists(given, own.points, folder)
    name_skipped("find_data", problems)
    return _opened(archive.folder, None, points=own.points)


def _opened(path, unpack_to, pictures=None, points=FIVE_POINTS):
    archive = open_archive(path, unpack_to)
    found = check_archive(archive, pictures, points)
    check_plausible(read_faces(archive.train_list, points)[0], points, archive.train_list)
    name_skipped("find_data", found.problems)
    if found.named and len(found.missing) == found.named:
        raise ArchiveError(f"{archive.folder}: not one of the {found.named} pictures in its lists is there")
    _say(f"{found.named} pictures are named in the lists of {archive.folder}, {len(found.missing)} of them are missing")
    return archive.folder


def _downloaded(dataset):
    zip_path = download(OFFICIAL_URL, dataset / "train.zip")
    try:
        return _opened(zip_path, dataset / "train", OFFICIAL_PICTURES)
    except ArchiveError:
        zip_path.replace(f"{zip_path}.bad")                    # an error page, or a broken file: fetched anew next time
        raise


def _say(text):
    LOG.info("%s", text)


def _parser():
    parser = command_parser("find_data", __doc__)
    parser.add_argument("--data", metavar="PATH", help="zip or folder with the lists, or labels in "
                        "any format (docs/formats.md) (default: DEEPLANDMARK_DATA)")
    parser.add_argument("--dataset", default="dataset", metavar="DIR",
                        help="where pictures are kept (default: dataset)")
    parser.add_argument("--offline", action="store_true",
                        help="do not download: synthetic faces if nothing else is there")
    add_points_argument(parser)
    parser.add_argument("--system", metavar="NAME", help="what the pictures are for: pose takes those of 68 points")
    parser.add_argument("--synthetic-train", type=whole_number(1), metavar="N",
                        help=f"synthetic training faces (default: {FACES}; {HEADS} heads)")
    parser.add_argument("--synthetic-test", type=whole_number(1), default=500, metavar="N",
                        help="synthetic test faces")
    parser.add_argument("--seed", type=whole_number(), default=0, help="of the synthetic faces")
    return parser


if __name__ == "__main__":
    sys.exit(main())
