"""How far a long work is: a bar on stderr where tqdm is installed and someone is watching, nothing otherwise."""

import sys


def progress(items, total, title, unit="it", **options):
    """The items, one by one, with a bar."""
    tqdm = _tqdm()
    return tqdm(items, total=total, desc=title, unit=unit, leave=False, **options) if tqdm else items


def counter(total, title, start=0):
    """A function to call with the number of bytes that have arrived since its last call."""
    tqdm = _tqdm()
    if not tqdm:
        return lambda count: None
    return tqdm(total=total, initial=start, desc=title, unit="B", unit_scale=True, leave=False).update


def duration(seconds):
    """1 h 05 min, 12 min 30 s, 8 s"""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"


def _tqdm():
    if not sys.stderr.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:  # tqdm comes with the extra [train]
        return None
    return tqdm
