"""What SOURCE names: pictures, and files with pictures in them, one after another."""
import logging
import os
from collections import Counter

from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.picture import PICTURE_SUFFIXES
from deeplandmark.labelling.storage import is_remote, kind_of, place_of, walk
from deeplandmark.running.sources import passed_over_text, sources

_LOG = logging.getLogger(__name__)
_CONTAINERS = {".parquet": "parquet", ".tar": "tar"}


def listed(names, leave_out):
    """Yields ("picture", "parquet" or "tar", path or address) of all that some names (list of str) stand for, in order.

    A name is a picture, a .parquet or .tar file, a .txt file with a name a line, a glob, or a folder: of the .parquet
    and .tar files that lie right in it, or where there are none of the pictures in it and below it. `leave_out` is the
    folder that is not entered. What folders hold besides is told.

    Raises
    ------
    FacesError
        For a name that nothing is found for; names in a .txt file are not looked up.
    """
    passed_over = Counter()
    for name in names:
        if name.lower().endswith(".txt"):
            yield from map(_kind, _lines(name))
        elif is_remote(name):
            yield from _remote(name)
        else:
            yield from _local(name, leave_out, passed_over)
    text = passed_over_text(passed_over)
    if text is not None:
        _LOG.info("label: %s", text)


def _kind(name):
    return _CONTAINERS.get(os.path.splitext(name)[1].lower(), "picture"), name


def _lines(name):
    place = place_of(name)
    try:
        with place.system.open_input_stream(place.path) as stream:
            for line in _text_lines(stream):
                if line:
                    yield line
    except FileNotFoundError:
        raise FacesError(f"{name}: no such list") from None


def _text_lines(stream):
    """Lines of a binary stream, which pyarrow's have no reading of."""
    rest = b""
    while piece := stream.read(1 << 20):
        *lines, rest = (rest + piece).split(b"\n")
        yield from (os.fsdecode(line.strip()) for line in lines)
    yield os.fsdecode(rest.strip())


def _remote(name):
    if kind_of(place_of(name)) == "file":
        yield _kind(name)
        return
    found = False
    for kind, address in map(_kind, walk(name)):
        if kind != "picture" or os.path.splitext(address)[1].lower() in PICTURE_SUFFIXES:
            found = True
            yield kind, address
    if not found:
        raise FacesError(f"{name}: no pictures, .parquet or .tar files are there")


def _local(name, leave_out, passed_over):
    if os.path.isdir(name):
        containers = sorted(entry.path for entry in os.scandir(name)
                            if _kind(entry.name)[0] != "picture" and entry.is_file())
        if containers:
            yield from map(_kind, containers)
            return
    for source in sources([name], leave_out, passed_over):
        if source.problem is not None:
            raise FacesError(source.problem)
        if source.is_video:
            raise FacesError(f"{source.path}: a video; only pictures are taken here")
        yield _kind(source.path)
