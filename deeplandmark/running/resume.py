"""What an earlier run has left of a row file: which pictures are done, and how much of the rows can be trusted."""
import csv

from deeplandmark.faces.errors import FacesError
from deeplandmark.work.json_text import parse_json

_PIECE = 1 << 20


def read_journal(path, part):
    """What was finished by a run that was stopped.

    A power cut may have taken rows that the journal knows of, or left zeros in their place; a last line of the journal
    that is not whole does not count.

    Parameters
    ----------
    path : Path
        The journal; there may be none.
    part : Path
        The rows.

    Returns
    -------
    pictures : list of str
    rows : int
        Bytes of `part` that are rows of those.
    journal : int
        Bytes of the journal that tell of them.

    Raises
    ------
    FacesError
        For a file of that name that no run has written.
    """
    pictures, rows, journal = [], 0, 0
    if not path.exists():
        return pictures, rows, journal
    text, sound = _text_of(path), _sound_bytes(part)
    with open(part, "rb") as file:
        for number, line in enumerate(text.split("\n")[:-1], 1):
            if "\0" in line:                                     # so much the power cut has left of it
                break
            end, picture = _entry(line, f"{path}:{number}")
            if not rows <= end <= sound or not _ends_a_row(file, end):
                break
            pictures.append(picture)
            rows, journal = end, journal + len(line) + 1         # JSON is ASCII: a character is a byte
    return pictures, rows, journal


def pictures_of_rows(path, layout, header):
    """The pictures that a finished file has rows of, each once, in order.

    Parameters
    ----------
    path : Path
    layout : Layout
    header : str
        The first line that it should have.

    Raises
    ------
    FacesError
        Naming file and line, for a file that is not one of ours.
    """
    pictures = {}
    expected = "rows of this command for as many points, which alone --resume can go on with"
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            counted = _Counted(file)
            if header and counted.readline() != header:
                raise FacesError(f"{path}:1: expected {expected}; it begins otherwise")
            file.seek(0)
            counted.number = 0
            for picture in layout.pictures(counted):
                if not isinstance(picture, str):
                    raise TypeError(f"picture is {picture!r}")
                pictures[picture] = None
            if not counted.last.endswith("\n"):
                raise ValueError("the last line is cut short")
    except (ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
        raise FacesError(f"{path}:{counted.number}: expected {expected} ({_short(error)})") from None
    return list(pictures)


class _Counted:
    """The lines of a file, with the number of the last one that was asked for."""

    def __init__(self, file):
        self._file, self.number, self.last = file, 0, "\n"

    def __iter__(self):
        return self

    def __next__(self):
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def readline(self):
        line = self._file.readline()
        if line:
            self.number, self.last = self.number + 1, line
        return line


def _text_of(path):
    try:
        return path.read_text(encoding="ascii")
    except UnicodeDecodeError:
        raise _not_ours(f"{path}") from None


def _entry(line, place):
    try:
        end, picture = parse_json(line)
        if not isinstance(end, int) or isinstance(end, bool) or not isinstance(picture, str):
            raise TypeError
        return end, picture
    except (ValueError, TypeError):
        raise _not_ours(place) from None


def _not_ours(place):
    return FacesError(f"{place}: no journal of this command; without --resume everything begins anew")


def _sound_bytes(path):
    """How many bytes a file has before the first zero: rows have none."""
    done = 0
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            place = piece.find(b"\0")
            if place >= 0:
                return done + place
            done += len(piece)
    return done


def _ends_a_row(file, end):
    if not end:
        return True
    file.seek(end - 1)
    return file.read(1) == b"\n"


def _short(error):
    return f"no {error}" if isinstance(error, KeyError) else str(error)[:100]
