"""``metrics.json``: everything that the report's tables and pictures are drawn from."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.bootstrap import LEVEL, RESAMPLES, SEED, resamples
from training.evaluation.dependence import dependence
from training.evaluation.hit_scores import outputs_of, set_outputs
from training.evaluation.metrics import physics_metrics
from training.evaluation.mistakes import Mistakes
from training.evaluation.reliability import all_reliabilities
from training.evaluation.separation import (
    areas,
    by_sample,
    confusion,
    curves,
    groups,
    threshold_scan,
    working_points,
)
from training.network.calibration import uncalibrated
from training.network.checkpoint import Checkpoint


def before_calibration(scores: NDArray[np.void], trained: Checkpoint) -> NDArray[np.void] | None:
    """The table with the scores that the network had before its calibration; None where it has none."""
    calibration = trained.provenance.training.get("calibration")
    if calibration is None:
        return None
    raw = scores.copy()
    set_outputs(raw, uncalibrated(outputs_of(scores), calibration["heads"]))
    return raw


def build_record(
    trained: Checkpoint,
    scores: NDArray[np.void],
    samples: NDArray[np.void],
    data: dict[str, Any],
    share: float = 1.0,
) -> dict[str, Any]:
    """All figures of an evaluation, as JSON.

    Args:
        trained: the network.
        scores: (N,) of training.evaluation.hit_scores.SCORE_DTYPE.
        samples: (S,) of lartpc.event.SAMPLE_DTYPE.
        data: the data stage of the event file's provenance.
        share: of the events' hits that was answered.

    Returns:
        ``metrics`` and ``natural_metrics`` as of training.evaluation.metrics.physics_metrics; ``hits``,
        ``share``, ``events``, ``data_digest``, ``checkpoint_sha256``; ``groups``, ``curves``, ``confusion``,
        ``samples``, ``dependence``; ``reliability``, ``thresholds``, ``working_points``, and these three
        under ``before_calibration`` where the checkpoint is calibrated; ``bootstrap``, ``provenance``.
    """
    outputs = outputs_of(scores)
    weight = scores["weight"].astype(np.float64)
    numbers, event = np.unique(scores["index"], return_inverse=True)
    drawn = resamples(len(numbers))
    raw = before_calibration(scores, trained)
    return {
        "metrics": physics_metrics(outputs, scores["label"], scores["michel"]),
        "natural_metrics": physics_metrics(outputs, scores["label"], scores["michel"], weight),
        "hits": len(scores),
        "share": share,
        "events": len(numbers),
        "data_digest": data.get("digest"),
        "checkpoint_sha256": trained.provenance.training["checkpoint_sha256"],
        "bootstrap": {"unit": "event", "resamples": RESAMPLES, "seed": SEED, "level_percent": LEVEL},
        "groups": {
            name: {"hits": int(member.sum()), **areas(scores[member], event[member], drawn)}
            for name, member in groups(scores, samples)
        },
        "curves": curves(scores),
        "confusion": confusion(scores),
        "samples": by_sample(scores, samples, event, drawn),
        "dependence": dependence(scores, event, drawn),
        **_of_scores(scores, event, drawn),
        "before_calibration": None if raw is None else _of_scores(raw, event, drawn),
        "provenance": {**asdict(trained.provenance), "evaluated": data},
    }


def _of_scores(
    scores: NDArray[np.void], event: NDArray[np.integer], drawn: NDArray[np.integer]
) -> dict[str, Any]:
    return {
        "reliability": all_reliabilities(scores),
        "thresholds": threshold_scan(scores),
        "working_points": working_points(scores, event, drawn),
    }


def mistakes_record(scores: NDArray[np.void], found: list[Mistakes]) -> list[dict[str, Any]]:
    """Which hits the gallery of mistakes shows."""
    return [
        {
            "title": kind.title,
            "hits": [
                {"event_id": scores["event_id"][row].tolist(), "hit_id": int(scores["hit_id"][row])}
                for row in kind.rows
            ],
        }
        for kind in found
    ]
