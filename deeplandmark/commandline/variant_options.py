"""Flags of the commands that train: a family of networks by its name, its levels, variables of its templates."""
import argparse
import re

from deeplandmark.models.families import FAMILIES, USUAL


def add_variant_argument(parser):
    """Adds --variant; what is parsed is the name of a Family."""
    parser.add_argument("--variant", default=USUAL, choices=list(FAMILIES), metavar="NAME",
                        help=f"family of networks: {', '.join(FAMILIES)} (default: {USUAL})")


def add_levels_argument(parser, what):
    """Adds --levels: a sorted tuple of int, None by default. Which levels there are is for the family to say."""
    parser.add_argument("--levels", type=_levels, metavar="1,2,3", help=f"{what} (default: all)")


def add_set_argument(parser):
    """Adds --set NAME=VALUE, repeatable; what is parsed is a list of (name, float or str)."""
    parser.add_argument("--set", type=_variable, action="append", default=[], metavar="NAME=VALUE",
                        help="a variable of the templates, such as rotation=20 (repeatable)")


def check_levels(levels, settings):
    """Raises ValueError for a level that the networks of some ModelSettings do not have."""
    for level in levels or ():
        if level not in settings.levels:
            raise ValueError(f"--levels {','.join(map(str, levels))}: the levels of this family are "
                             f"{','.join(map(str, settings.levels))}")


def _levels(text):
    if not re.fullmatch(r"[1-9](,[1-9])*", text):
        raise argparse.ArgumentTypeError(f"{text} is not a list of levels such as 2,3")
    return tuple(sorted({int(word) for word in text.split(",")}))


def _variable(text):
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, found {text}")
    try:
        return name, float(value)
    except ValueError:
        return name, value
