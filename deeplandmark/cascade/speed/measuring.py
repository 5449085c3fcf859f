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


def in_turn(steps, rounds):
    """Timings of callables, dict of name -> Timing: each once a round, so that what else the machine does meets all alike.

    steps : dict of name -> callable
    """
    times = {name: [] for name in steps}
    for number in range(rounds + WARM_UP):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if number >= WARM_UP:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: Timing(name, statistics.median(values), *np.percentile(values, [25, 75]).tolist(), min(values))
            for name, values in times.items()}
