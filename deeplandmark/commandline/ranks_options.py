"""How commands that train work under torchrun."""
from contextlib import contextmanager

from deeplandmark.work.torchrun import rank_and_count


def add_batch_size_of_argument(parser):
    """Adds --batch-size-of."""
    parser.add_argument("--batch-size-of", choices=("all", "rank"), default="all",
                        help="under torchrun: whether batch_size is that of all processes together (default) or of "
                             "each, as with Caffe's --gpu 0,1")


@contextmanager
def ranks_of(args):
    """Under torchrun the Ranks of the parsed arguments, else None: `with ranks_of(args) as ranks`.

    The first of them goes on with the command; all others help it to its end and leave the process.
    """
    if rank_and_count()[1] == 1:
        yield None
        return
    from deeplandmark.caffe.solvers.ranks import Ranks  # after --help: torch takes seconds to load
    with Ranks.of_environment(args.batch_size_of == "all", args.device) as ranks:
        if ranks.rank:
            ranks.follow()
            raise SystemExit(0)
        yield ranks
        ranks.dismiss()
