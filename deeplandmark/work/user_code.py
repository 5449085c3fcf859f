"""Whether a model's definition may run code of its user's, or write files: never when the model is a stranger's.

Layers of type Python load a module from along sys.path, the working directory among it; HDF5Output writes a file. Used
as a library both are as in Caffe. Commands that are handed a finished model switch them off.
"""
import os
from contextlib import contextmanager

_VARIABLE, _OFF = "DEEPLANDMARK_PYTHON_LAYERS", "off"


def user_code_allowed() -> bool:
    """Whether layers may run a user's code or write files, in this process and those that it starts."""
    return os.environ.get(_VARIABLE) != _OFF


def allow_user_code() -> None:
    """Until the end of the `without_user_code` around it, if there is one."""
    os.environ.pop(_VARIABLE, None)


@contextmanager
def without_user_code():
    """No layer runs a user's code or writes a file inside."""
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = _OFF
    try:
        yield
    finally:
        os.environ.pop(_VARIABLE, None)
        if before is not None:
            os.environ[_VARIABLE] = before
