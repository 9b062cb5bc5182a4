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
                values = [whole_figures(scores[member], task, mixture) for scores in tables]
                if any(value is None for value in values):
                    continue
                of_group[mixture][task.name] = {
                    figure: {
                        "values": [float(value[column]) for value in values],  # type: ignore[index]
                        "mean": float(np.mean([value[column] for value in values])),  # type: ignore[index]
                        "deviation": float(
                            np.std([value[column] for value in values], ddof=1)  # type: ignore[index]
                        ),
                    }
                    for column, figure in enumerate(FIGURES)
                }
        found[group] = of_group
    return found
