"""What becomes of memory that was freed."""
import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3          # of glibc's malloc.h
_MMAP_MOST, _KEPT, _PAD = 32 << 20, 2 ** 31 - 1, 256 << 20


def keep_freed_memory():
    """Lets this process keep what it frees, up to 2 GiB, to use it again; for long loops that make and drop large
    arrays. Returns whether it could: it is glibc that is told.

    By default glibc hands large blocks back to the kernel at once, which gives others, all zero, page by page, when
    they are asked for the next time. Training the single-shot detector took 1.5 times as long so.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):                            # another C library
        return False
    return all([mallopt(_MMAP_THRESHOLD, _MMAP_MOST), mallopt(_TRIM_THRESHOLD, _KEPT), mallopt(_TOP_PAD, _PAD)])
