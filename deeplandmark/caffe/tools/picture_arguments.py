"""What `classify` and `detect` share: the net, how pictures are made ready for it, and arrays read from .npy."""
import argparse
import math
import os

import numpy as np

from deeplandmark.caffe.errors import CaffeError, FileFormatError
from deeplandmark.caffe.files.plain import open_plain


def add_net_arguments(parser):
    """The arguments of python/classify.py and python/detect.py about the net and its input."""
    parser.add_argument("--model_def", metavar="FILE", required=True, help="deploy prototxt (BVLC's default: CaffeNet)")
    parser.add_argument("--pretrained_model", metavar="FILE", required=True,
                        help=".caffemodel or .caffemodel.h5 (BVLC's default: CaffeNet)")
    parser.add_argument("--gpu", action="store_true", help="compute on a GPU")
    parser.add_argument("--mean_file", metavar="FILE", default="",
                        help=".npy (channels, height, width), or .binaryproto: its mean of each channel is subtracted; "
                             "default: nothing (BVLC's default: ImageNet's mean)")
    parser.add_argument("--input_scale", metavar="X", type=_number, help="factor of what goes into the net, at the end")
    parser.add_argument("--raw_scale", metavar="X", type=_number, default=255.0,
                        help="factor of the pictures, which are 0..1, at the start; default 255")
    parser.add_argument("--channel_swap", metavar="ORDER", type=whole_numbers, default=[2, 1, 0],
                        help="order of the channels, between commas; default 2,1,0: RGB to BGR; '' for none")


def net_of(kind, options, **settings):
    """A Classifier or Detector (`kind`) by the arguments, and by `settings` that only one of the two has."""
    from deeplandmark.caffe.mode import MODE
    before = MODE.gpu
    (MODE.set_gpu if options.gpu else MODE.set_cpu)()
    try:
        return kind(options.model_def, options.pretrained_model, mean=_channel_means(options.mean_file),
                    input_scale=options.input_scale, raw_scale=options.raw_scale,
                    channel_swap=options.channel_swap or None, **settings)
    finally:
        MODE.gpu = before


def whole_numbers(text):
    """[2, 1, 0] of "2,1,0", [] of "": the type of an argument."""
    try:
        numbers = [int(part) for part in text.split(",")] if text else []
    except ValueError:
        numbers = [-1]
    if any(number < 0 for number in numbers):
        raise argparse.ArgumentTypeError(f"expected whole numbers between commas, found {text!r}")
    return numbers


def read_npy(path):
    """The array of numbers in a .npy file, as it lies on the disk until it is looked at.

    Raises
    ------
    FileFormatError
        For a file that is no .npy, is cut off, or holds something else than numbers.
    """
    try:
        open_plain(path).close()
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:          # the header is Python text, which raises anything where it is damaged
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise FileFormatError(f"{os.fspath(path)}: cannot be read as .npy: {reason}") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise FileFormatError(f"{os.fspath(path)}: holds no array of numbers")
    return array


def _number(text):
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"expected a number, found {text!r}")
    return number


def _channel_means(path):
    """(channels,), the mean over all places of a mean picture; None for no path."""
    from deeplandmark.caffe.files.model_file import read_binaryproto
    if not path:
        return None
    mean = read_binaryproto(path) if path.endswith(".binaryproto") else read_npy(path)
    if mean.ndim == 4 and len(mean) == 1:                        # as Caffe writes .binaryproto
        mean = mean[0]
    if mean.ndim not in (1, 3) or 0 in mean.shape:
        raise CaffeError(f"{path}: a mean has the shape (channels, height, width), found {mean.shape}")
    return mean if mean.ndim == 1 else mean.mean(1).mean(1)
