"""What the writers of lists share."""
import os
from pathlib import Path


def relative_name(path, folder):
    """A picture's path as a list in a folder names it, with slashes."""
    return Path(os.path.relpath(path, folder)).as_posix()


def number(value):
    """A number of pixels as text: up to six decimals, none where it is whole."""
    return f"{value:.6f}".rstrip("0").rstrip(".").replace("-0", "0", 1 if value == 0 else 0)
