"""One line that says how far a level is: redrawn every second on a terminal, written once a minute elsewhere."""
import sys
import time

from deeplandmark.work.progress import duration


class ProgressLine:
    """
    Parameters
    ----------
    title : str
    done, total : dict of name -> iterations done so far, and at the end
    """

    def __init__(self, title, done, total, stream=None):
        self.title, self.done, self.total = title, dict(done), total
        self._stream = stream or sys.stderr
        self._start, self._at_start = time.monotonic(), sum(done.values())
        self._terminal = self._stream.isatty()
        self._next = self._start + (1 if self._terminal else 60)

    def update(self, name, iter):
        self.done[name] = iter
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (1 if self._terminal else 60)
        self._stream.write(f"\r{self.text(now)}\x1b[K" if self._terminal else self.text(now) + "\n")
        self._stream.flush()

    def text(self, now):
        done, total = sum(self.done.values()), sum(self.total.values())
        used = now - self._start
        new = done - self._at_start
        left = f", about {duration(used * (total - done) / new)} left" if new else ""
        return f"{self.title}: {done / max(1, total):4.0%} of {len(self.total)} networks, {duration(used)} used{left}"

    def close(self):
        if self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
