"""How every command ends when it cannot go on: one clear line on stderr and a status of its own."""
import logging
import sys
import warnings
from contextlib import contextmanager, nullcontext
from functools import partial, wraps
from pathlib import Path

from deeplandmark.commandline.extras import advice, refuse
from deeplandmark.commandline.reader_gone import while_read
from deeplandmark.commandline.telling import telling
from deeplandmark.work.one_line import clipped
from deeplandmark.work.user_code import without_user_code

_LOG = logging.getLogger(__name__)


def command(main=None, *, strangers_models=False):
    """Decorates the `main` of a command, which returns its status. With `strangers_models` it is one that is handed a
    finished model, whose definition may run no code of its own and write no file (see `add_python_layers`).

    An error that the user can put right, a missing extra among them, is one line on stderr and status 1; Ctrl-C is
    `NAME: interrupted` (see `when_interrupted`) and status 130, as shells have it. Any other error is raised. What the
    package's loggers are told meanwhile are lines on stderr (see `telling`).
    """
    if main is None:
        return partial(command, strangers_models=strangers_models)
    name = Path(main.__globals__["__file__"]).stem

    @wraps(main)
    def run(arguments=None):
        try:
            with telling(), _warnings_of(name), without_user_code() if strangers_models else nullcontext():
                return while_read(main, arguments)
        except ImportError as error:
            return refuse(name, error)
        except KeyboardInterrupt as stop:
            print("; ".join([f"{name}: interrupted", *map(str, stop.args)]), file=sys.stderr)
            return 130
        except Exception as error:
            if not isinstance(error, _for_the_user()):
                raise
            print(f"{name}: {one_line(error)}", file=sys.stderr)
            return 1
    return run


@contextmanager
def when_interrupted(text):
    """What a command adds to `interrupted` if Ctrl-C ends this block: what is there now, how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(text) from None


@contextmanager
def _warnings_of(name):
    """Warnings meant for users are one line of the command, too, without a place in the code."""
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(message, category, *place, **more):
            if category is UserWarning and str(place[0]).startswith(str(Path(__file__).parents[1])):
                _LOG.warning("%s: %s", name, message)
            else:
                shown(message, category, *place, **more)
        warnings.showwarning = show
        yield


def one_line(error):
    """The message of an error; of one that the system raised just the file and the reason; memory's has none itself."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return clipped(f"{error.filename}: {error.strerror}")
    if isinstance(error, MemoryError):
        return clipped(f"there is not enough memory{f' ({error})' if str(error) else ''}")
    return clipped(error)


def explanation(error):
    """What a command says of an error that ends it: what to install where that is what is missing."""
    return isinstance(error, ImportError) and advice(error) or one_line(error)


def _for_the_user():
    from deeplandmark.faces.errors import FacesError  # only now: it brings OpenCV, which --help does not need
    return FacesError, ValueError, OSError, MemoryError
