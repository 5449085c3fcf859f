"""What is refused before memory is taken for it: shapes that no net of this machine can have."""
import contextlib
import math
import os

from deeplandmark.caffe.errors import NetError

MAX_AXES = 32                # kMaxBlobAxes of blob.hpp
MAX_MESSAGES = 100_000       # layers, blobs, fillers ... of one file; the deepest published nets have some 10,000
_BYTES = 4                   # of a float32

_limit = None


def memory_limit():
    """Bytes (int) that a blob, or all parameters and blobs of a net, may take; None where the machine does not say."""
    return physical_memory() if _limit is None else _limit


@contextlib.contextmanager
def limited(nbytes):
    """A smaller limit, in bytes, inside the block, for definitions that nobody vouches for."""
    global _limit
    before, _limit = _limit, nbytes
    try:
        yield
    finally:
        _limit = before


def physical_memory():
    """Bytes of memory of this machine, or None where it does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def check_shape(shape):
    """Refuses a shape that no blob can have; returns its number of elements.

    Raises
    ------
    NetError
        For more than 32 axes, a negative extent, or more float32 values than `memory_limit`.
    """
    if len(shape) > MAX_AXES:
        raise NetError(f"a blob of {len(shape)} axes; blobs have up to {MAX_AXES}")
    if any(n < 0 for n in shape):
        raise NetError(f"a blob cannot have the shape {tuple(shape)}")
    # An extent of 0 does not excuse the others: torch multiplies them all.
    check_bytes(math.prod(max(n, 1) for n in shape) * _BYTES, f"a blob of shape {tuple(shape)}")
    return math.prod(shape)


def check_bytes(nbytes, what):
    """Refuses, as a NetError, what cannot be held in memory; `what` would need the bytes."""
    limit = memory_limit()
    if limit is not None and nbytes > limit:
        raise NetError(f"{what} would need {_readable(nbytes)}; the limit is {_readable(limit)}")


def _readable(nbytes):
    units = ("bytes", "KiB", "MiB", "GiB", "TiB")
    power = next((i for i in range(len(units)) if nbytes < 1024 ** (i + 1)), len(units) - 1)
    return f"{nbytes / 1024 ** power:.4g} {units[power]}"
