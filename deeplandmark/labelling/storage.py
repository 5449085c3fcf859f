"""Files on this machine or in object storage, by one way: the file systems of pyarrow."""
import contextlib
import os
import shutil
import tempfile
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple

from deeplandmark.faces.errors import FacesError
from deeplandmark.work.whole_file import WholeFile, write_bytes

_PATIENCE = 30      # seconds; without credentials, Google's library would try for a quarter of an hour


class Place(NamedTuple):
    """A file or folder: the pyarrow FileSystem that it lies in, and its path there."""
    system: Any
    path: str

    def below(self, *names):
        """The Place of a file in this folder."""
        return Place(self.system, "/".join([self.path.rstrip("/"), *names]))


def is_remote(name):
    """Whether (bool) a name is an address such as s3://bucket/folder, not a path."""
    return "://" in name


def place_of(name, base=""):
    """The Place of a name (str): s3://, gs://, gs://anonymous@ (of public buckets) and what else pyarrow knows, or a
    path, one that is relative lies in `base`. Raises FacesError for an address that leads nowhere."""
    from pyarrow import fs  # late: only who labels needs it
    if not is_remote(name):
        return Place(fs.LocalFileSystem(), os.path.abspath(os.path.join(base, name)))
    scheme, _, rest = name.partition("://")
    if scheme == "file":
        return Place(_system("file:///"), rest)
    bucket, _, path = rest.partition("/")
    patience = f"?retry_limit_seconds={_PATIENCE}" if scheme in ("gs", "gcs") else ""
    return Place(_system(f"{scheme}://{bucket}{patience}"), f"{bucket.rpartition('@')[2]}/{path}".rstrip("/"))


@lru_cache(64)
def _system(address):
    """It looks up a bucket's region once, not for each of its objects."""
    from pyarrow import fs
    try:
        return fs.FileSystem.from_uri(address)[0]
    except (OSError, ValueError, NotImplementedError) as error:   # Arrow's own are of these
        raise FacesError(f"{address}: cannot be reached ({error})") from None


def read_whole(place):
    """The bytes of a file. Raises OSError."""
    with place.system.open_input_stream(place.path) as stream:
        return stream.read()


def write_whole(place, data):
    """Writes a file that appears when it is whole, its folder as well. Raises OSError.

    An object appears when its upload is complete: the stores promise that.
    """
    if is_local(place):
        os.makedirs(os.path.dirname(place.path), exist_ok=True)
        write_bytes(place.path, data)
    else:
        with place.system.open_output_stream(place.path) as stream:
            stream.write(data)


@contextlib.contextmanager
def whole(place):
    """A context with the path (str) of a file of this machine that is to be written; in its end it is what appears at a
    Place."""
    if is_local(place):
        os.makedirs(os.path.dirname(place.path), exist_ok=True)
        with WholeFile(place.path) as temporary:
            yield temporary
        return
    with tempfile.TemporaryDirectory() as folder:
        temporary = os.path.join(folder, "file")
        yield temporary
        with open(temporary, "rb") as file, place.system.open_output_stream(place.path) as stream:
            shutil.copyfileobj(file, stream)


def remove(place):
    """Removes a file, if there is one."""
    with contextlib.suppress(FileNotFoundError):
        place.system.delete_file(place.path)


def is_local(place):
    """Whether (bool) a Place is on a disk of this machine."""
    return place.system.type_name == "local"


def kind_of(place):
    """"file", "folder", or None when there is nothing."""
    from pyarrow import fs
    kind = place.system.get_file_info(place.path).type
    return {fs.FileType.File: "file", fs.FileType.Directory: "folder"}.get(kind)


def names_in(place):
    """The names of the files in a folder, a set of str; empty where there is no such folder."""
    from pyarrow import fs
    found = place.system.get_file_info(fs.FileSelector(place.path, allow_not_found=True))
    return {info.base_name for info in found if info.type == fs.FileType.File}


def walk(name):
    """The addresses (str) of all files below a remote folder, or that a remote name with * ? [ matches, folder by
    folder; in a folder sorted, files before folders."""
    fixed = name[:min((name.find(mark) for mark in "*?[" if mark in name), default=len(name))]
    folder = fixed if fixed == name else fixed.rpartition("/")[0]
    for address in _below(folder.rstrip("/")):
        if fixed == name or fnmatchcase(address, name):
            yield address


def _below(folder):
    from pyarrow import fs
    place = place_of(folder)
    found = place.system.get_file_info(fs.FileSelector(place.path, allow_not_found=True))
    infos = sorted(found, key=lambda info: info.base_name)
    yield from (f"{folder}/{info.base_name}" for info in infos if info.type == fs.FileType.File)
    for info in infos:
        if info.type == fs.FileType.Directory:
            yield from _below(f"{folder}/{info.base_name}")
