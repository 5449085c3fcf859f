"""Names of a shard's files: part-00042.parquet, and _problems/part-00042.parquet where there are any."""
import re

from deeplandmark.labelling.storage import names_in, place_of

PROBLEMS, TRIES = "_problems", "_tries"     # readers of Parquet pass over what begins with _


def faces_of(shard):
    """The name of the file of a shard (int), as a tuple of a path's parts."""
    return (f"part-{shard:05d}.parquet",)


def problems_of(shard):
    """The same of its problems."""
    return PROBLEMS, *faces_of(shard)


def try_of(shard, number):
    """The same of what tells of try number `number` (int) of a shard."""
    return TRIES, f"{shard:05d}-{number}"


def finished(out):
    """The numbers (sorted list of int) of the shards whose files are in the folder `out` (str)."""
    found = (re.fullmatch(r"part-(\d{5,})\.parquet", name) for name in names_in(place_of(out)))
    return sorted(int(match[1]) for match in found if match)
