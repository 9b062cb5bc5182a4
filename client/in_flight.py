"""Several requests under way at a time, their answers in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from lartpc.interrupts import result_of

IN_FLIGHT = 4
"""Requests under way: two keep two instances busy while two are made, sent and read."""

BYTES_IN_FLIGHT = 256_000_000
"""Of requests under way, together: three planes of DUNE's far detector in FP32."""

Request = TypeVar("Request")
Answer = TypeVar("Answer")


def in_order(
    ask: Callable[[Request], Answer],
    requests: Iterable[Request],
    at_once: int = IN_FLIGHT,
    size: Callable[[Request], int] = lambda _: 0,
    most: int = BYTES_IN_FLIGHT,
) -> Iterator[Answer]:
    """Answers in the order of the requests.

    What ``ask`` raises is raised in the answer's place; requests that are under way then are left to
    themselves, and no other one is made.

    Args:
        ask: gives the answer to a request; called in threads.
        requests: made one by one, when there is room.
        at_once: requests that are held at a time.
        size: bytes of a request.
        most: bytes that are held at a time; a request that has more is held alone.
    """
    if at_once == 1:
        yield from map(ask, requests)
        return
    under_way: deque[tuple[Future[Answer], int]] = deque()
    held = 0
    pool = ThreadPoolExecutor(at_once, "request")
    try:
        for request in requests:
            under_way.append((pool.submit(ask, request), size(request)))
            held += under_way[-1][1]
            while under_way and (len(under_way) == at_once or held > most):
                first, bytes_of_first = under_way.popleft()
                yield result_of(first)
                held -= bytes_of_first
        while under_way:
            yield result_of(under_way.popleft()[0])
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
