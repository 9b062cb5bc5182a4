"""Whether a score is a probability: the share of what is meant among hits of one score, and its error."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from sklearn.metrics import log_loss

from lartpc.score_file import outputs_of
from lartpc.served.contract import CLASS_OUTPUT, Label
from training.evaluation.bootstrap import estimate, ratio, sums_by_event

BINS = np.linspace(0.0, 1.0, 16)
"""15 bins of equal width, as usual."""

RARE_BINS = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 17)])
"""For Michel electrons, of which few hits are: four bins a decade."""

LEAST = 1e-12
"""Probabilities are told apart from 0 and 1 no further."""


def reliability(
    truth: NDArray[np.bool_],
    score: NDArray[np.floating],
    weight: NDArray[np.floating],
    edges: NDArray[np.float64],
    event: NDArray[np.integer],
    drawn: NDArray[np.integer],
) -> dict[str, Any]:
    """Mean score and share of truth in bins of the score; both over all hits, and what the score tells.

    Args:
        truth: (N,).
        score: (N,) in [0, 1].
        weight: (N,) 0 or more; not all 0.
        edges: of the bins, 0 to 1.
        event: (N,) number of each hit's event.
        drawn: (R, E) from training.evaluation.bootstrap.resamples.

    Returns:
        Of each filled bin ``mean_score``, ``share``, ``weight`` and ``hits``; over all hits with intervals
        ``mean_over_share``, the mean score over the share, 1 where a score is a probability; and ``skill``, 1
        less the log-loss over that of a constant score at the share: 0 where the score tells nothing, 1 where
        it tells all.
    """
    inside = np.clip(np.searchsorted(edges, score, side="right") - 1, 0, len(edges) - 2)
    total, of_score, of_truth = (
        np.bincount(inside, values, len(edges) - 1) for values in (weight, weight * score, weight * truth)
    )
    filled = total > 0.0
    return {
        "mean_score": (of_score[filled] / total[filled]).round(7).tolist(),
        "share": (of_truth[filled] / total[filled]).round(7).tolist(),
        "weight": total[filled].round(3).tolist(),
        "hits": np.bincount(inside, minlength=len(edges) - 1)[filled].tolist(),
        "mean_over_share": ratio(event, weight * score, weight * truth, drawn),
        "skill": _skill(truth, score, weight, event, drawn),
    }


def _skill(
    truth: NDArray[np.bool_],
    score: NDArray[np.floating],
    weight: NDArray[np.floating],
    event: NDArray[np.integer],
    drawn: NDArray[np.integer],
) -> dict[str, float | None]:
    right = np.clip(np.where(truth, score, 1.0 - score), LEAST, 1.0)
    sums = np.stack(
        [
            sums_by_event(event, values, drawn.shape[1])
            for values in (-weight * np.log(right), weight * truth, weight)
        ]
    )

    def skill(loss: NDArray, meant: NDArray, total: NDArray) -> NDArray[np.float64]:
        with np.errstate(divide="ignore", invalid="ignore"):
            share = meant / total
            return 1.0 - loss / total / -(xlogy(share, share) + xlogy(1.0 - share, 1.0 - share))

    return estimate(float(skill(*sums.sum(axis=1))), skill(*(drawn @ sums.T).T))


def all_reliabilities(
    scores: NDArray[np.void],
    weight: NDArray[np.float64],
    event: NDArray[np.integer],
    drawn: NDArray[np.integer],
) -> dict[str, Any]:
    """Track, shower, none, michel -> :func:`reliability`, and the two heads' log-losses.

    Args:
        scores: (N,) of training.evaluation.hit_scores.SCORE_DTYPE.
        weight: (N,) in the mixture of which the scores are meant to be the probabilities.
        event: (N,) number of each hit's event.
        drawn: (R, E) from training.evaluation.bootstrap.resamples.
    """
    if not weight.sum() > 0.0:
        return {}
    classes = outputs_of(scores)[CLASS_OUTPUT].astype(np.float64)
    michel = scores["michel_score"].astype(np.float64)
    found: dict[str, Any] = {
        label.name.lower(): reliability(
            scores["label"] == label, classes[:, label], weight, BINS, event, drawn
        )
        for label in Label
    }
    found["michel"] = reliability(scores["michel"] == 1, michel, weight, RARE_BINS, event, drawn)
    normal = classes / classes.sum(axis=1, keepdims=True)
    found["log_loss"] = {
        "class": float(log_loss(scores["label"], normal, sample_weight=weight, labels=list(Label))),
        "michel": float(log_loss(scores["michel"], michel, sample_weight=weight, labels=[0, 1])),
    }
    return found
