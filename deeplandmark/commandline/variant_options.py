"""The flag --variant of the commands that train: a family of networks by its name."""
from deeplandmark.models.families import FAMILIES, USUAL


def add_variant_argument(parser):
    """Adds --variant; what is parsed is the name of a Family."""
    parser.add_argument("--variant", default=USUAL, choices=list(FAMILIES), metavar="NAME",
                        help=f"family of networks: {', '.join(FAMILIES)} (default: {USUAL})")
