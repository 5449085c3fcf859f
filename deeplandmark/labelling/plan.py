"""What is to be labelled, cut into shards once: the file _plan.parquet, whose row group k is shard k.

It is written before any work is done, and a command that goes on goes by it: whatever is added to a folder meanwhile,
the shards stay what they were. Nobody has to hold all of it: it is written shard by shard, and read so.
"""
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.many_pictures import TOGETHER
from deeplandmark.labelling.containers import Columns, Entry, names_in, parquet_parts
from deeplandmark.labelling.listing import listed
from deeplandmark.labelling.storage import kind_of, place_of, whole
from deeplandmark.work.in_order import in_chunks

NAME = "_plan.parquet"
LARGEST = 64 * TOGETHER     # pictures of a shard: with 2.5 ms a picture it is redone in seconds when its worker dies
_SHARDS = 32                # at least, of a small job, so that several workers have something to do


class Wanted(NamedTuple):
    """Which pictures.

    Attributes
    ----------
    sample : float or None
        Of all, this fraction: those whose name has a small enough hash, the same ones every time.
    limit : int or None
        Of these, the first ones.
    shard : int or None
        Pictures of a shard; by default what suits their number.
    columns : Columns or None
        Of Parquet files; None: guessed.
    """
    sample: float | None = None
    limit: int | None = None
    shard: int | None = None
    columns: Columns | None = None

    def has(self, name):
        """Whether (bool) a picture of that name is sampled."""
        if self.sample is None:
            return True
        digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest, "big") < self.sample * 2 ** 64


def make_plan(names, out, wanted, settings):
    """Writes the plan of what some names (list of str) stand for into the folder `out` (str).

    `settings` (dict, for JSON) is kept in it.

    Raises
    ------
    FacesError, OSError
        When there is nothing to label, or a name leads nowhere.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogateescape") as lines:
        total = 0
        for entry in _first(_entries(names, out, wanted), wanted):
            total = -1 if entry.count < 0 or total < 0 else total + entry.count
            lines.write(json.dumps(entry) + "\n")
        if not lines.tell():
            raise FacesError(f"{', '.join(names)}: nothing to label")
        lines.seek(0)
        shards = _shards((Entry(*json.loads(line)) for line in lines), wanted.shard or _size(total))
        _write(place_of(out).below(NAME), shards, {"total": total, "settings": settings})


def _size(total):
    """Pictures of a shard: whole groups of those that go through the networks together."""
    return LARGEST if total < 0 else max(TOGETHER, min(LARGEST, -(-total // _SHARDS // TOGETHER) * TOGETHER))


def _entries(names, out, wanted) -> Iterator[Entry]:
    for kind, name in listed(names, out):
        if kind == "parquet":
            yield from parquet_parts(name, wanted.shard or LARGEST, wanted.columns)
        elif kind == "tar":
            yield Entry(kind, name)
        elif wanted.has(name):
            yield Entry(kind, name, count=1)


def _first(entries, wanted) -> Iterator[Entry]:
    """Up to the limit. What is inside other files is counted only where there is one, or its rows do not tell."""
    left = wanted.limit
    for entry in entries:
        sampled_rows = entry.kind == "parquet" and wanted.sample is not None
        if sampled_rows or entry.kind != "picture" and left is not None:
            names = filter(wanted.has, names_in(entry, wanted.columns))
            entry = entry._replace(count=sum(1 for _ in islice(names, left)))
        if entry.count:
            yield entry
        if left is not None:
            left -= entry.count
            if not left:
                return


def _shards(entries, size) -> Iterator[list[Entry]]:
    """Pictures are put together, and parts of files that have few; a part stays in one shard."""
    return in_chunks(entries, size, lambda entry: size if entry.count < 0 else entry.count, size - 1)


def _write(place, shards, told):
    import pyarrow as pa  # late: only who labels needs it
    from pyarrow.parquet import ParquetWriter
    kinds = {str: pa.binary(), int: pa.int64()}                  # names of files are not always UTF-8
    fields = [(name, kinds[kind]) for name, kind in Entry.__annotations__.items()]
    schema = pa.schema(fields, {"deeplandmark": json.dumps(told)})
    with whole(place) as temporary, ParquetWriter(temporary, schema, compression="zstd") as writer:
        for shard in shards:
            rows = [{**entry._asdict(), "kind": entry.kind.encode(), "name": os.fsencode(entry.name)}
                    for entry in shard]
            writer.write_table(pa.Table.from_pylist(rows, schema), len(shard))


class Plan:
    """The plan that lies in a folder.

    Parameters
    ----------
    out : str

    Raises
    ------
    FacesError
        When it cannot be read, saying what that may mean.
    """

    def __init__(self, out):
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile
        self._place = place_of(out).below(NAME)
        try:
            self._file = ParquetFile(self._place.system.open_input_file(self._place.path))
            self._told = json.loads(self._file.schema_arrow.metadata[b"deeplandmark"])
        except FileNotFoundError:
            raise FacesError(f"{out}: its {NAME} is not there (every machine has to reach this folder)") from None
        except (ArrowInvalid, KeyError, TypeError, ValueError) as error:
            raise FacesError(f"{self._place.path}: no plan of this command ({error})") from None

    @staticmethod
    def is_in(out):
        """Whether (bool) there is one in the folder `out` (str)."""
        return kind_of(place_of(out).below(NAME)) == "file"

    @property
    def total(self) -> int | None:
        """How many pictures; None: nobody has counted."""
        return None if self._told["total"] < 0 else self._told["total"]

    @property
    def settings(self) -> dict[str, Any]:
        """What it was made with."""
        return self._told["settings"]

    @cached_property
    def shards(self) -> int:
        """How many there are."""
        return self._file.num_row_groups

    def entries(self, shard) -> list[Entry]:
        """Those of a shard (int)."""
        return [Entry(**{**row, "kind": row["kind"].decode(), "name": os.fsdecode(row["name"])})
                for row in self._file.read_row_group(shard).to_pylist()]
