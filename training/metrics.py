"""Physics metrics of a set of answers, all from torchmetrics."""

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.classification import (
    binary_auroc,
    binary_average_precision,
    multiclass_accuracy,
    multiclass_confusion_matrix,
)

from lartpc.contract import CLASS_LABELS, CLASS_OUTPUT, MICHEL_OUTPUT, Label
from training.heads import track_against_shower


def physics_metrics(
    outputs: dict[str, NDArray[np.float32]], label: NDArray[np.integer], michel: NDArray[np.integer]
) -> dict[str, float]:
    """Areas under the ROC curve, average precision and accuracy.

    Args:
        outputs: the contract's outputs, (N, 3) and (N, 1).
        label: (N,) lartpc.contract.Label.
        michel: (N,) 1 where the hit is a Michel electron's.

    Returns:
        ``track_shower_auc`` over the track and shower hits, by p(track) / (p(track) + p(shower));
        ``none_auc`` of none against all; ``michel_auc`` and ``michel_average_precision`` of Michel
        against all; ``accuracy`` of the largest class probability.
    """
    classes = torch.from_numpy(outputs[CLASS_OUTPUT])
    michel_score = torch.from_numpy(outputs[MICHEL_OUTPUT])[:, 0]
    truth = torch.from_numpy(label.astype(np.int64))
    is_michel = torch.from_numpy(michel.astype(np.int64))
    signal = truth != Label.NONE
    values = {
        "track_shower_auc": binary_auroc(
            track_against_shower(classes[signal]), (truth[signal] == Label.TRACK).int()
        ),
        "none_auc": binary_auroc(classes[:, Label.NONE], (truth == Label.NONE).int()),
        "michel_auc": binary_auroc(michel_score, is_michel),
        "michel_average_precision": binary_average_precision(michel_score, is_michel),
        "accuracy": multiclass_accuracy(classes, truth, len(CLASS_LABELS), average="micro"),
    }
    return {name: round(float(value), 6) for name, value in values.items()}


def confusion(outputs: dict[str, NDArray[np.float32]], label: NDArray[np.integer]) -> NDArray[np.int64]:
    """(3, 3) counts: true class by class of largest probability."""
    classes = torch.from_numpy(outputs[CLASS_OUTPUT])
    truth = torch.from_numpy(label.astype(np.int64))
    return multiclass_confusion_matrix(classes, truth, len(CLASS_LABELS)).numpy()
