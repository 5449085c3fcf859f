"""Worker processes that leave Ctrl-C to the process that started them."""
import signal
import threading
from contextlib import contextmanager


@contextmanager
def deaf_to_interrupts():
    """Processes started inside ignore SIGINT: a terminal sends it to all of them, and only their parent, which then ends
    them, should say something. Without effect outside the main thread, which alone may set what a signal does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
