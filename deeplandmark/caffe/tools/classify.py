"""Predictions of pictures by a net (python/classify.py)."""
import glob
import io
import os
import sys
import time

import numpy as np

from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files.plain import open_plain
from deeplandmark.caffe.tools.picture_arguments import add_net_arguments, net_of, read_npy, whole_numbers
from deeplandmark.work.progress import Progress
from deeplandmark.work.whole_file import open_whole

_BEST = 5      # classes that --print_results shows


def classify(parser):
    """Write a net's predictions of pictures as .npy.

    A row for each picture: the mean of the net's first output over ten crops, the corners and the centre and their
    mirror images, of the picture resized to --images_dim; with --center_only that of the centre alone.
    """
    parser.epilog = ("example: %(prog)s cat.jpg scores.npy --model_def deploy.prototxt --pretrained_model "
                     "net.caffemodel --mean_file mean.npy")
    parser.add_argument("input_file", metavar="INPUT",
                        help="a picture, a folder of pictures, which are taken in the order of their names, or a .npy "
                             "(n, height, width, channels) of pictures as caffe.io.load_image gives them: RGB, 0..1")
    parser.add_argument("output_file", metavar="OUT", help=".npy; the ending is added where it is missing")
    add_net_arguments(parser)
    parser.add_argument("--center_only", action="store_true", help="the centre alone, not the mean over ten crops")
    parser.add_argument("--images_dim", metavar="H,W", type=whole_numbers, default=[256, 256],
                        help="size that pictures are resized to before they are cropped; default 256,256")
    parser.add_argument("--ext", metavar="EXT", default="jpg", help="ending of a folder's pictures; default jpg")
    parser.add_argument("--print_results", action="store_true", help="print the five best classes of each picture, too")
    parser.add_argument("--labels_file", metavar="FILE",
                        help="names of the classes for --print_results: lines `id name, ...`, which are sorted by id "
                             "(BVLC's default: ImageNet's); default: their numbers")
    return _run


def _run(options):
    from deeplandmark.caffe.classifier import Classifier
    if len(options.images_dim) != 2:
        raise CaffeError(f"--images_dim takes a height and a width, found {len(options.images_dim)} numbers")
    labels = _labels(options.labels_file) if options.labels_file else None
    classifier = net_of(Classifier, options, image_dims=options.images_dim)
    names, pictures = _pictures(options, classifier.blobs[classifier.inputs[0]].shape[1] != 1)
    output = options.output_file if options.output_file.endswith(".npy") else f"{options.output_file}.npy"
    with open_whole(output, "wb") as file:
        print(f"Classifying {len(names)} inputs.")
        start, progress = time.monotonic(), Progress("pictures", len(names), "classifying", stream=sys.stderr)
        predictions = classifier.predict(progress.over(pictures), not options.center_only)
        print(f"Done in {time.monotonic() - start:.2f} s.")
        if options.print_results:
            _print_best(names, predictions.reshape(len(predictions), -1), labels)
        np.save(file, predictions)
    print(f"Saving results into {output}")


def _pictures(options, color):
    """The names of the pictures and an iterable of their arrays (h, w, k)."""
    from deeplandmark.caffe.io import load_image
    path = options.input_file
    if path.endswith("npy") and not os.path.isdir(path):
        pictures = read_npy(path)
        if pictures.ndim != 4 or not len(pictures):
            raise CaffeError(f"{path}: pictures have the shape (n, height, width, channels), found {pictures.shape}")
        return [f"{path} {i}" for i in range(len(pictures))], pictures
    names = [path]
    if os.path.isdir(path):
        names = sorted(glob.glob(os.path.join(glob.escape(path), f"*.{glob.escape(options.ext)}")))
        if not names:
            raise CaffeError(f"{path}: no *.{options.ext} in this folder (--ext names another ending)")
    return names, (load_image(name, color) for name in names)


def _labels(path):
    """The first name of each class, in the order of their ids."""
    labels = []
    with io.TextIOWrapper(open_plain(path), encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            key, _, names = line.strip().partition(" ")
            if not names:
                raise CaffeError(f"{path}:{number}: expected an id and a name, found {line.strip()!r}")
            labels.append((key, names.split(",")[0]))
    return [name for _, name in sorted(labels, key=lambda label: label[0])]


def _print_best(names, predictions, labels):
    classes = predictions.shape[1]
    if labels is not None and len(labels) != classes:
        raise CaffeError(f"--labels_file has {len(labels)} classes, the net {classes}")
    for name, row in zip(names, predictions):
        best = (-row).argsort()[:_BEST]
        print(f"{name}: " + ", ".join(f"{labels[i] if labels else i} {row[i]:.5f}" for i in best))
