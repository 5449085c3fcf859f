"""Opening only what is a file: a pipe or a device may have no end."""
import io
import os
import stat


def open_plain(path):
    """A file opened for reading bytes.

    Raises
    ------
    OSError
        With a `strerror`, also for a name that no file can have, and for pipes and devices, which may have no end.
    """
    try:
        stream = open(path, "rb", opener=_open_at_once)
    except ValueError as error:
        raise OSError(0, str(error)) from None
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise OSError(0, "is not a plain file")
    return stream


def mistaken(start):
    """What a file with these first bytes is, a str, when it is neither weights nor a definition; '' if unknown."""
    head = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the file itself: run `git lfs pull`"
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page, not the file itself: download the raw file"
    return ""


def open_list(path):
    """A text file of names, one a line or a word; bytes that are not UTF-8 stay what they are in file names."""
    return io.TextIOWrapper(open_plain(path), encoding="utf-8", errors="surrogateescape")


def _open_at_once(path, flags):
    """Opens without waiting for somebody at the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
