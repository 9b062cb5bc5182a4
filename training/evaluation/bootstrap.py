"""Uncertainties by drawing events anew: the hits of an event are not independent of each other."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 1979
"""Of the resamples."""

RESAMPLES = 1000

LEVEL = 95.0
"""Of the intervals, in percent."""

RANKS = 1000
"""Scores of each side are told apart as finely as its 1000 quantiles in the resamples."""


def resamples(events: int, count: int = RESAMPLES, seed: int = SEED) -> NDArray[np.int64]:
    """(count, events) how often each event is in each resample: as many events, with repetition."""
    random = np.random.default_rng((seed, events))
    return random.multinomial(events, np.full(events, 1.0 / events), size=count)


def interval(values: NDArray[np.floating]) -> tuple[float, float]:
    """Central 95 % of the values of the resamples, NaN apart; NaN where there is none."""
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(values, [50.0 - LEVEL / 2.0, 50.0 + LEVEL / 2.0])
    return float(low), float(high)


@dataclass(frozen=True)
class RankedHits:
    """How much weight each event has at each rank of a score, on either side of a truth.

    A resample is then a sum over events, and its figures come from two thousand weighted ranks.

    Attributes:
        weight: (E, 2 * ranks): first of the hits that are not, then of those that are.
    """

    weight: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        event: NDArray[np.integer],
        truth: NDArray[np.bool_],
        score: NDArray[np.floating],
        weight: NDArray[np.floating],
        events: int,
    ) -> "RankedHits":
        """Group hits.

        Args:
            event: (N,) number of the event, 0 to events - 1.
            truth: (N,).
            score: (N,).
            weight: (N,).
            events: how many there are, with those without hits.
        """
        levels = np.linspace(0.0, 1.0, RANKS + 1)
        sides = [score[truth], score[~truth]]
        edges = np.unique(
            np.concatenate([np.quantile(side, levels, method="lower") for side in sides if len(side)])
        )
        rank = np.searchsorted(edges, score, side="right")
        ranks = len(edges) + 1
        cell = (event.astype(np.int64) * 2 + truth) * ranks + rank
        return cls(
            np.bincount(cell, weight, events * 2 * ranks).astype(np.float64).reshape(events, 2 * ranks)
        )

    def figures(self, drawn: NDArray[np.integer]) -> NDArray[np.float64]:
        """(R, 3) area under the ROC curve, average precision and purity of each resample; NaN without a side.

        The first two are scikit-learn's, computed for all resamples at once: hits of one rank count as equal
        scores. The purity is that of the highest scores that hold half of those meant.

        Args:
            drawn: (R, E) from :func:`resamples`.
        """
        weight = drawn @ self.weight
        others, meant = np.split(weight[:, ::-1], 2, axis=1)[::-1]  # best rank first
        above, found = others.cumsum(axis=1), meant.cumsum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            beaten = others.sum(axis=1, keepdims=True) - above + others / 2.0
            auc = (meant * beaten).sum(axis=1) / (found[:, -1] * above[:, -1])
            purity = np.where(found > 0.0, found / (found + above), 0.0)
            precision = (meant * purity).sum(axis=1) / found[:, -1]
        first = (found >= found[:, -1:] / 2.0).argmax(axis=1)
        half = purity[np.arange(len(purity)), first]
        precision[~(above[:, -1] > 0.0)] = np.nan
        half[~((above[:, -1] > 0.0) & (found[:, -1] > 0.0))] = np.nan
        return np.column_stack([auc, precision, half])


def sums_by_event(
    event: NDArray[np.integer], values: NDArray[np.floating], events: int
) -> NDArray[np.float64]:
    """(events,) sum of the values of each event's hits."""
    return np.bincount(event, values, events).astype(np.float64)


def ratio(
    event: NDArray[np.integer],
    part: NDArray[np.floating],
    whole: NDArray[np.floating],
    drawn: NDArray[np.integer],
) -> dict[str, float | None]:
    """A share of weights with its interval.

    Args:
        event: (N,) number of each hit's event.
        part: (N,) weight that counts above.
        whole: (N,) weight that counts below.
        drawn: from :func:`resamples`.
    """
    above, below = (sums_by_event(event, values, drawn.shape[1]) for values in (part, whole))
    if not below.sum() > 0.0:
        return estimate(float("nan"), np.array([]))
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (drawn @ above) / (drawn @ below)
    return estimate(float(above.sum() / below.sum()), values)


def estimate(value: float, values: NDArray[np.floating]) -> dict[str, float | None]:
    """A value with its interval, unrounded, for JSON: NaN becomes None."""
    low, high = interval(values)
    return {
        name: float(number) if np.isfinite(number) else None
        for name, number in (("value", value), ("low", low), ("high", high))
    }


def rounded(record: Any) -> Any:
    """The same record, each of its estimates to six decimals, as one prints them."""
    if isinstance(record, dict):
        if set(record) == {"value", "low", "high"}:
            return {name: None if number is None else round(number, 6) for name, number in record.items()}
        return {name: rounded(value) for name, value in record.items()}
    if isinstance(record, list | tuple):
        return [rounded(value) for value in record]
    return record
