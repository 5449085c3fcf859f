"""How much memory this process may have, and what becomes of what it frees."""
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


def bound_memory(more):
    """Lets this process have so many bytes more than it has now; where the system is not Linux, as many as it likes."""
    try:
        import resource
        with open("/proc/self/status", encoding="ascii") as lines:
            now = next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmData"))
    except (ImportError, OSError, StopIteration):
        return
    resource.setrlimit(resource.RLIMIT_DATA, (now + more, resource.getrlimit(resource.RLIMIT_DATA)[1]))
