"""The report as one HTML page, and the model card."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray

from lartpc.event_file import EventFile
from lartpc.files import write_text
from lartpc.served.contract import MICHEL_CUTS, Label
from training.evaluation.hit_scores import answer_events
from training.evaluation.learning import learning_curves
from training.evaluation.mistakes import Mistakes
from training.evaluation.tasks import MIXTURES, TASKS
from training.network.checkpoint import Checkpoint
from training.report import behaviour_figures, event_figures, separation_figures
from training.report.figures import NAMES, Picture, shown
from training.report.limits import NOT_SIMULATED
from training.report.markdown import code, words
from training.report.record import UNCALIBRATED

REPORT = "report.html"
CARD = "model_card.md"


@dataclass(frozen=True)
class Pictures:
    """The report's pictures by subject; None where there is nothing to draw."""

    roc: Picture
    precision_recall: Picture
    scores: Picture
    confusion: Picture
    thresholds: Picture
    reliability: Picture
    dependence: Picture
    learning: Picture | None
    variations: Picture | None
    candidates: Picture | None
    events: list[Picture]
    mistakes: Picture


def write_report(
    folder: Path,
    trained: Checkpoint,
    record: dict[str, Any],
    scores: NDArray[np.void],
    events: EventFile,
    mistakes: list[Mistakes],
) -> None:
    """Write report.html and model_card.md.

    Args:
        folder: where to.
        trained: the network.
        record: from training.report.record, with comparisons where there are any.
        scores: (N,) of training.evaluation.hit_scores.SCORE_DTYPE.
        events: the event file that was answered.
        mistakes: the gallery's.
    """
    run = trained.path.parent
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(shown=shown, picture=_picture, pretty=_pretty, words=words, code=code)
    context = {
        "name": run.name,
        "checkpoint": trained.path.name,
        "record": record,
        "training": trained.provenance.training,
        "data": trained.provenance.data,
        "calibration": trained.provenance.training.get("calibration"),
        "parameters": sum(parameter.numel() for parameter in trained.network.parameters()),
        "era": trained.scale,
        "mixtures": MIXTURES,
        "names": NAMES,
        "michel_cuts": MICHEL_CUTS,
        "tasks": TASKS,
        "not_simulated": NOT_SIMULATED,
        "labels": [label.name.lower() for label in Label],
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
    page = environment.overlay(autoescape=True).get_template("page.html")
    found = pictures(run, record, scores, events, mistakes, trained)
    write_text(folder / REPORT, page.render(**context, pictures=found))
    write_text(folder / CARD, environment.get_template("model_card.md.j2").render(**context))


def pictures(
    run: Path,
    record: dict[str, Any],
    scores: NDArray[np.void],
    events: EventFile,
    mistakes: list[Mistakes],
    trained: Checkpoint,
) -> Pictures:
    """Draw everything; arguments as of :func:`write_report`, and the run's folder."""
    scales = {name: found for name, found in record["scales"].items() if name != UNCALIBRATED}
    scales = scales or record["scales"]
    everything = record["groups"]["all"]
    curves = learning_curves(run)
    return Pictures(
        roc=separation_figures.roc_picture(record["curves"], everything),
        precision_recall=separation_figures.precision_recall_picture(record["curves"], everything),
        scores=separation_figures.score_picture(scores),
        confusion=separation_figures.confusion_picture(record["confusion"]),
        thresholds=separation_figures.threshold_picture(scales),
        reliability=behaviour_figures.reliability_picture(scales),
        dependence=behaviour_figures.dependence_picture(record["dependence"]),
        learning=behaviour_figures.learning_picture(curves) if curves else None,
        variations=(
            behaviour_figures.variation_picture(record["variations"]) if "variations" in record else None
        ),
        candidates=(
            separation_figures.candidate_picture(record["candidates"]) if record["candidates"] else None
        ),
        events=[
            event_figures.event_picture(
                events, answer_events(trained, events, np.array([index])), index, plane
            )
            for index, plane in chosen_planes(scores)
        ],
        mistakes=event_figures.mistakes_picture(events, scores, mistakes, trained.scale),
    )


def chosen_planes(scores: NDArray[np.void]) -> list[tuple[int, int]]:
    """Event and plane to draw, of the last plane: the event with the most Michel hits, and a typical one.

    Typical is the event, of all but the first, whose share of hits with the right class is the median.
    """
    plane = int(scores["plane"].max())
    of_plane = scores[scores["plane"] == plane]
    numbers, event = np.unique(of_plane["index"], return_inverse=True)
    michel = np.bincount(event, of_plane["michel"] == 1)
    first = int(michel.argmax())
    predicted = np.column_stack([of_plane[name] for name in ("track", "shower", "none")]).argmax(axis=1)
    right = np.bincount(event, predicted == of_plane["label"]) / np.bincount(event)
    others = [number for number in np.argsort(right, kind="stable") if number != first]
    chosen = [first, *others[len(others) // 2 :][:1]]
    return [(int(numbers[number]), plane) for number in chosen]


def _picture(picture: Picture) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.png).decode()


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
