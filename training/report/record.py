"""``metrics.json``: everything that the report's tables and pictures are drawn from."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lartpc.score_file import outputs_of, set_outputs
from lartpc.served.contract import SCORE_SCALES
from training.evaluation.bootstrap import LEVEL, RESAMPLES, SEED, resamples
from training.evaluation.cuts import equivalent_cuts, threshold_scan, working_points
from training.evaluation.dependence import dependence
from training.evaluation.electrons_found import electrons_found
from training.evaluation.metrics import physics_metrics
from training.evaluation.mistakes import Mistakes
from training.evaluation.origins import michel_background, showers_called_track
from training.evaluation.particles import particle_scores
from training.evaluation.reliability import all_reliabilities
from training.evaluation.separation import (
    areas,
    by_sample,
    confusion,
    curves,
    groups,
)
from training.evaluation.tasks import MIXTURES, weights
from training.network.checkpoint import Checkpoint
from training.network.scaling import rescaled

UNCALIBRATED = "uncalibrated"


def on_scales(scores: NDArray[np.void], trained: Checkpoint) -> dict[str, NDArray[np.void]]:
    """Score scale -> the table with the scores on it: as the network gives them, on the other, as trained."""
    now = trained.score_scale
    if now is None or not trained.scales:
        return {UNCALIBRATED: scores}
    found = {now: scores}
    for scale in (*SCORE_SCALES, UNCALIBRATED):
        if scale != now:
            found[scale] = scores.copy()
            answers = rescaled(outputs_of(scores), trained.scales[now], trained.scales.get(scale))
            set_outputs(found[scale], answers)
    return found


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
        ``samples``, ``dependence``, ``showers_called_track``, ``michel_background``; ``score_scale`` of the
        checkpoint, and of each under ``scales`` ``reliability``, ``thresholds`` and ``working_points``;
        ``equivalent_cuts`` of the natural scale; of all hits ``candidates`` and ``particles``;
        ``bootstrap``, ``provenance``.
    """
    outputs = outputs_of(scores)
    weight = scores["weight"].astype(np.float64)
    numbers, event = np.unique(scores["index"], return_inverse=True)
    drawn = resamples(len(numbers))
    tables = on_scales(scores, trained)
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
            for name, member in groups(scores, samples, data)
        },
        "curves": curves(scores),
        "confusion": confusion(scores),
        "samples": by_sample(scores, samples, event, drawn),
        "dependence": dependence(scores, event, drawn),
        "showers_called_track": showers_called_track(scores, samples, event, drawn),
        "michel_background": michel_background(scores, samples, event, drawn),
        "score_scale": trained.score_scale or UNCALIBRATED,
        "scales": {scale: _of_scores(table, scale, event, drawn) for scale, table in tables.items()},
        "equivalent_cuts": (
            equivalent_cuts(tables["upstream"], tables["natural"], event, drawn) if len(tables) > 1 else []
        ),
        "candidates": electrons_found(scores, event, drawn) if share == 1.0 else [],
        "particles": particle_scores(scores, event, drawn) if share == 1.0 else {},
        "provenance": {**asdict(trained.provenance), "evaluated": data},
    }


def _of_scores(
    scores: NDArray[np.void], scale: str, event: NDArray[np.integer], drawn: NDArray[np.integer]
) -> dict[str, Any]:
    """What depends on the scale; whether scores are probabilities is asked in its own mixture."""
    weight = weights(scores, scale if scale in MIXTURES else "natural")
    return {
        "reliability": all_reliabilities(scores, weight, event, drawn),
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
