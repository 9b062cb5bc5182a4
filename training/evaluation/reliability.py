"""Whether a score is a probability: the share of what is meant among hits of one score, and its error."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss

from lartpc.served.contract import CLASS_OUTPUT, Label
from training.evaluation.hit_scores import outputs_of
from training.evaluation.tasks import MIXTURES, weights

BINS = np.linspace(0.0, 1.0, 16)
"""15 bins of equal width, as usual."""

RARE_BINS = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 17)])
"""For Michel electrons, of which few hits are: four bins a decade."""


def reliability(
    truth: NDArray[np.bool_],
    score: NDArray[np.floating],
    weight: NDArray[np.floating],
    edges: NDArray[np.float64],
) -> dict[str, Any]:
    """Mean score and share of truth in bins of the score, and the expected calibration error.

    The error is the mean over the hits of |mean score - share| of their bin (Naeini et al., AAAI 2015;
    torchmetrics' ``binary_calibration_error`` with weights, which that has not).

    Args:
        truth: (N,).
        score: (N,) in [0, 1].
        weight: (N,) 0 or more; not all 0.
        edges: of the bins, 0 to 1.
    """
    inside = np.clip(np.searchsorted(edges, score, side="right") - 1, 0, len(edges) - 2)
    total, of_score, of_truth = (
        np.bincount(inside, values, len(edges) - 1) for values in (weight, weight * score, weight * truth)
    )
    filled = total > 0.0
    share, mean = of_truth[filled] / total[filled], of_score[filled] / total[filled]
    error = float(np.sum(np.abs(share - mean) * total[filled]) / total.sum())
    return {
        "mean_score": mean.round(7).tolist(),
        "share": share.round(7).tolist(),
        "weight": total[filled].round(3).tolist(),
        "hits": np.bincount(inside, minlength=len(edges) - 1)[filled].tolist(),
        "expected_calibration_error": round(error, 7),
    }


def all_reliabilities(scores: NDArray[np.void]) -> dict[str, dict[str, Any]]:
    """Mixture -> track, shower, none, michel -> :func:`reliability`, and the two heads' log-losses."""
    classes = outputs_of(scores)[CLASS_OUTPUT].astype(np.float64)
    michel = scores["michel_score"].astype(np.float64)
    found: dict[str, dict[str, Any]] = {}
    for mixture in MIXTURES:
        weight = weights(scores, mixture)
        if not weight.sum() > 0.0:
            continue
        of_mixture: dict[str, Any] = {
            label.name.lower(): reliability(scores["label"] == label, classes[:, label], weight, BINS)
            for label in Label
        }
        of_mixture["michel"] = reliability(scores["michel"] == 1, michel, weight, RARE_BINS)
        normal = classes / classes.sum(axis=1, keepdims=True)
        of_mixture["log_loss"] = {
            "class": float(log_loss(scores["label"], normal, sample_weight=weight, labels=list(Label))),
            "michel": float(log_loss(scores["michel"], michel, sample_weight=weight, labels=[0, 1])),
        }
        found[mixture] = of_mixture
    return found
