"""Physics metrics of a set of answers, all from scikit-learn."""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score

from lartpc.served.contract import CLASS_OUTPUT, MICHEL_OUTPUT, Label
from training.network.heads import track_against_shower


def physics_metrics(
    outputs: dict[str, NDArray[np.float32]],
    label: NDArray[np.integer],
    michel: NDArray[np.integer],
    weight: NDArray[np.floating] | None = None,
) -> dict[str, float]:
    """Areas under the ROC curve, average precision and accuracy.

    Args:
        outputs: the contract's outputs, (N, 3) and (N, 1).
        label: (N,) lartpc.served.contract.Label.
        michel: (N,) 1 where the hit is a Michel electron's.
        weight: (N,) how often each hit counts; once where not given.

    Returns:
        ``track_shower_auc`` over the track and shower hits, by p(track) / (p(track) + p(shower));
        ``none_auc`` of none against all; ``michel_auc`` and ``michel_average_precision`` of Michel
        against all; ``accuracy`` of the largest class probability; ``michel_share`` of the hits. A
        figure of which one side has no hits is left out.
    """
    weight = np.ones(len(label)) if weight is None else weight
    classes, michel_score = outputs[CLASS_OUTPUT], outputs[MICHEL_OUTPUT][:, 0]
    signal = label != Label.NONE
    track_score = track_against_shower(torch.from_numpy(classes)).numpy()
    values = {}
    for name, truth, score, counted in (
        ("track_shower_auc", label == Label.TRACK, track_score, signal),
        ("none_auc", ~signal, classes[:, Label.NONE], np.ones(len(label), bool)),
        ("michel_auc", michel == 1, michel_score, np.ones(len(label), bool)),
    ):
        counted = counted & (weight > 0.0)
        if truth[counted].any() and not truth[counted].all():
            values[name] = roc_auc_score(truth[counted], score[counted], sample_weight=weight[counted])
    if np.any(weight[michel == 1]):
        values["michel_average_precision"] = average_precision_score(
            michel, michel_score, sample_weight=weight
        )
    values["accuracy"] = accuracy_score(label, classes.argmax(axis=1), sample_weight=weight)
    values["michel_share"] = np.average(michel, weights=weight)
    return {name: round(float(value), 6) for name, value in values.items()}
