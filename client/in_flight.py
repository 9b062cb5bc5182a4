"""Several requests under way at a time, their answers in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

IN_FLIGHT = 4
"""Requests under way: two keep two instances busy while two are made, sent and read."""

Request = TypeVar("Request")
Answer = TypeVar("Answer")


def in_order(
    ask: Callable[[Request], Answer], requests: Iterable[Request], at_once: int = IN_FLIGHT
) -> Iterator[Answer]:
    """Answers in the order of the requests.

    What ``ask`` raises is raised in the answer's place; requests that are under way then are left to
    themselves, and no other one is made.

    Args:
        ask: gives the answer to a request; called in threads.
        requests: made one by one, when there is room.
        at_once: requests that are held at a time.
    """
    if at_once == 1:
        yield from map(ask, requests)
        return
    under_way: deque[Future[Answer]] = deque()
    pool = ThreadPoolExecutor(at_once, "request")
    try:
        for request in requests:
            under_way.append(pool.submit(ask, request))
            if len(under_way) == at_once:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
