"""Flags of the commands that train a detector: what it learns from beside the archive."""


def add_detector_data_arguments(parser):
    """Adds --more, a list of paths, and --negatives."""
    parser.add_argument("--more", action="append", default=[], metavar="LIST", help="a further list of faces: the "
                        "archive's format, imglab's XML ..., or a zip or folder with one in it (repeatable)")
    parser.add_argument("--negatives", metavar="PATH", help="folder or zip of pictures that show no face; without it "
                        "windows without a face come from the other pictures alone")
