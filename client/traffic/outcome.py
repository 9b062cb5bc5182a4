"""What clients found: times of their answers, and what went wrong."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (50, 90, 99)


@dataclass
class Outcome:
    """Of some clients, or of all of them together.

    Attributes:
        answered: (N,) end of each answer, in s since the signal.
        took: (N,) seconds from when a request was due to its answer, refusals and retries included.
        event_ended: (E,) end of each event of clients that wait for answers, in s since the signal.
        event_took: (E,) seconds from an event's first request to its last answer.
        version: (N,) which of the versions that may answer did; -1 for none.
        hits: of them together.
        refused: answers that told a client to come again, by status.
        lost: requests that were given up, by status.
        wrong: answers beyond tolerance, or to another number of hits.
        unsent: requests of an open load that were due and never sent, for no client was free.
        waited: (N,) seconds by which a request of an open load was sent later than due.
        peak_mb: memory of the process at most, in MB; of several the sum.
    """

    answered: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    took: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    event_ended: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    event_took: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    version: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    hits: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    unsent: int = 0
    waited: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    peak_mb: float = 0.0

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            np.concatenate([self.answered, other.answered]),
            np.concatenate([self.took, other.took]),
            np.concatenate([self.event_ended, other.event_ended]),
            np.concatenate([self.event_took, other.event_took]),
            np.concatenate([self.version, other.version]),
            self.hits + other.hits,
            self.refused + other.refused,
            self.lost + other.lost,
            self.wrong + other.wrong,
            self.unsent + other.unsent,
            np.concatenate([self.waited, other.waited]),
            self.peak_mb + other.peak_mb,
        )

    @property
    def requests(self) -> int:
        """That were answered."""
        return len(self.took)

    @property
    def seconds(self) -> float:
        """From the signal to the last answer."""
        return float(self.answered.max(initial=0.0))

    @property
    def hits_a_second(self) -> float:
        """Of all clients together."""
        return self.hits / self.seconds if self.requests else 0.0

    def percentile(self, percent: float) -> float:
        """Of the time that an answer took, in s; NaN where there is none."""
        return float(np.percentile(self.took, percent)) if self.requests else float("nan")

    def events_between(self, since_s: float, until_s: float) -> NDArray[np.float64]:
        """(N,) times of the requests of the events that began in a time, in s."""
        began = self.event_ended - self.event_took
        return self.event_took[(began >= since_s) & (began < until_s)]

    def module_s(self) -> float:
        """Mean time of an event's requests, in s; NaN where there is no event."""
        return float(self.event_took.mean()) if len(self.event_took) else float("nan")

    @property
    def longest_gap_s(self) -> float:
        """The longest time without any answer, in s: what a fault has cost all clients together."""
        if not self.requests:
            return float("nan")
        return float(np.diff(np.sort(self.answered), prepend=0.0).max())
