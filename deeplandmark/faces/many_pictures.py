"""A stream of pictures through any system: read and worked on ahead in threads, some pictures together, in order."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sized
from functools import partial
from typing import Any

import numpy as np

from deeplandmark.faces.errors import PictureError
from deeplandmark.work.cores import cores
from deeplandmark.work.in_order import in_chunks, in_order

# Pictures that are worked on together: less overhead a face; and how many of their pixels are held for it.
TOGETHER, PIXELS_HELD = 16, 8_000_000
# Bytes of files that are read together. Only small pictures gain by it; with large ones the first answer, and an end by
# Ctrl-C, would come late.
BYTES_TOGETHER = 1_000_000
NOT_USABLE = PictureError, ValueError, TypeError   # what a picture or its boxes raise that cannot be read or used


def locate_in_order(locate_group: Callable, pictures: Iterable, jobs: int | None = None, errors: str = "raise",
                    **options: Any) -> Iterator:
    """What a system's `locate_many` does.

    Parameters
    ----------
    locate_group : callable (list of (picture, boxes), **options) -> list of Faces or errors of NOT_USABLE
        Called in threads, with up to TOGETHER pictures.
    pictures : iterable of (picture, boxes)
        Taken from as needed.
    jobs : int, optional
        Threads; by default as many as there are cores.
    errors : "raise" or "yield"

    Returns
    -------
    iterator of Faces, in the order of the pictures; with errors="yield" also the errors, in their places
    """
    if errors not in ("raise", "yield"):
        raise ValueError(f"errors is 'raise' or 'yield', found {errors!r}")
    jobs = jobs or cores()
    total = len(pictures) if isinstance(pictures, Sized) else None
    chunks = in_chunks(pictures, group_size(total, jobs), _pixels_in_memory, PIXELS_HELD)
    found = in_order(partial(locate_group, **options), chunks, jobs, ahead=2)
    return (raised_or(each, errors) for group in found for each in group)


def group_size(total: int | None, jobs: int) -> int:
    """How many pictures a thread takes together: few of them are shared between all threads. None: nobody knows."""
    return TOGETHER if total is None else max(1, min(TOGETHER, -(-total // jobs)))


def share_of_group(picture: Any) -> float:
    """How much of a group of pictures that are looked at together a path or picture takes up; 1 ends the group."""
    if isinstance(picture, (str, os.PathLike)):
        try:
            return os.path.getsize(picture) / BYTES_TOGETHER
        except OSError:                                          # it is told of when it is read
            return 0
    return _pixels_of(picture) / PIXELS_HELD


def usable_together(run: Callable, items: list, prepare: Callable) -> list:
    """[result or error of each item], where `run(iterable of prepared items)` gives the results of those that
    `prepare(item)` could prepare; of the others the error, one of NOT_USABLE."""
    failed = {}

    def prepared():
        for i, item in enumerate(items):
            try:
                yield prepare(item)
            except NOT_USABLE as error:
                failed[i] = error
    results = iter(list(run(prepared())))
    return [failed[i] if i in failed else next(results) for i in range(len(items))]


def raised_or(result: Any, errors: str) -> Any:
    """The result, or what an error of it is according to `errors`: raised, or the result."""
    if errors == "raise" and isinstance(result, Exception):
        raise result
    return result


def _pixels_in_memory(item):
    """Of a picture in memory; one on disk is read when its turn has come."""
    return _pixels_of(item[0]) if isinstance(item, (tuple, list)) and item else 0


def _pixels_of(picture):
    return np.prod(picture.shape[:2]) if isinstance(picture, np.ndarray) else 0
