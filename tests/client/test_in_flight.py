"""Requests under way at a time: how many, in which order, and what a failure or an end leaves."""

import threading
import time
from collections.abc import Iterator

import pytest

from client.in_flight import in_order
from lartpc.errors import UserError


def test_answers_come_in_the_order_of_the_requests_and_few_are_held() -> None:
    held, most, lock = 0, 0, threading.Lock()

    def ask(number: int) -> int:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        time.sleep(0.001 * (number % 3))
        with lock:
            held -= 1
        return number

    assert list(in_order(ask, range(50), at_once=3)) == list(range(50))
    assert 2 <= most <= 3


def test_no_request_is_made_before_there_is_room() -> None:
    made, go_on = [], threading.Event()

    def requests() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            yield number

    def ask(number: int) -> int:
        go_on.wait()
        return number

    answers = in_order(ask, requests(), at_once=2)
    reader = threading.Thread(target=next, args=(answers,))
    reader.start()
    time.sleep(0.05)
    assert made == [0, 1]
    go_on.set()
    reader.join()
    assert list(answers) == list(range(1, 10))


def test_a_failure_is_raised_in_its_place_and_no_other_request_is_made() -> None:
    asked = []

    def ask(number: int) -> int:
        asked.append(number)
        if number == 5:
            raise UserError("the fifth")
        return number

    answers = []
    with pytest.raises(UserError, match="the fifth"):
        for answer in in_order(ask, range(100), at_once=3):
            answers.append(answer)
    assert answers == [0, 1, 2, 3, 4]
    assert max(asked) <= 8


def test_the_bytes_under_way_are_bounded_and_a_large_request_goes_alone() -> None:
    held, most, lock = 0, 0, threading.Lock()

    def ask(size: int) -> int:
        nonlocal held, most
        with lock:
            held += size
            most = max(most, held)
        time.sleep(0.002)
        with lock:
            held -= size
        return size

    sizes = [10, 10, 10, 100, 10, 40, 10, 10] * 3
    assert list(in_order(ask, sizes, at_once=8, size=int, most=45)) == sizes
    assert most <= 145
    most = 0
    assert list(in_order(ask, [10] * 30, at_once=8, size=int, most=45)) == [10] * 30
    assert most <= 50
