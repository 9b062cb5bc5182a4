"""What a cut on a score passes: efficiency and purity at the cuts in use, on each score scale."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lartpc.served.contract import MICHEL_CUTS, TRACK_CUTS, Label
from training.evaluation.bootstrap import ratio
from training.evaluation.tasks import MIXTURES, weights

THRESHOLDS = {"track": np.linspace(0.0, 1.0, 101), "michel": np.geomspace(1e-4, 1.0, 101)}
"""Of the scans; Michel electrons are rare, and so are high scores."""

MISTAKEN = 0.01
"""Share of the other hits at which the efficiency for Michel electrons is quoted."""


def _cuts(scores: NDArray[np.void]) -> dict[str, tuple[NDArray, NDArray, tuple[float, ...]]]:
    """Score in use -> score, truth and cuts: the softmax's own track score, as LArSoft's jobs cut on it."""
    return {
        "track": (scores["track"], scores["label"] == Label.TRACK, TRACK_CUTS),
        "michel": (scores["michel_score"], scores["michel"] == 1, MICHEL_CUTS),
    }


def threshold_scan(scores: NDArray[np.void]) -> dict[str, dict[str, dict[str, list[float | None]]]]:
    """Mixture -> score -> efficiency and purity of ``score > threshold`` at :data:`THRESHOLDS`."""
    found: dict[str, dict[str, dict[str, list[float | None]]]] = {mixture: {} for mixture in MIXTURES}
    for mixture in MIXTURES:
        weight = weights(scores, mixture)
        for name, (score, truth, _) in _cuts(scores).items():
            edges = np.append(THRESHOLDS[name], np.inf)
            above, meant = (
                np.histogram(-score, -edges[::-1], weights=weight * side)[0].cumsum()[::-1]
                for side in (np.ones(len(score)), truth)
            )
            found[mixture][name] = {
                "threshold": THRESHOLDS[name].round(8).tolist(),
                "efficiency": _shares(meant, np.full(len(meant), np.sum(weight * truth))),
                "purity": _shares(meant, above),
            }
    return found


def working_points(
    scores: NDArray[np.void], event: NDArray[np.integer], drawn: NDArray[np.integer]
) -> list[dict[str, Any]]:
    """Efficiency and purity at the cuts in use (lartpc.served.contract), with intervals, in both mixtures."""
    found = []
    for name, (score, truth, cuts) in _cuts(scores).items():
        for cut in cuts:
            point: dict[str, Any] = {"score": name, "cut": cut}
            point |= _passing(score > cut, truth, scores, event, drawn)
            found.append(point)
    return found


def equivalent_cuts(
    ours: NDArray[np.void], theirs: NDArray[np.void], event: NDArray[np.integer], drawn: NDArray[np.integer]
) -> list[dict[str, Any]]:
    """Of each cut in use on one score scale: the cut on another that passes as many of those meant.

    Of a Michel score it lies between the same two Michel hits; of the other hits a few may pass one and not
    the other.

    Args:
        ours: (N,) scores on the scale of the cuts.
        theirs: (N,) the same hits' on the other.
        event: (N,) number of each hit's event.
        drawn: (R, E) from training.evaluation.bootstrap.resamples.

    Returns:
        ``score``, ``cut``, ``equivalent`` (None where nothing passes) and of each mixture its ``efficiency``
        and ``purity`` with intervals.
    """
    found = []
    weight = weights(ours, "natural")
    other = _cuts(theirs)
    for name, (score, truth, cuts) in _cuts(ours).items():
        new, _, _ = other[name]
        meant = truth & (weight > 0.0)
        for cut in cuts:
            passed = float(np.sum(weight[meant & (score > cut)]))
            order = np.argsort(-new[meant], kind="stable")
            below = np.searchsorted(weight[meant][order].cumsum(), passed * (1.0 - 1e-9))
            ends = new[meant][order][below : below + 2].astype(np.float64)
            equivalent = float(ends.mean()) if passed > 0.0 else None
            passing = np.zeros(len(new), bool) if equivalent is None else new > equivalent
            row: dict[str, Any] = {"score": name, "cut": cut, "equivalent": equivalent}
            found.append(row | _passing(passing, truth, ours, event, drawn))
    return found


def _passing(
    passed: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    scores: NDArray[np.void],
    event: NDArray[np.integer],
    drawn: NDArray[np.integer],
) -> dict[str, Any]:
    """Mixture -> efficiency and purity of the hits that pass, with intervals, and their number."""
    found = {}
    for mixture in MIXTURES:
        weight = weights(scores, mixture)
        both = weight * (truth & passed)
        found[mixture] = {
            "efficiency": ratio(event, both, weight * truth, drawn),
            "purity": ratio(event, both, weight * passed, drawn),
            "passed": int(np.count_nonzero(passed & (weight > 0.0))),
        }
    return found


def michel_cut(scores: NDArray[np.void]) -> float:
    """The Michel score that 1 % of the other hits exceed in the natural mixture.

    A working point that means the same for every network and calibration.
    """
    others = scores[scores["michel"] == 0]
    return passed_by(others["michel_score"], weights(others, "natural"), MISTAKEN)


def passed_by(score: NDArray[np.floating], weight: NDArray[np.floating], share: float) -> float:
    """The score that this share of some hits reaches: (N,) scores and (N,) weights, not all 0."""
    order = np.argsort(-score, kind="stable")
    above = weight[order].cumsum()
    return float(score[order][np.searchsorted(above, share * above[-1])])


def _shares(part: NDArray[np.floating], whole: NDArray[np.floating]) -> list[float | None]:
    return [round(float(a / b), 6) if b > 0.0 else None for a, b in zip(part, whole, strict=True)]
