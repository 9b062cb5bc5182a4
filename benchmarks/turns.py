"""Calls that take turns, so that what else the machine does falls on all of them."""

from collections.abc import Callable
from time import perf_counter


def taking_turns(rounds: int, *calls: Callable[[], object]) -> list[list[float]]:
    """Seconds of each call in rounds that take turns; the first round warms up."""
    seconds: list[list[float]] = [[] for _ in calls]
    for number in range(rounds + 1):
        for call, taken in zip(calls, seconds, strict=True):
            start = perf_counter()
            call()
            if number:
                taken.append(perf_counter() - start)
    return seconds
