"""Checks of command line values, for `type=` of argparse: a wrong one is refused before any work is done."""
import argparse
import math

from deeplandmark.work.picture_limits import PictureLimits, limit_pictures
from deeplandmark.work.user_code import allow_user_code


def whole_number(least=0):
    """The parser of a whole number of at least `least`."""
    def parse(text):
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"{text} is not at least {least}")
        return value
    return parse


def positive(text):
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def fraction(text):
    """A number above 0 and at most 1."""
    value = positive(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"{text} is above 1")
    return value


def add_max_pixels(parser):
    """`--max-pixels`, of a command that reads pictures; it holds for all of them, whichever process reads them."""
    parser.add_argument("--max-pixels", action=_MaxPixels, type=whole_number(1), metavar="N",
                        help="of a picture, width x height: larger ones are bad (default "
                             f"{PictureLimits().pixels:,})")


class _MaxPixels(argparse.Action):
    def __call__(self, parser, namespace, value, option=None):
        limit_pictures(value)
        setattr(namespace, self.dest, value)


def add_python_layers(parser):
    """`--allow-python-layers`, of a command with `strangers_models`."""
    parser.add_argument("--allow-python-layers", action=_AllowUserCode, nargs=0, help="let Python layers of the model "
                        "run code found along sys.path, and HDF5Output layers write files: only for models of people "
                        "you trust")


class _AllowUserCode(argparse.Action):
    def __call__(self, parser, namespace, values, option=None):
        allow_user_code()
