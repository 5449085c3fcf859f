"""Class scores of windows of pictures by a net (python/detect.py)."""
import csv
import io
import os
import sys
import time

import numpy as np

from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files import hdf5
from deeplandmark.caffe.files.plain import open_list
from deeplandmark.caffe.tools.picture_arguments import add_net_arguments, net_of
from deeplandmark.work.progress import Progress
from deeplandmark.work.whole_file import WholeFile, write_text

_PLACE = ["ymin", "xmin", "ymax", "xmax"]
_ENDINGS = (".csv", ".h5", ".hdf5")


def detect(parser):
    """Write a net's class scores of windows of pictures as .csv or .h5.

    Each window is warped to the size of the net's input, as R-CNN does it. The rows of a picture stand together.
    """
    parser.epilog = ("example: %(prog)s windows.csv scores.h5 --model_def deploy.prototxt --pretrained_model "
                     "rcnn.caffemodel --context_pad 16")
    parser.add_argument("input_file", metavar="INPUT",
                        help=".csv whose first line names the columns filename, ymin, xmin, ymax, xmax, in any order: "
                             "pixels, the end not included")
    parser.add_argument("output_file", metavar="OUT",
                        help=".csv with the columns filename, ymin, xmin, ymax, xmax, class0, class1 ..., or .h5 with "
                             "filename, ymin, xmin, ymax, xmax (n,) and prediction (n, classes)")
    add_net_arguments(parser)
    parser.add_argument("--crop_mode", choices=["list", "selective_search"], default="list",
                        help="list: the windows of INPUT (default). selective_search, BVLC's default, finds them by a "
                             "MATLAB program that is not part of this")
    parser.add_argument("--context_pad", metavar="N", type=int, default=16,
                        help="pixels of a window's surroundings on each side of the net's input; default 16")
    return _run


def _run(options):
    from deeplandmark.caffe.detector import NO_SELECTIVE_SEARCH, Detector
    if options.crop_mode == "selective_search" or options.input_file.lower().endswith("txt"):
        raise CaffeError(f"{options.input_file}: {NO_SELECTIVE_SEARCH}; give windows as .csv, with --crop_mode list")
    if not options.output_file.lower().endswith(_ENDINGS):
        raise CaffeError(f"{options.output_file}: scores are written as .csv or .h5")
    pictures = _read_windows(options.input_file)
    detector = net_of(Detector, options, context_pad=options.context_pad)
    with WholeFile(options.output_file) as temporary:
        start, progress = time.monotonic(), Progress("pictures", len(pictures), "scoring", stream=sys.stderr)
        found = detector.detect_windows(progress.over(pictures.items()))
        print(f"Processed {len(found)} windows in {time.monotonic() - start:.3f} s.")
        write = _write_csv if options.output_file.lower().endswith(".csv") else _write_hdf5
        write(temporary, found)
    print(f"Saved to {options.output_file}")


def _read_windows(path):
    """{file name: [(ymin, xmin, ymax, xmax) ...]} of a .csv, in the order in which the names first appear."""
    pictures = {}
    with open_list(path) as stream:
        rows = csv.DictReader(stream, skipinitialspace=True, restval="")
        try:
            rows.fieldnames = names = [name.strip("\ufeff ") for name in rows.fieldnames or []]
            if not {"filename", *_PLACE} <= set(names):
                raise CaffeError(f"{path}:1: expected the columns filename, {', '.join(_PLACE)}; found "
                                 f"{', '.join(names)!r}")
            for row in rows:
                window = tuple(_pixels(row[name], f"{path}:{rows.line_num}: {name}") for name in _PLACE)
                pictures.setdefault(row["filename"], []).append(window)
        except csv.Error as error:
            raise CaffeError(f"{path}:{rows.line_num}: {error}") from None
    if not pictures:
        raise CaffeError(f"{path}: there are no windows in it")
    return pictures


def _pixels(text, place):
    """An int of "12" or "12.0", which pandas writes for it."""
    try:
        number = float(text)
        if number.is_integer():
            return int(number)
    except ValueError:
        pass
    raise CaffeError(f"{place} must be a whole number of pixels, found {text!r}")


def _write_csv(path, found):
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["filename", *_PLACE, *(f"class{i}" for i in range(len(found[0]["prediction"])))])
    for row in found:
        rows.writerow([row["filename"], *row["window"], *row["prediction"]])
    write_text(path, text.getvalue())


def _write_hdf5(path, found):
    import h5py
    with hdf5.written(path) as file:
        file.create_dataset("filename", data=[os.fsencode(row["filename"]) for row in found],
                            dtype=h5py.string_dtype())
        for column, values in zip(_PLACE, np.array([row["window"] for row in found], np.int64).T):
            file[column] = values
        file["prediction"] = np.array([row["prediction"] for row in found])
