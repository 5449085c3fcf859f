"""What torchrun tells the processes that it starts, by their environment (docs.pytorch.org, Elastic run)."""
import os


def rank_and_count():
    """(rank of this process, number of processes) of all machines, two int; (0, 1) without torchrun."""
    return _number("RANK", 0), _number("WORLD_SIZE", 1)


def is_first():
    """Whether this process is the first, or alone."""
    return rank_and_count()[0] == 0


def local_rank():
    """Which of the processes of this machine it is, an int; 0 without torchrun."""
    return _number("LOCAL_RANK", 0)


def local_count():
    """Processes that torchrun has started on this machine, an int; 1 without it."""
    return _number("LOCAL_WORLD_SIZE", 1)


def _number(name, default):
    try:
        return int(os.environ[name])
    except (KeyError, ValueError):                               # other programs may use such names for other things
        return default
