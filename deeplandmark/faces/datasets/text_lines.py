"""What readers of text lists share."""
import numpy as np

from deeplandmark.faces.errors import ListError


def lines_of(list_path):
    """(number from 1, text) of every line that is not empty. Raises ListError for a file that cannot be read."""
    try:
        text = list_path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise ListError(f"{list_path}: cannot be read ({error.strerror})") from None
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


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
