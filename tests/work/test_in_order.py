"""Many things at once, in order, few of them in memory."""
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplandmark.work.in_order import AHEAD, in_chunks, in_order


def test_results_come_in_order_whoever_is_first():
    def slow(number):
        time.sleep(0.02 * (number % 3 == 0))
        return number
    assert list(in_order(slow, range(12), jobs=3)) == list(range(12))


def test_only_a_few_are_begun_ahead():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number
    results = in_order(lambda number: number, items(), jobs=2)
    for number in range(5):
        assert next(results) == number
        assert len(taken) <= number + 1 + AHEAD * 2
    results.close()
    assert len(taken) < 20


def test_errors_are_raised_in_their_place_and_the_rest_is_dropped():
    def work(number):
        if number == 2:
            raise ValueError("two")
        return number

    def items():
        yield 0
        raise KeyError("items")
    results = in_order(work, range(9), jobs=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)
    results = in_order(work, items(), jobs=2)
    assert next(results) == 0
    with pytest.raises(KeyError):
        next(results)
    assert threading.active_count() < 20


@given(st.lists(st.integers(0, 9)), st.integers(1, 5), st.integers(0, 20))
def test_chunks_hold_everything_once(items, count, most):
    chunks = list(in_chunks(items, count, weight=lambda item: item, most=most))
    assert [item for chunk in chunks for item in chunk] == items
    for chunk in chunks[:-1]:
        assert len(chunk) == count or sum(chunk) > most
    assert all(0 < len(chunk) <= count and sum(chunk[:-1]) <= most for chunk in chunks)


def test_what_came_before_an_error_is_not_lost():
    def items():
        yield from (1, 2, 3)
        raise ValueError
    chunks = in_chunks(items(), 2)
    assert next(chunks) == [1, 2]
    assert next(chunks) == [3]
    with pytest.raises(ValueError):
        next(chunks)
