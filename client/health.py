"""How a server has answered so far, by which the fittest of several is chosen."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from client.running_mean import RunningMean

REST_S = 1.0
"""After a failure a server is not the first to be asked for so long; doubled by each that follows."""

MOST_REST_S = 60.0


class Health:
    """What is known of a server.

    Attributes:
        live: whether it answered when it was asked last.
        failures: without an answer in between.
        all_failures: of all time.
        answers: that it gave.
        under_way: requests that it has now.
        error: its latest failure.
    """

    def __init__(self) -> None:
        self.live = False
        self.failures = self.all_failures = self.answers = self.under_way = 0
        self._time = RunningMean()
        self.error: Exception | None = None
        self._rests_until = 0.0
        self._lock = threading.Lock()

    @property
    def usable(self) -> bool:
        """Whether it is not resting after a failure."""
        return time.monotonic() >= self._rests_until

    @property
    def mean_s(self) -> float:
        """Mean time of an answer; 0 before the first one."""
        return self._time.value or 0.0

    @property
    def cost(self) -> tuple[int, float]:
        """The less, the fitter: failures, then the time until it would answer."""
        return self.failures, (self.under_way + 1) * self.mean_s

    @contextmanager
    def asked(self) -> Iterator[None]:
        """While a request is under way; an answer is counted."""
        with self._lock:
            self.under_way += 1
        start = time.perf_counter()
        try:
            yield
        except BaseException:
            with self._lock:
                self.under_way -= 1
            raise
        took = time.perf_counter() - start
        with self._lock:
            self.under_way -= 1
            self.answers += 1
            self._time.add(took)
            self.live, self.failures = True, 0

    def reached(self) -> None:
        """It could be connected to, and serves the model."""
        with self._lock:
            self.live, self.failures, self._rests_until = True, 0, 0.0

    def failed(self, error: Exception) -> None:
        """It gave no answer."""
        with self._lock:
            self.live = False
            self.failures += 1
            self.all_failures += 1
            self.error = error
            rest = min(REST_S * 2 ** (self.failures - 1), MOST_REST_S)
            self._rests_until = time.monotonic() + rest
