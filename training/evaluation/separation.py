"""How well the scores separate: areas with intervals, curves, confusion, cuts."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from lartpc.detector import PLANES
from lartpc.served.contract import CLASS_OUTPUT, MICHEL_CUTS, TRACK_CUTS, Label
from training.evaluation.bootstrap import RankedHits, estimate, ratio
from training.evaluation.hit_scores import outputs_of
from training.evaluation.tasks import MIXTURES, TASKS, weights

RADIOACTIVITY = b"radioactivity"
"""Name of the sample of isolated decays (data_gen.sources.primary)."""

THRESHOLDS = {"track": np.linspace(0.0, 1.0, 101), "michel": np.geomspace(1e-4, 1.0, 101)}
"""Of the scans; Michel electrons are rare, and so are high scores."""

CURVE_POINTS = 150

MISTAKEN = 0.01
"""Share of the other hits at which the efficiency for Michel electrons is quoted."""


def groups(scores: NDArray[np.void], samples: NDArray[np.void]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Name and (N,) members: all hits, each plane where there are several, all but isolated decays."""
    yield "all", np.ones(len(scores), bool)
    planes = np.unique(scores["plane"])
    if len(planes) > 1:
        for plane in planes:
            yield f"plane {PLANES[plane].name}", scores["plane"] == plane
    dots = np.flatnonzero(samples["name"] == RADIOACTIVITY)
    of_decays = np.isin(scores["sample"], dots)
    if of_decays.any():
        yield "without radioactivity", ~of_decays


def areas(
    scores: NDArray[np.void], event: NDArray[np.integer], drawn: NDArray[np.integer]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Mixture -> task -> ``auc`` and ``average_precision`` with their intervals, and the hits meant.

    A task of which one side is empty is left out.

    Args:
        scores: (N,) of training.evaluation.hit_scores.SCORE_DTYPE.
        event: (N,) number of each hit's event, below the resamples' number of events.
        drawn: (R, E) from training.evaluation.bootstrap.resamples.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {mixture: {} for mixture in MIXTURES}
    for mixture in MIXTURES:
        for task in TASKS:
            counted, truth, score, weight = task.sides(scores, mixture)
            if not truth.any() or truth.all():
                continue
            ranked = RankedHits.of(event[counted], truth, score, weight, drawn.shape[1])
            auc, precision = ranked.figures(drawn).T
            found[mixture][task.name] = {
                "hits": len(truth),
                "of_these": int(truth.sum()),
                "share": float(np.average(truth, weights=weight)),
                "auc": estimate(roc_auc_score(truth, score, sample_weight=weight), auc),
                "average_precision": estimate(
                    average_precision_score(truth, score, sample_weight=weight), precision
                ),
            }
    return found


def curves(scores: NDArray[np.void]) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Mixture -> task -> points of the ROC and precision-recall curves, thinned out."""
    found: dict[str, dict[str, dict[str, list[float]]]] = {mixture: {} for mixture in MIXTURES}
    for mixture in MIXTURES:
        for task in TASKS:
            _, truth, score, weight = task.sides(scores, mixture)
            if not truth.any() or truth.all():
                continue
            false, true, _ = roc_curve(truth, score, sample_weight=weight)
            even = np.linspace(0.0, 1.0, CURVE_POINTS)
            kept = np.unique(
                [*np.searchsorted(true, even), *np.searchsorted(false, np.geomspace(1e-5, 1.0, CURVE_POINTS))]
            ).clip(max=len(true) - 1)
            purity, efficiency, _ = precision_recall_curve(truth, score, sample_weight=weight)
            purity, efficiency = purity[::-1], efficiency[::-1]
            points = np.unique(np.searchsorted(efficiency, even).clip(max=len(efficiency) - 1))
            found[mixture][task.name] = {
                "false_positive_rate": _numbers(false[kept]),
                "true_positive_rate": _numbers(true[kept]),
                "efficiency": _numbers(efficiency[points]),
                "purity": _numbers(purity[points]),
            }
    return found


def confusion(scores: NDArray[np.void]) -> dict[str, list[list[float]]]:
    """Mixture -> (3, 3) weight of hits: true class by class of largest score."""
    predicted = outputs_of(scores)[CLASS_OUTPUT].argmax(axis=1)
    return {
        mixture: confusion_matrix(
            scores["label"], predicted, labels=list(Label), sample_weight=weights(scores, mixture)
        ).tolist()
        for mixture in MIXTURES
    }


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
                "threshold": [*_numbers(THRESHOLDS[name])],
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
            passed = score > cut
            point: dict[str, Any] = {"score": name, "cut": cut}
            for mixture in MIXTURES:
                weight = weights(scores, mixture)
                both = weight * (truth & passed)
                point[mixture] = {
                    "efficiency": ratio(event, both, weight * truth, drawn),
                    "purity": ratio(event, both, weight * passed, drawn),
                    "passed": int(np.count_nonzero(passed & (weight > 0.0))),
                }
            found.append(point)
    return found


def michel_cut(scores: NDArray[np.void]) -> float:
    """The Michel score that 1 % of the other hits exceed in the natural mixture.

    A working point that means the same for every network and calibration.
    """
    others = scores[scores["michel"] == 0]
    order = np.argsort(-others["michel_score"], kind="stable")
    weight = weights(others, "natural")[order].cumsum()
    return float(others["michel_score"][order][np.searchsorted(weight, MISTAKEN * weight[-1])])


def by_sample(
    scores: NDArray[np.void],
    samples: NDArray[np.void],
    event: NDArray[np.integer],
    drawn: NDArray[np.integer],
) -> list[dict[str, Any]]:
    """For each sample with hits: how many, and which share is called what, as generated."""
    predicted = outputs_of(scores)[CLASS_OUTPUT].argmax(axis=1)
    like_michel = scores["michel_score"] > michel_cut(scores)
    found = []
    for number, sample in enumerate(samples):
        member = scores["sample"] == number
        if not member.any():
            continue
        natural = weights(scores, "natural")
        row: dict[str, Any] = {
            "sample": sample["name"].decode().replace("_", " "),
            "hits": int(member.sum()),
            "natural_share": float(natural[member].sum() / max(natural.sum(), 1e-30)),
        }
        for label in Label:
            row[f"true_{label.name.lower()}"] = float(np.mean(scores["label"][member] == label))
            row[f"called_{label.name.lower()}"] = ratio(
                event, 1.0 * (member & (predicted == label)), 1.0 * member, drawn
            )
        row["right"] = ratio(event, 1.0 * (member & (predicted == scores["label"])), 1.0 * member, drawn)
        row["michel_like"] = ratio(event, 1.0 * (member & like_michel), 1.0 * member, drawn)
        found.append(row)
    return found


def _numbers(values: NDArray[np.floating]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def _shares(part: NDArray[np.floating], whole: NDArray[np.floating]) -> list[float | None]:
    return [round(float(a / b), 6) if b > 0.0 else None for a, b in zip(part, whole, strict=True)]
