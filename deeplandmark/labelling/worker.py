"""A worker: one core, which makes shard after shard."""
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain, islice
from typing import Any

import deeplandmark
from deeplandmark.faces.errors import FacesError, PictureError
from deeplandmark.faces.many_pictures import BYTES_TOGETHER, TOGETHER
from deeplandmark.faces.picture import decode_upright, picture_bytes
from deeplandmark.labelling.cluster import was_restarted
from deeplandmark.labelling.containers import Picture, pictures_in
from deeplandmark.labelling.plan import Plan, Wanted
from deeplandmark.labelling.shards import TRIES, faces_of, problems_of, try_of
from deeplandmark.labelling.storage import is_remote, kind_of, names_in, place_of, read_whole, remove, write_whole
from deeplandmark.labelling.table import Counts, counts_in, faces_file, problems_file
from deeplandmark.running.faces_in_picture import Located
from deeplandmark.work.apart import Apart, DiedError
from deeplandmark.work.in_order import in_chunks, in_order
from deeplandmark.work.one_line import clipped
from deeplandmark.work.picture_limits import limit_pictures

_READERS = 8                # pictures in object storage that a worker asks for at a time
_SECONDS = 900.0            # that some pictures together may take
_TRIES = 5                  # of a shard by workers that died


@dataclass(frozen=True)
class Job:
    """What every worker is told; it is pickled.

    Attributes
    ----------
    out : str
        The folder of the plan and the rows.
    make_finder : callable without arguments -> FaceFinder
    wanted : Wanted
    constants : {column: str}
        What all rows have besides.
    pixels : int
        Of a picture, at most.
    folder : str
        Which relative paths are meant from.
    version : str
        Of deeplandmark.
    """
    out: str
    make_finder: Callable[[], Any]
    wanted: Wanted
    constants: dict[str, str]
    pixels: int
    folder: str
    version: str = deeplandmark.__version__


class Worker:
    """Makes shards. Ray Data calls it with batches of their numbers: {"item": array} -> {"shard", "error", "counts"},
    the last two str; an error is empty where there is none."""

    def __init__(self, job):
        self._job = job
        self._finder = Apart(partial(Finder, job.make_finder), 1 << 30, _SECONDS)

    def __call__(self, batch):
        answers = [self._answer(int(shard)) for shard in batch["item"]]
        return {name: [answer[name] for answer in answers] for name in ("shard", "error", "counts")}

    def _answer(self, shard):
        try:
            return {"shard": shard, "error": "", "counts": self._counts(shard).text()}
        except Exception as error:                               # the others go on, and the driver says this
            known = isinstance(error, (FacesError, OSError, ValueError))
            text = str(error) if known else f"{type(error).__name__}: {error}"
            return {"shard": shard, "error": clipped(f"shard {shard}: {text}"), "counts": ""}

    @cached_property
    def _plan(self):
        if self._job.version != deeplandmark.__version__:
            raise FacesError(f"deeplandmark is {deeplandmark.__version__} on the worker, {self._job.version} where the "
                             "command was given: install the same one everywhere")
        if os.path.isdir(self._job.folder):
            os.chdir(self._job.folder)
        limit_pictures(self._job.pixels)
        return Plan(self._job.out)

    def _counts(self, shard):
        """Those of a shard, which is made unless it is there: then the worker died when it was."""
        entries, out = self._plan.entries(shard), place_of(self._job.out)
        faces, problems = out.below(*faces_of(shard)), out.below(*problems_of(shard))
        if kind_of(faces) == "file":
            return counts_in(faces)
        tries = [out.below(*name) for name in self._tried(shard)]
        started, counts, rows, bad = time.monotonic(), Counts(), [], []
        for located in self._located(self._pictures(entries)):
            rows += counts.count(located)
            bad += [] if located.problem is None else [(located.path, located.problem)]
        counts.seconds = time.monotonic() - started
        if bad:
            write_whole(problems, problems_file(bad))
        else:
            remove(problems)                                     # of a worker that died, and saw what is no more
        write_whole(faces, faces_file(rows, self._job.constants, counts))   # it says that the shard is done
        for trying in tries:
            remove(trying)
        return counts

    def _tried(self, shard):
        """Names of files that tell of tries that this worker's deaths ended, as it may be the shard that does it; and
        of this try. A worker that never died writes none."""
        if not was_restarted():
            return []
        out = place_of(self._job.out)
        tries = [try_of(shard, number) for number in range(_TRIES)]
        there = names_in(out.below(TRIES))
        number = sum(name in there for _, name in tries)
        if number == _TRIES:
            raise FacesError(f"its workers died {_TRIES} times")
        write_whole(out.below(*tries[number]), b"")
        return tries[:number + 1]

    def _pictures(self, entries):
        single = [entry.name for entry in entries if entry.kind == "picture"]
        inside = (self._inside(entry) for entry in entries if entry.kind != "picture")
        return chain(in_order(_fetched, single, _READERS, ahead=2), chain.from_iterable(inside))

    def _inside(self, entry):
        found = (picture for picture in pictures_in(entry, self._job.wanted.columns)
                 if picture.problem is not None or self._job.wanted.has(picture.name))
        return found if entry.count < 0 else islice(found, entry.count)

    def _located(self, pictures):
        """Located of each Picture, as many together as `detect` takes."""
        for group in in_chunks(pictures, TOGETHER, lambda picture: len(picture.data or b"") / BYTES_TOGETHER, 1):
            yield from self._together(group)

    def _together(self, group):
        try:
            return self._finder(group)
        except FinderError:
            raise
        except Exception:                                        # of one of them; which one, they tell alone
            return [self._alone(picture) for picture in group]

    def _alone(self, picture):
        try:
            return self._finder([picture])[0]
        except DiedError as error:
            return Located(picture.name, problem=f"{picture.name}: the process that looked at it died of it, twice "
                                                 f"({error})")
        except FinderError:
            raise
        except Exception as error:
            return Located(picture.name, problem=clipped(f"{picture.name}: {type(error).__name__}: {error}"))


class FinderError(FacesError):
    """Model or detector cannot be loaded: no picture's fault."""


class Finder:
    """In the process that looks at pictures: [Picture] -> [Located], without the images."""

    def __init__(self, make_finder):
        try:
            self._finder = make_finder()
        except Exception as error:
            raise FinderError(clipped(error)) from None

    def __call__(self, pictures):
        found = self._finder.read(pictures, _decoded)
        return [replace(located, path=picture.name, image=None) for picture, located in zip(pictures, found)]


def _fetched(name):
    """The Picture of a name; what is wrong is said as `detect` says it."""
    try:
        return Picture(name, read_whole(place_of(name)) if is_remote(name) else picture_bytes(name))
    except FacesError as error:
        return Picture(name, problem=str(error))
    except OSError as error:
        return Picture(name, problem=f"{name}: cannot be read ({error})")


def _decoded(picture):
    if picture.problem is not None:
        raise PictureError(picture.problem)
    try:
        return decode_upright(picture.data)
    except PictureError as error:
        raise PictureError(f"{picture.name}: {error}") from None
