"""How far a work is: the line on a terminal and elsewhere, the speed, and no time left that is a guess."""
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplandmark.work.progress import Progress, duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


def test_the_start_is_no_part_of_the_time_left(clock):
    """Workers start for 20 seconds, then 10 faces a second are done: 100 s for 1,000, not hours."""
    progress = Progress("faces", 1000, "drawing", stream=io.StringIO(), clock=clock)
    assert progress.text() == "drawing: 0 of 1,000 faces"
    clock.seconds = 20
    progress.step()
    assert progress.text() == "drawing: 1 of 1,000 faces"
    for _ in range(40):
        clock.seconds += 0.1
        progress.step()
    assert progress.text() == "drawing: 41 of 1,000 faces"        # four seconds are not enough
    for _ in range(59):
        clock.seconds += 0.1
        progress.step()
    assert progress.text() == "drawing: 100 of 1,000 faces, 10.0 a second, about 1 min 30 s left"
    assert progress.per_second == pytest.approx(100 / 29.9)


def test_what_was_done_before_counts_for_no_speed(clock):
    progress = Progress("iterations", 2000, "level 1", done=1000, stream=io.StringIO(), clock=clock)
    for seconds, done in ((30, 1010), (40, 1020)):
        clock.seconds = seconds
        progress.reach(done)
    assert progress.text() == "level 1: 1,020 of 2,000 iterations, 1.0 a second, about 16 min 20 s left"
    assert progress.per_second == 20 / 40


def test_a_network_that_begins_anew_gives_no_time(clock):
    progress = Progress("iterations", 100, stream=io.StringIO(), clock=clock)
    for seconds, done in ((1, 50), (10, 90), (20, 40)):
        clock.seconds = seconds
        progress.reach(done)
    assert progress.text() == "40 of 100 iterations"


@pytest.mark.parametrize("count, text", [(1, "2 things, 4.0 a minute"), (30, "60 things, 2.0 a second")])
def test_slow_things_are_counted_by_the_minute(clock, count, text):
    progress = Progress("things", stream=io.StringIO(), clock=clock)
    progress.step(count)
    clock.seconds = 15
    progress.step(count)
    assert progress.text() == text


def test_megabytes(clock):
    assert Progress("MB", 176.25, "train.zip", 3.0, io.StringIO(), clock).text() == "train.zip: 3.0 of 176.2 MB"


def test_a_line_a_minute_where_nobody_watches(clock):
    stream = io.StringIO()
    progress = Progress("faces", 300, stream=stream, clock=clock)
    for item in progress.over(range(300)):
        assert item == progress.done
        clock.seconds += 1
    assert stream.getvalue().splitlines() == [f"{n} of 300 faces, 1.0 a second, about {left} left" for n, left in (
        (60, "4 min 00 s"), (120, "3 min 00 s"), (180, "2 min 00 s"), (240, "1 min 00 s"))]


def test_a_line_that_is_drawn_anew_on_a_terminal(clock):
    stream = Terminal()
    progress = Progress("faces", 3, stream=stream, clock=clock)
    for _ in progress.over(range(3)):
        clock.seconds += 0.4
    assert stream.getvalue() == "\r2 of 3 faces\x1b[K\r\x1b[K"
    progress.say("one was bad")
    assert stream.getvalue().endswith("\r\x1b[Kone was bad\n")


def test_the_line_is_taken_away_after_an_error(clock):
    stream = Terminal()

    def items():
        yield 1
        raise ValueError
    with pytest.raises(ValueError):
        list(Progress("faces", 3, stream=stream, clock=clock).over(items()))
    assert stream.getvalue() == "\r\x1b[K"


def test_what_need_not_be_done_is_not_waited_for(clock):
    progress = Progress("pictures", 10, stream=io.StringIO(), clock=clock)
    progress.skip()
    assert progress.text() == "0 of 9 pictures"


@given(st.integers(0, 10 ** 6))
def test_durations_say_what_they_are(seconds):
    parts = duration(seconds).replace("min", "60").replace("h", "3600").replace("s", "1").split()
    found = sum(int(value) * int(unit) for value, unit in zip(parts[::2], parts[1::2]))
    assert found == seconds if seconds < 3600 else abs(found - seconds) < 60


def test_durations():
    assert [duration(seconds) for seconds in (0.4, 8, 750, 3900)] == ["0 s", "8 s", "12 min 30 s", "1 h 05 min"]
