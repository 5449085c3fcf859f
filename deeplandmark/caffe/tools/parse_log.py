"""The numbers of a training log (tools/extra/parse_log.py)."""
import os

from deeplandmark.caffe.errors import CaffeError


def parse_log(parser):
    """Write the numbers of a training log, Caffe's or ours, as two CSV files.

    They are OUT_DIR/<log>.train and OUT_DIR/<log>.test; their paths are printed.
    """
    parser.add_argument("log", metavar="LOG", help="training log")
    parser.add_argument("out_dir", metavar="OUT_DIR", help="folder for the two files")
    parser.add_argument("--delimiter", default=",", help="between columns; default a comma")

    def run(options):
        from deeplandmark.caffe.logs.parse_log import parse_log as parse
        from deeplandmark.caffe.logs.parse_log import write_csv
        if len(options.delimiter) != 1:
            raise CaffeError(f"--delimiter must be one character, found {options.delimiter!r}")
        print("\n".join(write_csv(parse(options.log), options.out_dir, os.path.basename(options.log),
                                  options.delimiter)))
    return run
