"""How long an answer is waited for: as long as was said, or many times what answers have taken."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from client.running_mean import RunningMean

FIRST_S = 60.0
"""For an answer while nothing is known: a server may still warm a model up."""

LEAST_S = 10.0
TIMES = 20
"""Of the mean time a hit: dynamic batching, other clients and a loaded machine are within it."""


@dataclass(frozen=True)
class Limit:
    """Longest wait for an answer.

    Attributes:
        seconds: of it.
        why: where that comes from, in words.
    """

    seconds: float
    why: str


class Patience:
    """Learns from answers how long one may take.

    Args:
        seconds: longest wait, where it is not to be learnt.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._second_a_hit = RunningMean()

    def limit(self, hits: int) -> Limit:
        """For an answer to so many hits."""
        if self._seconds is not None:
            return Limit(self._seconds, "as asked for")
        mean = self._second_a_hit.value
        if mean is None:
            return Limit(FIRST_S, "of its first answer")
        expected = mean * max(hits, 1)
        return Limit(max(LEAST_S, TIMES * expected), f"{hits} hits took {expected:.2g} s so far")

    @contextmanager
    def within(self, hits: int) -> Iterator[Limit]:
        """The limit of a request that is made inside; where it is answered, it is learnt from."""
        start = time.perf_counter()
        yield self.limit(hits)
        took = (time.perf_counter() - start) / max(hits, 1)
        with self._lock:
            self._second_a_hit.add(took)
