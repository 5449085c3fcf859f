"""Working on many things at once, in order, with only a few of them in memory."""
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from deeplandmark.work.cores import cores

AHEAD = 4               # things begun for each thread before the first of them is asked for


def in_order(work, items, jobs=None, ahead=AHEAD):
    """`work(item)` of every item, in the order of the items, worked on by `jobs` threads (by default one a core).

    Raises what `work` or the iterable raises, in its place; what was begun is then dropped.
    """
    jobs = jobs or cores()
    pool = ThreadPoolExecutor(jobs)
    coming = _begun(pool, work, items)
    try:
        waiting = deque(islice(coming, ahead * jobs))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(islice(coming, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def _begun(pool, work, items):
    """Futures of the work on each item; if the iterable raises, a last one that raises the same."""
    try:
        for item in items:
            yield pool.submit(work, item)
    except Exception as error:
        failed = Future()
        failed.set_exception(error)
        yield failed


def in_chunks(items, count, weight=lambda item: 0, most=0):
    """Lists of up to `count` items, in order; a shorter one ends with the item by which its weights exceed `most`.

    What the iterable raises is raised after a list of the items before.
    """
    chunk, carried = [], 0
    try:
        for item in items:
            chunk.append(item)
            carried += weight(item)
            if len(chunk) == count or carried > most:
                yield chunk
                chunk, carried = [], 0
    except Exception:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk
