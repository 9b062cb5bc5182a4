"""How many Michel electrons are found, and how many of the candidates are one: in one view and in three."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lartpc.detector import PLANES
from lartpc.served.contract import MICHEL_CUTS
from training.evaluation.bootstrap import ratio
from training.evaluation.candidates import View, in_three_views

CUTS = np.geomspace(0.02, 0.98, 16).round(4)
"""On the Michel score, beside those in use."""

COLLECTION = PLANES[-1].index


def electrons_found(
    scores: NDArray[np.void], event: NDArray[np.integer], drawn: NDArray[np.integer]
) -> list[dict[str, Any]]:
    """Of each kind of candidate its efficiency and purity at the cuts, natural mixture.

    Candidates are of the collection view, or of it with partners in both others; all of them, or those
    beside which a track ends. Efficiency is that for Michel electrons with at least 4 hits in the collection
    view, which one of three views may find without four hits there above the cut. The samples of the hits
    weight both; a candidate of no electron is wrong, and so is all but the largest of one electron.

    Args:
        scores: (N,) of training.evaluation.hit_scores.SCORE_DTYPE, of all hits of the events.
        event: (N,) number of each hit's event.
        drawn: (R, E) from training.evaluation.bootstrap.resamples.

    Returns:
        ``views``, ``track_end``, ``electrons`` and under ``cuts`` of each ``cut`` the number of
        ``candidates``, ``efficiency`` and ``purity`` with intervals. Nothing without such electrons.
    """
    planes = [plane for plane in range(len(PLANES)) if (scores["plane"] == plane).any()]
    views = {plane: View(scores, event, plane) for plane in planes}
    electrons = views[COLLECTION].electrons() if COLLECTION in views else None
    if electrons is None or not electrons.weight.sum() > 0.0:
        return []
    found: dict[tuple[int, bool], dict[str, Any]] = {}
    for cut in sorted({*CUTS.tolist(), *MICHEL_CUTS}):
        of_plane = {plane: view.candidates(cut) for plane, view in views.items()}
        kinds = {1: of_plane[COLLECTION]}
        if len(planes) == len(PLANES):
            kinds[3] = in_three_views(of_plane)
        for number, candidates in kinds.items():
            for track_end in (False, True):
                chosen = candidates.chosen(candidates.at_track_end) if track_end else candidates
                finds = chosen.finds
                seen = np.isin(electrons.number, finds)
                row = {
                    "cut": cut,
                    "candidates": len(chosen.event),
                    "efficiency": ratio(electrons.event, electrons.weight * seen, electrons.weight, drawn),
                    "purity": ratio(chosen.event, chosen.weight * (finds >= 0), chosen.weight, drawn),
                }
                kind = {"views": number, "track_end": track_end, "electrons": len(seen), "cuts": []}
                found.setdefault((number, track_end), kind)["cuts"].append(row)
    return list(found.values())
