"""Timings of several things that are done in turn."""
import statistics
import time
from dataclasses import dataclass

import numpy as np

WARM_UP = 2             # rounds that are not counted


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one go, over the rounds: median, quartiles, and the best one.

    What else the machine does only adds to a time, so ratios are those of the best goes.
    """
    name: str
    median: float
    low: float
    high: float
    best: float


def in_turn(steps, rounds, threads=1, warm=False):
    """Timings of callables, dict of name -> Timing: each once a round, so that other work meets all alike.

    Of things that use one thread it is the processor's time that counts, which on a quiet machine is the time on the
    clock and on a busy one still that of the thing itself; with more threads it is the time on the clock.

    steps : dict of name -> callable
    warm : bool
        Each is done once more before it is timed, as in a stream of pictures; else the caches are full of the others.
    """
    clock = time.process_time if threads == 1 else time.perf_counter
    times = {name: [] for name in steps}
    for number in range(rounds + WARM_UP):
        for name, step in steps.items():
            if warm:
                step()
            start = clock()
            step()
            if number >= WARM_UP:
                times[name].append(1e3 * (clock() - start))
    return {name: Timing(name, statistics.median(values), *np.percentile(values, [25, 75]).tolist(), min(values))
            for name, values in times.items()}
