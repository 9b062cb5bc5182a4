"""How far trainings of one recipe with other seeds lie apart, on the same hits."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.comparison import FIGURES, whole_figures
from training.evaluation.separation import groups
from training.evaluation.tasks import MIXTURES, TASKS


def spread(
    tables: Sequence[NDArray[np.void]], samples: NDArray[np.void], data: dict[str, Any]
) -> dict[str, Any]:
    """Group -> mixture -> task -> figure -> the trainings' values, their mean and standard deviation.

    Args:
        tables: (N,) of training.evaluation.hit_scores.SCORE_DTYPE of each training, of the same hits.
        samples: (S,) of lartpc.event.SAMPLE_DTYPE.
        data: the data stage of the event file's provenance.
    """
    found: dict[str, Any] = {}
    for group, member in groups(tables[0], samples, data):
        of_group: dict[str, Any] = {mixture: {} for mixture in MIXTURES}
        for mixture in MIXTURES:
            for task in TASKS:
                sides = [whole_figures(scores[member], task, mixture) for scores in tables]
                values = [side for side in sides if side is not None]
                if len(values) < len(sides):
                    continue
                of_group[mixture][task.name] = {
                    figure: {
                        "values": of_figure.tolist(),
                        "mean": float(of_figure.mean()),
                        "deviation": float(of_figure.std(ddof=1)),
                    }
                    for figure, of_figure in zip(FIGURES, np.transpose(values), strict=False)
                }
        found[group] = of_group
    return found
