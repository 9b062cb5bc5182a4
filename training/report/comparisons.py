"""What a report compares its network with: another one, other seeds of its recipe, other detectors."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.event_folder import open_events
from lartpc.terminal import say
from training.evaluation.comparison import (
    NOMINAL,
    differences,
    response_change,
    trained_tasks,
    variation_files,
)
from training.evaluation.hit_scores import ScoreTable, Watch, answer_events, held_out
from training.evaluation.robustness import robustness
from training.evaluation.separation import groups
from training.evaluation.spread import spread
from training.network.checkpoint import CALIBRATED, Checkpoint, load_checkpoint

OF_ONE_TRAINING = {"seed", "computed_on", "git_commit", "packages", "checkpoint_sha256", "calibration"}
"""What the records of two trainings of one recipe may have otherwise."""


def those_of(scores: NDArray[np.void], others: NDArray[np.void]) -> NDArray[np.void]:
    """The rows of some scores that are of the same hits as others, which are some of them in their order."""
    numbers = [of["index"].astype(np.int64) << 32 | of["hit_id"] for of in (scores, others)]
    return scores[np.isin(*numbers)]


def compare(
    ours: NDArray[np.void], theirs: NDArray[np.void], other: Checkpoint, events: EventFile
) -> dict[str, Any]:
    """The record of a comparison with another checkpoint's answers to the same hits: of all, of each group.

    Args:
        ours: (N,) of training.evaluation.hit_scores.SCORE_DTYPE.
        theirs: (N,) of the other checkpoint.
        other: that checkpoint.
        events: the event file that both answered.
    """
    tasks = trained_tasks(theirs)
    numbers = np.unique(ours["event_id"][:, 2])
    return {
        "checkpoint": str(other.path),
        "checkpoint_sha256": other.provenance.training["checkpoint_sha256"],
        "training": other.provenance.training,
        "hits": len(theirs),
        "differences": differences(ours, theirs, numbers, tasks),
        "groups": {
            name: differences(ours[member], theirs[member], numbers, tasks, mixtures=("natural",))["natural"]
            for name, member in groups(ours, events.samples, events.provenance.data)
            if name != "all"
        },
    }


def trainings(folder: Path, trained: Checkpoint) -> list[Checkpoint]:
    """The checkpoints in the runs of a folder that are of the same recipe and data, trained with other seeds.

    One that cannot be read, as of a network that is built otherwise today, is passed over, saying so.

    Raises:
        UserError: there is none.
    """
    recipe = _recipe(trained)
    found = {trained.provenance.training.get("seed"): trained}
    name = trained.path.name if trained.score_scale is None else CALIBRATED
    for path in sorted(folder.glob(f"*/{name}")):
        try:
            other = load_checkpoint(path)
        except UserError as error:
            say(f"passed over: {error}")
            continue
        if _recipe(other) == recipe:
            found.setdefault(other.provenance.training.get("seed"), other)
    others = list(found.values())[1:]
    if not others:
        raise UserError(
            f"{folder} has no run of the recipe of {trained.path} with another seed; train one with "
            "training.fit --config, --seed-everything and --name"
        )
    return others


def _recipe(checkpoint: Checkpoint) -> dict[str, Any]:
    training = checkpoint.provenance.training
    recipe = {name: value for name, value in training.items() if name not in OF_ONE_TRAINING}
    return recipe | {"data": checkpoint.provenance.data.get("digest")}


def repeat(
    trained: Checkpoint,
    scores: NDArray[np.void],
    others: list[Checkpoint],
    events: EventFile,
    indices: NDArray[np.integer],
    watch: Watch,
    share: float,
) -> dict[str, Any]:
    """The record of trainings with other seeds: their checkpoints, and the spread of every figure.

    Args:
        trained: the checkpoint.
        scores: (N,) of training.evaluation.hit_scores.SCORE_DTYPE, its.
        others: the other trainings.
        events: the event file.
        indices: which of its events.
        watch: shows progress.
        share: of the hits that the others answer.
    """
    theirs = [answer_events(other, events, indices, watch, share) for other in others]
    tables = [those_of(scores, theirs[0]), *theirs]
    return {
        "hits": len(theirs[0]),
        "trainings": [
            {
                "checkpoint": str(checkpoint.path),
                "checkpoint_sha256": checkpoint.provenance.training["checkpoint_sha256"],
                "seed": checkpoint.provenance.training["seed"],
            }
            for checkpoint in (trained, *others)
        ],
        "groups": spread(tables, events.samples, events.provenance.data),
    }


def response_changes(folder: Path) -> dict[str, dict[str, Any]]:
    """What each variation in a folder has otherwise than the nominal detector: name -> setting -> value.

    Raises:
        UserError: there is no nominal.h5, or a file has other events.
    """
    files = variation_files(folder)
    changes = {}
    with open_events(files.pop(NOMINAL)) as nominal:
        for name, path in files.items():
            with open_events(path) as varied:
                changes[name] = response_change(nominal, varied)
    return changes


def vary(
    trained: Checkpoint,
    folder: Path,
    changes: dict[str, dict[str, Any]],
    most: int | None,
    watch: Watch,
    tables: list[ScoreTable],
) -> dict[str, dict[str, Any]]:
    """The record of other detectors: what differs, and what that does to the scores of all hits.

    Args:
        trained: the network.
        folder: of the event files.
        changes: from :func:`response_changes`.
        most: the first held-out events only.
        watch: shows progress.
        tables: the scores are added to them.
    """
    found = {}
    nominal: NDArray[np.void] | None = None
    for name, path in variation_files(folder).items():
        with open_events(path) as events:
            indices = held_out(events, most)
            scores = answer_events(trained, events, indices, watch)
            tables.append(ScoreTable(f"scores-{name}.h5", scores, trained.provenance, events))
            numbers = events.event_ids[indices, 2]
            digest = events.provenance.data.get("digest", "")
        if nominal is None:
            nominal = scores
            continue
        found[name] = {
            "response": changes[name],
            "data_digest": digest,
            "hits": len(scores),
            **robustness(scores, nominal, numbers),
        }
    return found
