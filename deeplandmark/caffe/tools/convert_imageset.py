"""Pictures of a list as a database of Datums (tools/convert_imageset.cpp)."""
from deeplandmark.caffe.tools.picture_database import Datums, add_flags, read_lines, write_pictures


def convert_imageset(parser):
    """Write the pictures of a list as an LMDB or LevelDB of Datums.

    LISTFILE has a picture's name and its label, a whole number, in each line. Pictures that cannot be read are named on
    standard error and left out, as Caffe does it.
    """
    add_flags(parser, "label")

    def run(options):
        write_pictures(options, read_lines(options.list, int, "a label, a whole number"), Datums(options).datum)
    return run
