"""How many workers there may be, and worker processes that leave Ctrl-C to the process that started them."""
import os
import signal
import threading
from contextlib import contextmanager


def cores():
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def deaf_to_interrupts():
    """Processes started inside ignore SIGINT: a terminal sends it to all of them, and only their parent, which then
    ends them, should say something. Without effect outside the main thread, which alone may set what a signal does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
