"""All studies, and how they are run."""

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from data_gen.production.workers import in_order
from data_gen.validation import (
    conservation,
    decays,
    efficiency,
    events,
    ionisation,
    michel_calorimetry,
    noise,
    radiation,
    ranges,
    rates,
    response,
    showers,
    track_calorimetry,
)
from data_gen.validation.study import Effort, Section, Study

STUDIES: tuple[Callable[[Effort, int], Study], ...] = (
    ranges.study,
    ionisation.study,
    radiation.study,
    showers.study,
    decays.study,
    conservation.study,
    response.study,
    noise.study,
    rates.study,
    track_calorimetry.study,
    michel_calorimetry.study,
    efficiency.study,
    events.study,
)
"""In the order of the page."""


def run_studies(
    effort: Effort,
    seed: int,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    studies: Sequence[Callable[[Effort, int], Study]] = STUDIES,
) -> list[Section]:
    """Run studies; what they find depends on effort and seed, not on the number of workers.

    Args:
        effort: how much is simulated.
        seed: of all random numbers.
        workers: processes.
        progress: called with the number of tasks done and of all tasks.
        studies: which ones.

    Returns:
        A section of each study.

    Raises:
        CheckError: a worker process was killed.
    """
    prepared = [study(effort, seed) for study in studies]
    tasks = [task for study in prepared for task in study.tasks]
    if workers > 1:
        _compile(seed)
    sections = []
    done = 0
    with closing(in_order(_call, tasks, workers)) as results:
        for study in prepared:
            found = []
            for _ in study.tasks:
                found.append(next(results))
                done += 1
                if progress is not None:
                    progress(done, len(tasks))
            sections.append(study.conclude(found))
    return sections


def _call(task: partial) -> Any:
    return task()


def _compile(seed: int) -> None:
    """Compile the kernels once; workers load them from the cache."""
    events.event("default", seed, 0)
    radiation.radiative_loss(10.0, seed)
