"""Pictures inside other files: encoded ones in a column of Parquet, and in tar archives as WebDataset has them."""
import os
import tarfile
from collections.abc import Iterator
from typing import NamedTuple

from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.many_pictures import TOGETHER
from deeplandmark.faces.picture import PICTURE_SUFFIXES
from deeplandmark.labelling.storage import place_of

NAME_COLUMNS = "picture", "path", "file_name", "filename", "image_path", "url", "name", "key", "__key__", "id"


class Entry(NamedTuple):
    """A line of a plan: a picture, or a part of a file with pictures in it.

    Attributes
    ----------
    kind : "picture", "parquet" or "tar"
    name : str
        Path or address of the file.
    first, last : int
        Of Parquet: its row groups from `first` up to, without, `last`.
    row, rows : int
        Of Parquet: the number of the first row, and how many there are.
    count : int
        How many pictures are meant, the first ones of those that are sampled; -1: all, and nobody has counted.
    """
    kind: str
    name: str
    first: int = 0
    last: int = 0
    row: int = 0
    rows: int = 0
    count: int = -1


class Picture(NamedTuple):
    """A picture's name and the bytes of its file, or why there are none."""
    name: str
    data: bytes = None
    problem: str = None

    def __str__(self):
        return self.name


class Columns(NamedTuple):
    """Which columns of a Parquet file hold pictures and their names, `column` or `column.field`; name: None where rows
    have none."""
    picture: str
    name: str = None


def parquet_parts(name, size, columns=None) -> Iterator[Entry]:
    """A Parquet file as Entries of whole row groups, as many together as have `size` pictures. Raises FacesError or
    OSError for a file that is none, or has no such `columns` (Columns)."""
    file = _parquet(name)
    columns_of(file, name, columns)
    metadata, first, row = file.metadata, 0, 0
    while first < metadata.num_row_groups:
        last, count = first, 0
        while last < metadata.num_row_groups and (not count or count + metadata.row_group(last).num_rows <= size):
            count += metadata.row_group(last).num_rows
            last += 1
        yield Entry("parquet", name, first, last, row, count, count)
        first, row = last, row + count


def columns_of(file, name, columns=None):
    """The Columns of an open ParquetFile. Raises FacesError when they are not there, or cannot be guessed."""
    schema = file.schema_arrow
    held = dict(_fields(schema))
    if columns is not None:
        missing = [column for column in columns if column is not None and column not in held]
        if missing:
            raise FacesError(f"{name}: no column {missing[0]} (there are {', '.join(held)})")
        return columns
    pictures = [column for column, kind in held.items() if _is_binary(kind)]
    if len(pictures) != 1:
        raise FacesError(f"{name}: which column holds the pictures? --columns PICTURE,NAME says so (there are "
                         f"{', '.join(held)})")
    beside = f"{pictures[0].rpartition('.')[0]}.path"            # as in Hugging Face's data sets
    known = (*([beside] if "." in pictures[0] else []), *NAME_COLUMNS)
    return Columns(pictures[0], next((column for column in known if _is_text(held.get(column))), None))


def pictures_in(entry, columns=None) -> Iterator[Picture]:
    """The pictures of an Entry that is a file with pictures in it, one by one; what is wrong with the file is the
    problem of a last one, which has the file's name."""
    try:
        yield from _of_parquet(entry, columns) if entry.kind == "parquet" else _of_tar(entry, True)
    except (OSError, EOFError, ValueError, FacesError, tarfile.TarError) as error:
        yield Picture(entry.name, problem=f"{entry.name}: the rest of it cannot be read ({error})")


def names_in(entry, columns=None) -> Iterator[str]:
    """The names of those pictures, without reading them where that can be helped."""
    found = _of_parquet(entry, columns, False) if entry.kind == "parquet" else _of_tar(entry, False)
    return (picture.name for picture in found)


def _of_parquet(entry, columns, with_data=True):
    file = _parquet(entry.name)
    columns = columns_of(file, entry.name, columns)
    wanted = [column for column in (columns.picture if with_data else None, columns.name) if column is not None]
    if not wanted:
        yield from (Picture(f"{entry.name}#{row}") for row in range(entry.row, entry.row + entry.rows))
        return
    row = entry.row
    for batch in file.iter_batches(TOGETHER, range(entry.first, entry.last), wanted):
        for values in batch.to_pylist():
            name = _value(values, columns.name) if columns.name else None
            name = f"{entry.name}#{row}" if name is None else str(name)
            data = _value(values, columns.picture) if with_data else None
            yield Picture(name, data, None if data or not with_data else f"{name}: there is nothing in its row")
            row += 1


def _of_tar(entry, with_data):
    place = place_of(entry.name)
    with place.system.open_input_file(place.path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
        for member in archive:
            if member.isfile() and os.path.splitext(member.name)[1].lower() in PICTURE_SUFFIXES:
                data = archive.extractfile(member).read() if with_data else None
                yield Picture(f"{entry.name}/{member.name}", data)
            archive.members = []                                 # it would keep all of them


def _parquet(name):
    from pyarrow import ArrowInvalid  # late: only who labels needs it
    from pyarrow.parquet import ParquetFile
    place = place_of(name)
    try:
        return ParquetFile(place.system.open_input_file(place.path), pre_buffer=False)
    except ArrowInvalid as error:
        raise FacesError(f"{name}: not a Parquet file ({error})") from None


def _fields(schema):
    """(name, type) of the columns and of the fields of those that are structs."""
    for field in schema:
        yield field.name, field.type
        if hasattr(field.type, "num_fields") and str(field.type).startswith("struct"):
            yield from ((f"{field.name}.{inner.name}", inner.type) for inner in field.type)


def _is_binary(kind):
    return str(kind) in ("binary", "large_binary", "binary_view")


def _is_text(kind):
    return str(kind) in ("string", "large_string", "string_view", "int64", "int32")


def _value(values, column):
    for key in column.split("."):
        values = None if values is None else values[key]
    return values
