"""Work done ahead in threads, results in order, memory bounded."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor


def in_order(function, items, threads):
    """`function` of every item, in the order of the items, worked on by `threads` threads.

    No more than 2 * threads results wait at a time. When the caller stops early, work that has not begun is dropped.
    """
    pool, waiting, coming = ThreadPoolExecutor(threads), deque(), iter(items)
    try:
        for item in coming:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
