"""How far a long work is: on a terminal a line of stderr that is redrawn, elsewhere a line a minute of the logger.

Where nobody listens to this logger at INFO, as in a program that uses the package and has set up no logging, and in a
command with --quiet, nothing is told. `Progress._show` is where a line goes: whoever wants it elsewhere as well, in a
window, adds that there.
"""
import logging
import sys
import time

_LOG = logging.getLogger(__name__)
_PAUSE_ON_TERMINAL, _PAUSE_ELSEWHERE = 0.5, 60.0     # seconds between two lines
_EVIDENCE = 5.0     # seconds of work behind an estimate


class Progress:
    """Counts what is done and says how fast it goes and how long it will take.

    The speed is measured from the first thing that is done on: until then processes start and models are loaded, which
    says nothing of the rest. Nothing is estimated before there are some seconds to go by.

    Parameters
    ----------
    unit : str
        What is counted, "pictures".
    total : number, optional
        How many there are; None where nobody knows.
    title : str
    done : number
        Where the work begins.
    stream : text stream, optional
        Where lines go whatever the logger says.
    clock : () -> float
        Seconds.
    """

    def __init__(self, unit, total=None, title="", done=0, stream=None, clock=time.monotonic):
        self.unit, self.total, self.title, self.done = unit, total, title, done
        self._given, self._stream, self._clock = stream is not None, stream or sys.stderr, clock
        self._terminal = self._stream.isatty() and (self._given or _LOG.isEnabledFor(logging.INFO))
        self._begun, self._start = done, clock()
        self._first = None                                       # (seconds, done) when the first thing was done
        self._next = self._start + self._pause

    def over(self, items):
        """The items, one by one; each counts once the next is asked for."""
        try:
            for item in items:
                yield item
                self.step()
        finally:
            self.clear()

    def step(self, count=1):
        """So many more are done."""
        self.reach(self.done + count)

    def reach(self, done):
        """So many are done now."""
        self.done, now = done, self._clock()
        if self._first is None:
            self._first = now, done
        if now >= self._next and done != self.total:
            self._next = now + self._pause
            self._show(self.text(now))

    def skip(self):
        """One need not be done, which says nothing about speed."""
        if self.total is not None:
            self.total -= 1

    def say(self, message, level=logging.INFO):
        """A line for people, above the progress; of what is bad at the level WARNING."""
        self.clear()
        if self._given:
            print(message, file=self._stream, flush=True)
        else:
            _LOG.log(level, message)

    def clear(self):
        """Takes the line off a terminal."""
        if self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def text(self, now=None):
        """`evaluating: 1,200 of 3,466 faces, 91.3 a second, about 25 s left`; without what is not known yet."""
        of = "" if self.total is None else f" of {_number(self.total)}"
        text = f"{self.title}{': ' if self.title else ''}{_number(self.done)}{of} {self.unit}"
        speed = self._speed(self._clock() if now is None else now)
        if speed is None:
            return text
        text += f", {speed:.1f} a second" if speed >= 1 else f", {60 * speed:.1f} a minute"
        return text if self.total is None else f"{text}, about {duration((self.total - self.done) / speed)} left"

    @property
    def per_second(self):
        """How many were done a second, over all: the start included."""
        return (self.done - self._begun) / max(self._clock() - self._start, 1e-9)

    @property
    def _pause(self):
        return _PAUSE_ON_TERMINAL if self._terminal else _PAUSE_ELSEWHERE

    def _speed(self, now):
        """How many are done a second since the first was; None as long as that would be a guess."""
        if self._first is None:
            return None
        seconds, done = now - self._first[0], self.done - self._first[1]
        return done / seconds if seconds >= _EVIDENCE and done > 0 else None

    def _show(self, text):
        if self._terminal:
            self._stream.write(f"\r{text}\x1b[K")
            self._stream.flush()
        else:
            self.say(text)


def duration(seconds):
    """1 h 05 min, 12 min 30 s, 8 s"""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"


def _number(value):
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"
