"""Work on threads: in order, a few at a time, errors told."""

import threading
import time

import pytest

from darkroom.system.parallel import ordered


def test_results_come_in_the_order_of_the_items():
    assert list(ordered(lambda number: time.sleep(0.01 * (number % 3 == 0)) or number * 2, range(20))) == [2 * n for n in range(20)]


def test_items_are_taken_only_as_they_are_needed():
    taken = []
    results = ordered(lambda number: number, (taken.append(n) or n for n in range(1000)), num_threads=2, ahead=4)
    next(results)
    results.close()
    assert len(taken) <= 6


def test_an_error_in_the_work_reaches_the_consumer():
    with pytest.raises(ZeroDivisionError):
        list(ordered(lambda number: 1 / number, [1, 0, 2]))


def test_no_thread_is_left():
    before = threading.active_count()
    list(ordered(abs, range(10)))
    assert threading.active_count() == before
