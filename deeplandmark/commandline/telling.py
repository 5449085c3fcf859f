"""What a command tells while it works: lines of the logger "deeplandmark" on stderr."""
import logging
from contextlib import contextmanager

LOG = logging.getLogger("deeplandmark")      # of the commands; __name__ is __main__ in some


@contextmanager
def telling():
    """While this lasts, what loggers of the package are told from INFO on goes to stderr, a line each; --quiet and
    --verbose set another level (see `command_parser`). Then all is as it was: handlers and level are the program's own.
    """
    if any(isinstance(handler, _OnStderr) for handler in LOG.handlers):      # a command within a command
        yield
        return
    handler, before = _OnStderr(), (LOG.level, LOG.propagate)
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(before[0])
        LOG.propagate = before[1]


class _OnStderr(logging.StreamHandler):
    def format(self, record):
        """As Python's own stderr writes what no encoding has, such as the name of a file that is no UTF-8."""
        return super().format(record).encode(errors="backslashreplace").decode()
