"""HDF5 files that hold blobs, read with distrust: nothing is followed out of the file, nothing unpacks beyond its size.

Caffe's own files hold plain datasets. Chunks, gzip, shuffle and checksums, which other programs add, are read as well.
"""
import contextlib
import io
import os
import zlib

import numpy as np

from deeplandmark.caffe.errors import CaffeError, FileFormatError
from deeplandmark.caffe.files.plain import open_plain
from deeplandmark.work.whole_file import write_bytes

_MAX_DEPTH = 32              # groups inside groups; a slash in a layer's name makes one
_MAX_ITEMS = 100_000
_MAX_CHUNKS = 4096
_MAX_TEXT = 1 << 16
_FREE_BYTES = 64 << 20       # what a chunk or an unwritten dataset may take without asking
_GZIP_RATIO = 1032           # no zlib stream grows by more
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32"}


@contextlib.contextmanager
def opened(path):
    """The h5py.File of a path; whatever HDF5 finds wrong inside the block is a FileFormatError naming the file."""
    import h5py  # only those who use HDF5 pay for it
    path = os.fspath(path)
    try:
        open_plain(path).close()
        with h5py.File(path, "r") as file:
            yield file
    except CaffeError:
        raise
    except (OSError, KeyError, RuntimeError, TypeError, ValueError, MemoryError) as error:
        raise FileFormatError(f"{path}: cannot be read as HDF5: {_first_line(error)}") from None


@contextlib.contextmanager
def written(path):
    """An h5py.File to fill, which appears at a path when the block ends well. It is made in memory: on a full disk HDF5
    fails anew wherever it lets go of something, and in the end crashes the process."""
    import h5py
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        yield file
    write_bytes(path, memory.getbuffer())


def datasets(group):
    """Yields (name below the group, dataset) of all datasets, in the order of their names.

    Raises
    ------
    FileFormatError
        For links to other places or files, groups that hold themselves, and more groups than Caffe could write.
    """
    import h5py
    place, pending, seen, items = group.file.filename, [("", group)], set(), 0
    if not isinstance(group, h5py.Group):
        raise FileFormatError(f"{place}: {group.name!r} is no group")
    while pending:
        prefix, group = pending.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen or prefix.count("/") > _MAX_DEPTH:
            raise FileFormatError(f"{place}: group {group.name!r} is nested without end")
        seen.add(address)
        for name in group:
            items += 1
            if items > _MAX_ITEMS:
                raise FileFormatError(f"{place}: more than {_MAX_ITEMS} groups and datasets")
            item = member(group, name)
            if isinstance(item, h5py.Dataset):
                yield prefix + name, item
            elif isinstance(item, h5py.Group):
                pending.append((f"{prefix}{name}/", item))


def member(group, name):
    """An item of a group by its name; links to other places or files are refused, a missing one is a KeyError."""
    import h5py
    if not isinstance(group, h5py.Group):
        raise FileFormatError(f"{group.file.filename}: {group.name!r} is no group")
    if not isinstance(group.get(name, getlink=True), (h5py.HardLink, type(None))):
        raise FileFormatError(f"{group.file.filename}: {name!r} in {group.name!r} is a link to another place")
    return group[name]


def read_array(data):
    """The values of a dataset as an array of its own number type.

    Raises
    ------
    FileFormatError
        For what is not numbers, lies outside the file, or would unpack to more than it says.
    """
    import h5py
    place = f"{data.file.filename}: dataset {data.name!r}"
    if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "fiu" or data.shape is None:
        raise FileFormatError(f"{place} does not hold numbers")
    if data.external or data.is_virtual:
        raise FileFormatError(f"{place} lies in another file")
    nbytes = int(np.prod(data.shape, dtype=object)) * data.dtype.itemsize
    stored = data.id.get_storage_size()
    if nbytes > max(_FREE_BYTES, _GZIP_RATIO * stored):
        raise FileFormatError(f"{place}: {stored} bytes claim to be {nbytes}")
    check_chunks(data, place)
    return data[()]


def read_text(data):
    """The str of a dataset that holds one string, such as the name of a file; a FileFormatError for anything else."""
    if data.shape != () or data.chunks or data.external or data.is_virtual or data.dtype.itemsize > _MAX_TEXT:
        raise FileFormatError(f"{data.file.filename}: dataset {data.name!r} is not a short text")
    text = data[()]
    return text.decode() if isinstance(text, bytes) else str(text)


def check_chunks(data, place):
    """Every chunk must unpack to no more than its size, and that may not be much larger than the dataset.

    Raises
    ------
    FileFormatError
        Beginning with `place`; also for filters other than gzip, shuffle and fletcher32.
    """
    if not data.chunks:
        return
    nbytes = int(np.prod(data.shape, dtype=object)) * data.dtype.itemsize
    size = int(np.prod(data.chunks, dtype=object)) * data.dtype.itemsize
    if size > _FREE_BYTES + nbytes:
        raise FileFormatError(f"{place}: chunks of {size} bytes for {nbytes}")
    settings = data.id.get_create_plist()
    filters = [settings.get_filter(i)[0] for i in range(settings.get_nfilters())]
    unknown = [number for number in filters if number not in _FILTERS]
    if unknown:
        raise FileFormatError(f"{place}: packed by filter {unknown[0]} (known: {', '.join(_FILTERS.values())})")
    if 1 not in filters:
        return
    count = data.id.get_num_chunks()
    if count > _MAX_CHUNKS:
        raise FileFormatError(f"{place}: {count} packed chunks; up to {_MAX_CHUNKS} are read")
    for index in range(count):
        chunk = data.id.get_chunk_info(index)
        if chunk.size * _GZIP_RATIO > _FREE_BYTES:
            _check_packed(data, chunk, size, place)


def _check_packed(data, chunk, size, place):
    if chunk.size > size + size // 500 + 1024:                   # packed values that grew: nobody stores those
        raise FileFormatError(f"{place}: a chunk of {chunk.size} bytes for {size}")
    mask, packed = data.id.read_direct_chunk(chunk.chunk_offset)
    if mask & 1:
        return                                                   # stored unpacked
    unpacker = zlib.decompressobj()
    try:
        longer = len(unpacker.decompress(packed, size + 1)) > size
    except zlib.error as error:
        raise FileFormatError(f"{place}: broken: {error}") from None
    if longer:
        raise FileFormatError(f"{place}: a chunk of {size} bytes unpacks to more")


def _first_line(error):
    text = getattr(error, "strerror", None) or str(error)
    return (text.splitlines() or [type(error).__name__])[0][:300]
