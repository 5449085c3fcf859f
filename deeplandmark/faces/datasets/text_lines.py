"""What readers of text lists share."""
from contextlib import contextmanager

import numpy as np

from deeplandmark.faces.errors import ListError


def lines_of(list_path):
    """(number from 1, text) of every line that is not empty, read as it is asked for. Raises ListError for a file that
    cannot be read."""
    with open_list(list_path) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line.strip()


@contextmanager
def open_list(list_path, newline=None):
    """A text file of a list, UTF-8 with or without its mark; what is no UTF-8 stays as it is. Raises ListError for one
    that cannot be read."""
    try:
        with open(list_path, encoding="utf-8-sig", errors="surrogateescape", newline=newline) as file:
            yield file
    except OSError as error:
        raise ListError(f"{list_path}: cannot be read ({error.strerror})") from None


def numbers_of(words, place):
    """The words as float64. Raises ListError naming the first that is no number."""
    for word in words:
        try:
            float(word)
        except ValueError:
            raise ListError(f"{place}: {word!r} is not a number") from None
    return np.array(words, dtype=np.float64)


def finite(points_px, place):
    """The points, of which NaN are those not visible. Raises ListError where one is infinite."""
    if np.isinf(points_px).any():
        raise ListError(f"{place}: a landmark is not finite: {' '.join(f'{value:g}' for value in points_px.ravel())}")
    return points_px
