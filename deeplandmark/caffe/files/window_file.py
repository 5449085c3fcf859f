"""The text files of WindowData: pictures, each with windows that overlap an object more or less."""
from typing import NamedTuple

import numpy as np

from deeplandmark.caffe.files.plain import open_list
from deeplandmark.work.one_line import clipped


class Picture(NamedTuple):
    """A picture of a window file: its path, and the number of channels that the file tells."""
    path: str
    channels: int


class Window(NamedTuple):
    """picture is an index into the list of pictures; box is left, top, right, bottom, the last ones included."""
    picture: int
    label: int
    box: tuple


class WindowFileError(ValueError):
    """A window file that cannot be read; the text names the file, the picture and the word."""


def read_window_file(path, fg_threshold, bg_threshold):
    """The pictures and windows of a window file (window_data_layer.cpp).

    Its words are, for each picture, `# index`, path, channels, height, width, number of windows, and for each window
    `label overlap left top right bottom`.

    Returns
    -------
    list of Picture, (background, foreground) : lists of Window
        Background windows have the label 0; windows between the thresholds are left out.

    Raises
    ------
    WindowFileError
    """
    try:
        with open_list(path) as stream:
            words = iter(stream.read().split())
    except OSError as error:
        raise WindowFileError(f"cannot read its source {path!r}: {error.strerror}") from None
    bg_threshold, fg_threshold = np.float32(bg_threshold), np.float32(fg_threshold)      # compared as Caffe does
    pictures, background, foreground = [], [], []
    for word in words:
        place = f"{path}: picture {len(pictures)}"
        if word != "#" or _take(words, int, place) != len(pictures):
            raise WindowFileError(f"{place}: expected '# {len(pictures)}', pictures are numbered from 0")
        name = _take(words, str, place)
        channels, _, _, count = (_take(words, int, place) for _ in range(4))
        pictures.append(Picture(name, channels))
        for _ in range(count):
            label, overlap = _take(words, int, place), _take(words, np.float32, place)
            box = tuple(_take(words, int, place) for _ in range(4))
            if overlap >= fg_threshold:
                if label < 1:
                    raise WindowFileError(f"{place}: a foreground window needs a label above 0, found {label}")
                foreground.append(Window(len(pictures) - 1, label, box))
            elif overlap < bg_threshold:
                background.append(Window(len(pictures) - 1, 0, box))
    if not pictures:
        raise WindowFileError(f"{path!r} is empty")
    return pictures, (background, foreground)


def _take(words, kind, place):
    word = next(words, None)
    if word is None:
        raise WindowFileError(f"{place}: the file ends too early")
    try:
        return kind(word)
    except ValueError:
        raise WindowFileError(f"{place}: expected a number ({kind.__name__}), found {clipped(repr(word))}") from None
