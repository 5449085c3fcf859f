"""How far a long run is, on stderr: a line redrawn on a terminal, a line a minute elsewhere."""

import sys
import time

from deeplandmark.work.progress import duration


class Rate:
    """
    Parameters
    ----------
    unit : what is counted, e.g. "pictures"
    total : how many there are, None where nobody knows
    """

    def __init__(self, unit, total=None, stream=None):
        self.unit, self.total, self.done = unit, total, 0
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._start = time.monotonic()
        self._next = self._start + self._pause()

    def step(self):
        """One more is done."""
        self.done += 1
        now = time.monotonic()
        if now >= self._next and self.done != self.total:
            self._next = now + self._pause()
            self._stream.write(f"\r{self.text()}\x1b[K" if self._terminal else self.text() + "\n")
            self._stream.flush()

    def skip(self):
        """One need not be done, which says nothing about speed."""
        if self.total is not None:
            self.total -= 1

    def say(self, message):
        """A line for people, above the progress."""
        self.clear()
        print(message, file=self._stream, flush=True)

    def clear(self):
        if self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def text(self):
        of = "" if self.total is None else f" of {self.total:,}"
        text = f"{self.done:,}{of} {self.unit}, {self.per_second:.1f} a second"
        if self.total is None or not self.done:
            return text
        return f"{text}, about {duration((self.total - self.done) / self.per_second)} left"

    @property
    def per_second(self):
        return self.done / max(time.monotonic() - self._start, 1e-9)

    def _pause(self):
        return 0.5 if self._terminal else 60.0
