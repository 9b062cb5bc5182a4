"""What another detector does to the scores of the same true deposits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from lartpc.served.contract import MICHEL_CUTS, TRACK_CUTS, Label
from training.evaluation.bootstrap import ratio, resamples, sums_by_event
from training.evaluation.comparison import differences, paired
from training.evaluation.tasks import weights

SAME_DEPOSIT_CM = 0.5
"""Hits of two detectors on one wire are of the same deposit where they are this near along the drift."""

APART_CM = 1e3
"""Wires are set this far apart, so that only hits of one wire are near each other."""


def same_deposits(
    ours: NDArray[np.void], theirs: NDArray[np.void]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the hits of two detectors that are of the same deposit, (n,) each.

    They lie on one wire of one event, and each is the other's nearest along the drift, by its particle's
    start and the drift speed of its detector. Hits of noise are of no deposit.

    Args:
        ours: (N,) of training.evaluation.hit_scores.SCORE_DTYPE.
        theirs: (M,) of the same events.
    """
    rows = [np.flatnonzero(np.isfinite(scores["drift"])) for scores in (ours, theirs)]
    wires, place = np.unique(
        np.concatenate([_wire(scores[of]) for scores, of in zip((ours, theirs), rows, strict=True)]),
        return_inverse=True,
    )
    points = [
        np.column_stack([of_wire * APART_CM, scores["drift"][of]])
        for of_wire, scores, of in zip(np.split(place, [len(rows[0])]), (ours, theirs), rows, strict=True)
    ]
    if not all(len(of) for of in points):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    trees = [KDTree(of) for of in points]
    distance, theirs_of = trees[1].query(points[0], distance_upper_bound=SAME_DEPOSIT_CM)
    _, ours_of = trees[0].query(points[1], distance_upper_bound=SAME_DEPOSIT_CM)
    near = np.flatnonzero(np.isfinite(distance))
    mutual = near[ours_of[theirs_of[near]] == near]
    return rows[0][mutual], rows[1][theirs_of[mutual]]


def _wire(scores: NDArray[np.void]) -> NDArray[np.int64]:
    """(N,) number of the wire of each hit, of all events."""
    image = (scores["event_id"][:, 2].astype(np.int64) * 256 + scores["tpc"]) * 4 + scores["plane"]
    return image * 65536 + scores["wire"]


def robustness(
    ours: NDArray[np.void], nominal: NDArray[np.void], events: NDArray[np.integer]
) -> dict[str, Any]:
    """What a detector changes, on all hits and on those of deposits that both detectors have hits of.

    Args:
        ours: (N,) of training.evaluation.hit_scores.SCORE_DTYPE, of the detector.
        nominal: (M,) of the nominal one.
        events: (E,) the events' numbers.

    Returns:
        ``found``: by class the share of the nominal hits, natural mixture, whose deposit has a
        hit here; of the hits in common ``differences`` as of training.evaluation.comparison.differences, and
        ``cuts``: of each cut in use efficiency and purity here, in the nominal detector and the difference,
        natural mixture, all with paired intervals.
    """
    drawn = resamples(len(events))
    here, there = same_deposits(ours, nominal)
    ours, both = ours[here], nominal[there]
    common = np.zeros(len(nominal), bool)
    common[there] = True
    weight = weights(nominal, "natural")
    event = np.searchsorted(events, nominal["event_id"][:, 2])
    classes = {
        "track": nominal["label"] == Label.TRACK,
        "shower": (nominal["label"] == Label.SHOWER) & (nominal["michel"] == 0),
        "michel": nominal["michel"] == 1,
    }
    return {
        "found": {
            name: ratio(event, weight * (member & common), weight * member, drawn)
            for name, member in classes.items()
        },
        "differences": differences(ours, both, events),
        "cuts": [
            {"score": name, "cut": cut} | _at_cut(ours, both, field, cut, events, drawn)
            for name, field, cuts in (("track", "track", TRACK_CUTS), ("michel", "michel_score", MICHEL_CUTS))
            for cut in cuts
        ],
    }


def _at_cut(
    ours: NDArray[np.void],
    theirs: NDArray[np.void],
    field: str,
    cut: float,
    events: NDArray[np.integer],
    drawn: NDArray[np.integer],
) -> dict[str, dict[str, Any]]:
    """Efficiency and purity of ``score > cut``: ours, theirs, difference."""
    event = np.searchsorted(events, ours["event_id"][:, 2])
    sums = []
    for scores in (ours, theirs):
        weight = weights(scores, "natural")
        truth = scores["michel"] == 1 if field == "michel_score" else scores["label"] == Label.TRACK
        passed = scores[field] > cut
        sums.append(
            np.stack(
                [sums_by_event(event, weight * side, len(events)) for side in (truth & passed, truth, passed)]
            )
        )
    found = {}
    for name, below in (("efficiency", 1), ("purity", 2)):
        with np.errstate(invalid="ignore", divide="ignore"):
            value, other = (of[0].sum() / of[below].sum() for of in sums)
            values, others = ((drawn @ of[0]) / (drawn @ of[below]) for of in sums)
        found[name] = paired(value, values, other, others)
    return found
