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
from lartpc.score_file import outputs_of
from lartpc.served.contract import CLASS_OUTPUT, Label
from training.evaluation.bootstrap import RankedHits, estimate, ratio
from training.evaluation.cuts import michel_cut
from training.evaluation.origins import DELTA, of_radioactivity
from training.evaluation.tasks import MIXTURES, TASKS, weights

EXPERIMENT_THRESHOLD = 0.6
"""In ke/tick: RoiThreshold of protodunespmc_gaushitfinder (dunereco, hitfindermodules_dune.fcl)."""

CURVE_POINTS = 150


def groups(
    scores: NDArray[np.void], samples: NDArray[np.void], data: dict[str, Any]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Name and (N,) members: all hits, those of each plane, parts of them that are easy or hard, each sample.

    A group that holds all hits, or none, is left out.

    Args:
        scores: (N,) of training.evaluation.hit_scores.SCORE_DTYPE.
        samples: (S,) of lartpc.event.SAMPLE_DTYPE.
        data: the data stage of the file's provenance, for its threshold.
    """
    yield "all", np.ones(len(scores), bool)
    for plane in np.unique(scores["plane"]):
        yield from _part(f"plane {PLANES[plane].name}", scores["plane"] == plane)
    yield from _part("without radioactivity", ~of_radioactivity(scores, samples))
    yield from _part("without delta rays", scores["process"] != DELTA)
    threshold = data.get("configuration", {}).get("response", {}).get("hit_threshold", np.inf)
    if threshold < EXPERIMENT_THRESHOLD:
        yield from _part("above the experiment's threshold", scores["amplitude"] >= EXPERIMENT_THRESHOLD)
    for number, sample in enumerate(samples):
        yield from _part(f"of {sample['name'].decode().replace('_', ' ')}", scores["sample"] == number)


def _part(name: str, member: NDArray[np.bool_]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    if member.any() and not member.all():
        yield name, member


def areas(
    scores: NDArray[np.void], event: NDArray[np.integer], drawn: NDArray[np.integer]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Mixture -> task -> figures with their intervals, and the hits meant.

    They are ``auc``, ``average_precision`` and ``purity``: that of the highest scores that hold half of those
    meant. A task of which one side is empty is left out.

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
            auc, precision, purity = ranked.figures(drawn).T
            whole = ranked.figures(np.ones((1, drawn.shape[1]), np.int64))[0]
            found[mixture][task.name] = {
                "hits": len(truth),
                "of_these": int(truth.sum()),
                "share": float(np.average(truth, weights=weight)),
                "auc": estimate(roc_auc_score(truth, score, sample_weight=weight), auc),
                "average_precision": estimate(
                    average_precision_score(truth, score, sample_weight=weight), precision
                ),
                "purity": estimate(float(whole[2]), purity),
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
