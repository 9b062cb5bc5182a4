"""The search for a model's settings: one at a time, each candidate beside the best so far, in turns.

A candidate is taken where it is better by :data:`GAIN` in the median of the rounds, and may lose one round in
five; one round more that it loses ends its trial. Other programs on the machine slow both of a pair, so that
what they are compared by is their ratio in each round.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from lartpc.errors import CheckError
from lartpc.served.tuning import Tuning
from serving.sizing.perf_analyzer import Row
from serving.tuning.candidates import STEPS, Candidate, Terms

Measure = Callable[[Tuning], Row]

GAIN = 1.02
"""By which a candidate must be better: what is less is not worth another setting."""

ROUNDS_A_LOSS = 5
"""Rounds of which a candidate may lose one; by chance one of two that are equal wins four of five in 19 of a
hundred trials."""


@dataclass(frozen=True)
class Trial:
    """A candidate beside another setting.

    Attributes:
        candidate: what was tried.
        rows: of it, one a round.
        beside: of the other, in the same rounds.
        taken: whether it is better.
        fault: why it could not be measured; empty where it could.
    """

    candidate: Candidate
    rows: tuple[Row, ...]
    beside: tuple[Row, ...]
    taken: bool
    fault: str = ""

    @property
    def gains(self) -> list[float]:
        """Throughput over the other's, of each round."""
        pairs = zip(self.rows, self.beside, strict=True)
        return [row.hits_a_second / other.hits_a_second for row, other in pairs]


@dataclass
class Search:
    """What was measured, and what follows from it.

    Attributes:
        terms: what is asked.
        measure: asks a server with these settings.
        tell: is called with every trial.
        seen: of each setting every measurement.
        trials: in their order.
        last: the best beside the start at the end; None where the start is the best.
    """

    terms: Terms
    measure: Measure
    tell: Callable[[Trial], None] = lambda trial: None
    seen: dict[Tuning, list[Row]] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    last: Trial | None = None

    def choose(self, start: Tuning) -> Tuning:
        """Search from the start, and measure it and the best that was found again, in turns.

        Chance that favoured the best in the search does not favour it twice: it is chosen where it is better
        once more, by the same rule.

        Raises:
            CheckError: the start cannot be measured. A candidate that cannot is not taken.
        """
        best = self._best_from(start)
        if best == start:
            return start
        self.last = self._try(Candidate("tuned", best), start, to_the_end=True)
        return best if self.last.taken else start

    def _best_from(self, start: Tuning) -> Tuning:
        best = start
        self._row(start)
        for step in STEPS:
            for candidate in step(best, self.terms):
                trial = self._try(candidate, best)
                self.trials.append(trial)
                self.tell(trial)
                if trial.taken:
                    best = candidate.tuning
        return best

    def keeps(self, tuning: Tuning) -> bool:
        """Whether the bound is kept, in the median of all that was measured of these settings."""
        return self.p99_ms(tuning) <= self.terms.bound_ms

    def p99_ms(self, tuning: Tuning) -> float:
        """Median of the 99th percentiles that were measured of these settings."""
        return median(row.p99_ms for row in self.seen[tuning])

    def check_bound(self, chosen: Tuning) -> None:
        """Raises CheckError, with the least 99th percentile, where the chosen does not keep the bound."""
        if not self.keeps(chosen):
            least = min(self.seen, key=self.p99_ms)
            raise CheckError(
                f"no setting surely keeps 99 of 100 answers within {self.terms.bound_ms:g} ms with "
                f"{self.terms.clients} clients and batches of {self.terms.batch}; the least seen was "
                f"{self.p99_ms(least):,.1f} ms ({least.in_words}): allow more, or ask with fewer clients or "
                "smaller batches"
            )

    def _try(self, candidate: Candidate, best: Tuning, to_the_end: bool = False) -> Trial:
        """A candidate beside the best so far, in turns; lost early unless ``to_the_end``.

        Until the best keeps the bound shorter answers are better, from then on more of them.
        """
        within = self.keeps(best)
        rows: list[Row] = []
        beside: list[Row] = []
        better: list[float] = []
        may_lose = self.terms.rounds // ROUNDS_A_LOSS
        lost = 0
        try:
            while len(rows) < self.terms.rounds and (to_the_end or lost <= may_lose):
                row, other = self._turn(candidate.tuning, best, swapped=len(rows) % 2 == 1)
                rows.append(row)
                beside.append(other)
                better.append(
                    row.hits_a_second / other.hits_a_second if within else other.p99_ms / row.p99_ms
                )
                lost += better[-1] <= 1
        except CheckError as error:
            return Trial(candidate, (), (), taken=False, fault=str(error))
        won = lost <= may_lose and median(better) > GAIN
        taken = won and (self.keeps(candidate.tuning) or not within)
        return Trial(candidate, tuple(rows), tuple(beside), taken)

    def _turn(self, tried: Tuning, other: Tuning, swapped: bool) -> tuple[Row, Row]:
        """Rows of both; in every second round the other way round, so that none has the better turn."""
        measured = {tuning: self._row(tuning) for tuning in ((tried, other) if swapped else (other, tried))}
        return measured[tried], measured[other]

    def _row(self, tuning: Tuning) -> Row:
        row = self.measure(tuning)
        self.seen.setdefault(tuning, []).append(row)
        return row
