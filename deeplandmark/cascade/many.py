"""Working on many things at once, in order, with only a few of them in memory."""
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from deeplandmark.cascade.processes import cores

AHEAD = 4               # things begun for each thread before the first of them is asked for


def in_order(work, items, jobs=None):
    """`work(item)` of every item, in the order of the items, worked on by `jobs` threads (by default one a core).

    Raises what `work` or the iterable raises, in its place; what was begun is then dropped.
    """
    jobs = jobs or cores()
    items = iter(items)
    pool = ThreadPoolExecutor(jobs)
    try:
        waiting = deque(pool.submit(work, item) for item in islice(items, AHEAD * jobs))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in islice(items, 1))
    finally:
        pool.shutdown(cancel_futures=True)
