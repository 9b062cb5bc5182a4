"""Two networks on the same events, and one network in other detectors: differences, with paired intervals."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lartpc.errors import UserError
from lartpc.event_file import EventFile
from training.evaluation.bootstrap import RankedHits, estimate, resamples
from training.evaluation.tasks import MIXTURES, TASKS, Task

NOMINAL = "nominal"
"""Name of the file of the detector as it is, among variations."""

AGAINST = "against"
"""In the name of the file with another checkpoint's scores, where those of a variation have its name."""

FIGURES = ("auc", "average_precision")

LEAST_AREA = 0.6
"""Of a head that tells more than a guess would."""


def differences(
    ours: NDArray[np.void],
    theirs: NDArray[np.void],
    events: NDArray[np.integer],
    tasks: Sequence[Task] = TASKS,
    mixtures: Sequence[str] = MIXTURES,
) -> dict[str, dict[str, Any]]:
    """Mixture -> task -> figure -> ours, theirs and ours - theirs with their intervals.

    Both are drawn with the same events in each resample, so what events have in common cancels.

    Args:
        ours: (N,) of training.evaluation.hit_scores.SCORE_DTYPE.
        theirs: (M,) of the same events; other hits, where the detector is another.
        events: (E,) the events' numbers.
        tasks: the questions.
        mixtures: of the hits.
    """
    drawn = resamples(len(events))
    found: dict[str, dict[str, Any]] = {mixture: {} for mixture in mixtures}
    for mixture in mixtures:
        for task in tasks:
            sides = [_ranked(scores, task, mixture, events) for scores in (ours, theirs)]
            ranked = [side for side in sides if side is not None]
            if len(ranked) < len(sides):
                continue
            (value, other), (values, others) = (
                [side.figures(of) for side in ranked] for of in (_once_each(events), drawn)
            )
            found[mixture][task.name] = {
                figure: paired(value[0, column], values[:, column], other[0, column], others[:, column])
                for column, figure in enumerate(FIGURES)
            }
    return found


def paired(
    value: float, values: NDArray[np.floating], other: float, others: NDArray[np.floating]
) -> dict[str, dict[str, float | None]]:
    """Ours, theirs and ours - theirs with their intervals.

    Args:
        value: our figure.
        values: (R,) ours of the resamples.
        other: their figure.
        others: (R,) theirs of the same resamples.
    """
    return {
        "ours": estimate(value, values),
        "theirs": estimate(other, others),
        "difference": estimate(value - other, values - others),
    }


def _ranked(
    scores: NDArray[np.void], task: Task, mixture: str, events: NDArray[np.integer]
) -> RankedHits | None:
    """The hits of a question; None where one side of it is empty."""
    counted, truth, score, weight = task.sides(scores, mixture)
    if not truth.any() or truth.all():
        return None
    event = np.searchsorted(events, scores["event_id"][counted, 2])
    return RankedHits.of(event, truth, score, weight, len(events))


def _once_each(events: NDArray[np.integer]) -> NDArray[np.int64]:
    return np.ones((1, len(events)), np.int64)


def whole_figures(scores: NDArray[np.void], task: Task, mixture: str) -> NDArray[np.float64] | None:
    """AUC and average precision of all hits; None where one side of the question is empty."""
    events = np.unique(scores["event_id"][:, 2])
    ranked = _ranked(scores, task, mixture, events)
    return None if ranked is None else ranked.figures(_once_each(events))[0]


def trained_tasks(scores: NDArray[np.void]) -> list[Task]:
    """The questions that a network has learnt to answer: those of an area under the ROC curve of 0.6 or more.

    One that has not been trained to its recipe guesses, and a difference from that means nothing.

    Args:
        scores: (N,) of training.evaluation.hit_scores.SCORE_DTYPE, its answers.
    """
    areas = {task: whole_figures(scores, task, "natural") for task in TASKS}
    return [task for task, figures in areas.items() if figures is not None and figures[0] >= LEAST_AREA]


def variation_files(folder: Path) -> dict[str, Path]:
    """Name -> event file of each variation in a folder, the nominal one first.

    Raises:
        UserError: the folder has no ``nominal.h5``, nothing to compare with it, or a variation whose scores
            would be taken for those of another checkpoint.
    """
    files = {path.stem: path for path in sorted(folder.glob("*.h5"))}
    if NOMINAL not in files or len(files) < 2:
        raise UserError(
            f"{folder} needs {NOMINAL}.h5 and a file for each variation; docs/evaluation.md shows how"
        )
    if AGAINST in files:
        raise UserError(f"{files[AGAINST]}: no variation can be called {AGAINST}; rename the file")
    return {NOMINAL: files.pop(NOMINAL), **files}


def response_change(nominal: EventFile, varied: EventFile) -> dict[str, Any]:
    """What a variation's detector or rule for labels has otherwise than the nominal: setting -> value.

    Raises:
        UserError: the events are others, or nothing or more differs.
    """
    ours, theirs = (file.provenance.data for file in (nominal, varied))
    if not np.array_equal(nominal.event_ids, varied.event_ids) or nominal.planes != varied.planes:
        raise UserError(f"{varied.path} holds other events or planes than {nominal.path}; generate it alike")
    before, after = (dict(data.get("configuration", {})) for data in (ours, theirs))
    response, changed = ({**of.pop("response", {}), **of.pop("labels", {})} for of in (before, after))
    if json.dumps(before) != json.dumps(after) or ours.get("seed") != theirs.get("seed"):
        raise UserError(
            f"{varied.path} differs from {nominal.path} in more than response and labels; generate it alike"
        )
    difference = {name: value for name, value in changed.items() if value != response.get(name)}
    if not difference:
        raise UserError(f"{varied.path} has the detector of {nominal.path}; leave it out")
    return difference
