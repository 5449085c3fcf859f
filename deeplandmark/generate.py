"""Write the prototxt files of all networks from the templates in prototxt/.

examples:
  deeplandmark generate
  deeplandmark generate --variant original --recipe full
  deeplandmark generate --set rotation=20 --set loss=EuclideanLoss
  deeplandmark generate --points mouth.json
  deeplandmark generate --s0 s7          # an ablation of the paper: F with weights shared over the whole map
"""
import sys

from deeplandmark.commandline.arguments import positive, whole_number
from deeplandmark.commandline.command import command
from deeplandmark.commandline.parser import command_parser
from deeplandmark.commandline.points_options import add_points_argument
from deeplandmark.commandline.variant_options import (
    add_levels_argument,
    add_set_argument,
    add_variant_argument,
    check_levels,
)
from deeplandmark.models.families import settings_of
from deeplandmark.training.templates import RECIPES, check_nets, generate

ABLATIONS = ("s0", "s3", "s4", "s5", "s6", "s7")


@command
def main(arguments=None):
    """Returns the exit status."""
    args = _parser().parse_args(arguments)
    check_levels(args.levels, settings_of(args.variant, args.own.points))
    paths = generate(args.out, args.templates, args.levels, args.s0, args.own.points, variant=args.variant,
                     recipe=args.recipe, effort=args.effort, seed=args.seed, frozen=args.frozen,
                     variables=dict(args.set), train=args.train or args.own.folder("train"),
                     model=args.model or args.own.folder("model"))
    check_nets(paths)
    print(f"{len(paths)} prototxt files of the {args.variant} family are in {args.out}/")
    return 0


def _parser():
    parser = command_parser("generate", __doc__)
    add_variant_argument(parser)
    parser.add_argument("--recipe", default="fast", choices=RECIPES, help="training plan (default: fast)")
    parser.add_argument("--effort", type=positive, default=1.0, metavar="X", help="factor on the number of iterations")
    add_levels_argument(parser, "only networks of these")
    add_points_argument(parser)
    parser.add_argument("--frozen", action="store_true", help="for samples made by `prepare --frozen`")
    add_set_argument(parser)
    parser.add_argument("--s0", choices=ABLATIONS, help="structure of F: an ablation instead of s0 (paper family)")
    parser.add_argument("--seed", type=whole_number(), default=1)
    parser.add_argument("--templates", metavar="DIR", help="another folder of templates (default: prototxt/)")
    parser.add_argument("--out", default="prototxt", metavar="DIR")
    parser.add_argument("--train", metavar="DIR",
                        help="where the nets will find their HDF5 lists (default: train; train-NAME with --points)")
    parser.add_argument("--model", metavar="DIR",
                        help="where the solvers will put their snapshots (default: model; model-NAME with --points)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
