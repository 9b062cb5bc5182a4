"""How scores depend on what surrounds a hit: charge, track angle, distance to the end, overlap."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lartpc.score_file import outputs_of
from lartpc.served.contract import CLASS_OUTPUT, Label
from training.evaluation.bootstrap import ratio
from training.evaluation.cuts import michel_cut

EDGES = {
    "charge": np.geomspace(3.0, 400.0, 13),
    "angle": np.linspace(0.0, 90.0, 10),
    "end_distance": np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]),
    "overlap": np.linspace(0.0, 1.0, 11),
}
"""Bins: 10^3 electrons, degrees, cm, share. What lies beyond the last edges is not drawn."""

LEAST_HITS = 20
"""Bins with fewer hits are left out."""

QUANTILES = (16.0, 50.0, 84.0)


def dependence(
    scores: NDArray[np.void], event: NDArray[np.integer], drawn: NDArray[np.integer]
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Quantity -> kind of hit -> bins, as generated.

    A bin of tracks or showers holds the 16, 50 and 84 % quantiles of the track score and the share whose
    largest score is the true class; one of Michel electrons the quantiles of the Michel score and the share
    beyond the cut that 1 % of the others pass. Kinds without a quantity have no bins of it.
    """
    predicted = outputs_of(scores)[CLASS_OUTPUT].argmax(axis=1)
    right = predicted == scores["label"]
    kinds = {
        "track": (scores["label"] == Label.TRACK, scores["track"], right),
        "shower": ((scores["label"] == Label.SHOWER) & (scores["michel"] == 0), scores["track"], right),
        "michel": (
            scores["michel"] == 1,
            scores["michel_score"],
            scores["michel_score"] > michel_cut(scores),
        ),
    }
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for quantity, edges in EDGES.items():
        value = scores[quantity]
        with np.errstate(invalid="ignore"):
            inside = np.where(np.isfinite(value), np.digitize(value, edges) - 1, -1)
            inside[value == edges[-1]] = len(edges) - 2
        for kind, (member, score, correct) in kinds.items():
            bins = []
            for number in range(len(edges) - 1):
                chosen = member & (inside == number)
                if np.count_nonzero(chosen) < LEAST_HITS:
                    continue
                bins.append(
                    {
                        "low": float(edges[number]),
                        "high": float(edges[number + 1]),
                        "hits": int(np.count_nonzero(chosen)),
                        "score_quantiles": [
                            round(float(q), 5) for q in np.percentile(score[chosen], QUANTILES)
                        ],
                        "right": ratio(event, 1.0 * (chosen & correct), 1.0 * chosen, drawn),
                    }
                )
            if bins:
                found.setdefault(quantity, {})[kind] = bins
    return found
