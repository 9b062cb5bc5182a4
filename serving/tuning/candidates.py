"""Which settings of a model are tried on a machine, one after the other, and which could not differ.

The order is that in which one decides for the next: how the cores are shared decides how long a run takes,
the rows of a run what lies in the caches, both how many requests wait when an instance is free, and only
where waiting requests are merged can it help to wait for more.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from lartpc.served.tuning import PREFERRED_ROWS, Tuning

MOST_INSTANCES = 16
"""Each is a process of 0.1 GB and more."""

ROWS_A_RUN = (64, 128, 512)
BACKENDS_ROWS = 256
"""In which the embedded server's backend goes through a batch by itself (serving/backends)."""

DELAYS_US = (500, 2000)


@dataclass(frozen=True)
class Terms:
    """What is asked of a model's settings.

    Attributes:
        cores: that the server may use.
        clients: with one request under way each.
        batch: patches in a request.
        bound_ms: that 99 of 100 answers must not exceed; infinite where there is none.
        rounds: in which a candidate and the best so far are measured in turns.
    """

    cores: int
    clients: int
    batch: int
    bound_ms: float = float("inf")
    rounds: int = 5

    @property
    def bounded(self) -> bool:
        """Whether there is a bound."""
        return self.bound_ms < float("inf")


@dataclass(frozen=True)
class Candidate:
    """Settings to try.

    Attributes:
        words: what differs from the best so far.
        tuning: all of them.
    """

    words: str
    tuning: Tuning


def beginning(cores: int, of_machine: int) -> Tuning:
    """An export's default; where the process may not use all cores, on as many threads as it may.

    ONNX Runtime by itself takes as many threads as the machine has cores, whatever the process may use
    (measured with 1.32: ``taskset -c 0`` leaves their number as it is).
    """
    return Tuning() if cores >= of_machine else Tuning(threads=cores)


def shares(best: Tuning, terms: Terms) -> list[Candidate]:
    """Instances, and threads of each: all cores divided among 1, 2, 4, ... instances, and one core left free.

    Never more threads together than cores.
    """
    counts = [1 << power for power in range(MOST_INSTANCES.bit_length())]
    divided = [(count, terms.cores // count) for count in counts if count <= terms.cores]
    if terms.cores > 1:
        divided.insert(1, (1, terms.cores - 1))
    return [
        Candidate(f"{instances} x {threads} threads", replace(best, instances=instances, threads=threads))
        for instances, threads in dict.fromkeys(divided)
        if (instances, threads) != (best.instances, best.threads)
    ]


def runs(best: Tuning, terms: Terms) -> list[Candidate]:
    """Rows of one run; of two numbers that no batch of these clients reaches one."""
    most = terms.batch if not best.preferred_rows else min(_largest(best), terms.clients * terms.batch)
    rows = _distinct(ROWS_A_RUN, lambda rows: min(rows, most), best.rows_a_run or BACKENDS_ROWS)
    return [Candidate(f"runs of {number:,} rows", replace(best, rows_a_run=number)) for number in rows]


def merges(best: Tuning, terms: Terms) -> list[Candidate]:
    """Rows that are merged at most, or nothing merged; of two that these clients do not fill one."""
    if terms.clients == 1:
        return []
    wider = (*PREFERRED_ROWS, 2 * PREFERRED_ROWS[-1])
    waiting = terms.clients * terms.batch
    ends = _distinct(wider, lambda rows: min(rows, waiting), _largest(best))
    merged = [
        Candidate(f"{end:,} rows merged", replace(best, preferred_rows=tuple(n for n in wider if n <= end)))
        for end in ends
        if end >= 2 * terms.batch
    ]
    return [Candidate("nothing merged", replace(best, preferred_rows=())), *merged]


def delays(best: Tuning, terms: Terms) -> list[Candidate]:
    """How long a request waits for others; where nothing is merged, or nobody else comes, for nobody."""
    if not best.preferred_rows or terms.clients == 1:
        return []
    return [Candidate(f"waits {us:,} us", replace(best, queue_delay_us=us)) for us in DELAYS_US]


STEPS: tuple[Callable[[Tuning, Terms], list[Candidate]], ...] = (shares, runs, merges, delays)


def _largest(tuning: Tuning) -> int:
    return tuning.preferred_rows[-1] if tuning.preferred_rows else 0


def _distinct(values: Iterable[int], effect: Callable[[int], int], present: int) -> list[int]:
    """The values of different effects, without those that have the present one's."""
    distinct = {effect(value): value for value in reversed(list(values))}
    distinct.pop(effect(present), None)
    return sorted(distinct.values())
