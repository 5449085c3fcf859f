"""Messages as one line that a terminal can show."""

_LONGEST, _TAIL = 1000, 200


def clipped(message):
    """A message (anything that str takes) as one line of at most a thousand characters: a damaged file may be quoted in
    full. What is left out is its middle."""
    line = " ".join(str(message).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST - _TAIL - 5]} ... {line[-_TAIL:]}"
