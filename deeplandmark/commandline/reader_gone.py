"""A command whose lines nobody reads any more, as in `deeplandmark --help | head`."""
import os
import sys
from collections.abc import Callable


def while_read(run: Callable, *arguments):
    """`run(*arguments)`, the status of a command; 0 when whoever read its stdout has had enough."""
    try:
        try:
            return run(*arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()                               # also what argparse has printed before it exits
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())   # or Python would say so at its end
        return 0
