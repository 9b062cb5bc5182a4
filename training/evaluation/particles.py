"""Scores of whole particles, as analyses use them: the mean over the hits, and the rule of 80 %.

Hits are put together by the particle that made them, as a perfect pattern recognition would do.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from lartpc.detector import PLANES
from lartpc.served.contract import MICHEL_CUTS, TRACK_CUTS, Label
from training.evaluation.bootstrap import RankedHits, estimate, ratio
from training.evaluation.tasks import weights

LEAST_HITS = 5
"""In the collection view; a particle with fewer is left out."""

MICHEL_SHARE = 0.8
"""Of a particle's hits, which must pass the cut for a Michel electron: ProtoDUNE's Michel analysis asks it of
a track's daughter, with the cut of 0.9 (MichelAnalysis modules of protoduneana)."""

KINDS = {
    "muon": (13, -13),
    "charged pion": (211, -211),
    "charged kaon": (321, -321),
    "proton": (2212,),
    "electron": (11, -11),
    "photon": (22,),
}
"""By PDG code; delta rays and Michel electrons apart from the other electrons."""

PARTICLE_DTYPE = np.dtype(
    [
        ("event", "i8"),  # number of the event
        ("kind", "U16"),
        ("label", "u1"),  # that most of its hits have
        ("michel", "?"),
        ("hits", "i4"),
        ("weight", "f8"),  # how often it counts in the natural mixture
        ("track", "f8"),  # mean track score of its hits
        ("passing", "f8", (len(MICHEL_CUTS),)),  # share of its hits with a Michel score above each cut
    ]
)


def particles_of(scores: NDArray[np.void], event: NDArray[np.integer]) -> NDArray[np.void]:
    """(P,) of :data:`PARTICLE_DTYPE`: the particles with at least 5 hits in the collection view.

    Args:
        scores: (N,) of training.evaluation.hit_scores.SCORE_DTYPE, of all hits of the events.
        event: (N,) number of each hit's event.
    """
    chosen = (scores["plane"] == PLANES[-1].index) & (scores["g4_id"] >= 0)
    hits, event = scores[chosen], event[chosen].astype(np.int64)
    maker = np.where(hits["electron"] >= 0, hits["electron"], hits["g4_id"]).astype(np.int64)
    is_michel = hits["michel"] == 1
    number = (event << 32 | maker) * 2 + is_michel  # an electron and what of it is no Michel hit
    _, first, particle, size = np.unique(number, return_index=True, return_inverse=True, return_counts=True)

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(particle, values, len(size)) / size

    found = np.zeros(len(size), PARTICLE_DTYPE)
    found["event"], found["hits"], found["michel"] = event[first], size, is_michel[first]
    of_label = [np.bincount(particle, hits["label"] == label, len(size)) for label in Label]
    found["label"] = np.argmax(of_label, axis=0)
    found["weight"] = mean(weights(hits, "natural"))
    found["track"] = mean(hits["track"])
    for place, cut in enumerate(MICHEL_CUTS):
        found["passing"][:, place] = mean(hits["michel_score"] > cut)
    found["kind"] = "other"
    for kind, codes in KINDS.items():
        found["kind"][np.isin(hits["pdg"][first], codes)] = kind
    found["kind"][hits["process"][first] == b"delta"] = "delta ray"
    found["kind"][found["michel"]] = "Michel electron"
    return found[found["hits"] >= LEAST_HITS]


def particle_scores(
    scores: NDArray[np.void], event: NDArray[np.integer], drawn: NDArray[np.integer]
) -> dict[str, Any]:
    """Figures of whole particles, natural mixture; arguments as of :func:`particles_of`, and the resamples.

    Returns:
        ``auc`` of track against shower by the mean track score; ``kinds``: number, mean track score and the
        share called track by the cut in use; ``michel``: of each cut in use efficiency and purity of the rule
        of 80 %. Empty where there are no tracks or no showers.
    """
    found = particles_of(scores, event)
    weight = found["weight"]
    track = found["label"] == Label.TRACK
    counted = (found["label"] != Label.NONE) & (weight > 0.0)
    if not (track & counted).any() or not (~track & counted).any():
        return {}
    of_side = found[counted]
    ranked = RankedHits.of(
        of_side["event"], track[counted], of_side["track"], of_side["weight"], drawn.shape[1]
    )
    auc = roc_auc_score(track[counted], of_side["track"], sample_weight=of_side["weight"])
    called = found["track"] > TRACK_CUTS[0]
    kinds = []
    for kind in (*KINDS, "delta ray", "Michel electron", "other"):
        member = (found["kind"] == kind) & (weight > 0.0)
        if member.any():
            share = ratio(found["event"], weight * (member & called), weight * member, drawn)
            mean = ratio(found["event"], weight * member * found["track"], weight * member, drawn)
            row = {"kind": kind, "particles": int(member.sum()), "mean_track_score": mean}
            kinds.append(row | {"called_track": share})
    michel = []
    for place, cut in enumerate(MICHEL_CUTS):
        passed = found["passing"][:, place] >= MICHEL_SHARE
        right = weight * (passed & found["michel"])
        michel.append(
            {
                "cut": cut,
                "passed": int(np.count_nonzero(passed & (weight > 0.0))),
                "efficiency": ratio(found["event"], right, weight * found["michel"], drawn),
                "purity": ratio(found["event"], right, weight * passed, drawn),
            }
        )
    return {
        "particles": int(counted.sum()),
        "least_hits": LEAST_HITS,
        "track_cut": TRACK_CUTS[0],
        "auc": estimate(float(auc), ranked.figures(drawn)[:, 0]),
        "kinds": kinds,
        "michel": michel,
    }
