"""``python -m training.evaluate``: what a checkpoint is worth on held-out events."""

import json
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from lartpc.command import run
from lartpc.files import check_target, write_text
from lartpc.terminal import plain, say, show, suggest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PROG = "python -m training.evaluate"
METRICS = "metrics.json"
SCORES = "scores.h5"

ENOUGH_EVENTS = 10
"""For intervals that mean something: they are drawn from the events themselves."""


def evaluate(
    checkpoint: Path | None = None,
    data: Path | None = None,
    events: int | None = None,
    share: float = 1.0,
    others_share: float | None = None,
    against: Path | None = None,
    repeats: Path | None = None,
    variations: Path | None = None,
    out: Path | None = None,
) -> None:
    """Evaluate a checkpoint on held-out events; write a report and its numbers.

    report.html is one page with all pictures, model_card.md a summary; metrics.json holds what both are
    drawn from, scores.h5 every hit with its scores. Every figure is given in the natural mixture, to which
    the file's sample table weights the hits, and in what upstream's selection keeps of it; intervals come
    from drawing whole events anew. Where all hits are answered, Michel candidates and the scores of whole
    particles follow.

    Args:
        checkpoint: checkpoint of training.fit, or shipped:compact, the weights that come along; the
            calibrated one of the latest run in runs/ where not given.
        data: event file, or folder of event files, whose held-out events are used; the checkpoint's
            gate.h5 where not given.
        events: evaluate the first held-out events only.
        share: answer this share of each event's hits, drawn at random: many events in little time.
        others_share: share that the checkpoints of --against and --repeats answer, and on which they are
            compared; as --share where not given.
        against: another checkpoint to answer the same events; the report gives the differences.
        repeats: folder of runs, such as runs; those of the same recipe and data with other seeds answer the
            events too, and the report gives their spread.
        variations: folder with nominal.h5 and event files of the same events in other detectors; the report
            gives the differences from the nominal one, on all their hits.
        out: folder of the report; the checkpoint's where not given, unless a report of more events is there;
            runs/shipped-NAME of weights that come along.
    """
    from rich.progress import track

    from lartpc.errors import UserError
    from lartpc.event_folder import open_events
    from lartpc.hit_finding import other_hits
    from training.evaluation.bootstrap import rounded
    from training.evaluation.comparison import AGAINST
    from training.evaluation.hit_scores import ScoreTable, answer_events, held_out
    from training.evaluation.mistakes import worst_mistakes
    from training.network.checkpoint import latest_checkpoint, load_checkpoint
    from training.report.comparisons import compare, repeat, response_changes, those_of, trainings, vary
    from training.report.page import CARD, REPORT, write_report
    from training.report.record import build_record, mistakes_record

    if events is not None and events < 1:
        raise UserError(f"--events {events} must be at least 1")
    if not 0.0 < share <= 1.0:
        raise UserError(f"--share {share:g} must be above 0 and at most 1")
    of_others = share if others_share is None else others_share
    if not 0.0 < of_others <= share:
        raise UserError(f"--others-share {of_others:g} must be above 0 and at most --share, {share:g}")
    trained = load_checkpoint(checkpoint or latest_checkpoint())
    other = None if against is None else load_checkpoint(against)
    others = [] if repeats is None else trainings(repeats, trained)
    changes = {} if variations is None else response_changes(variations)
    path, folder = data or trained.gate_path, out or report_folder(trained.path)
    for name in (REPORT, CARD, METRICS, SCORES):
        check_target(folder / name)
    watch = partial(track, description="answering", transient=True)
    start = perf_counter()
    with open_events(path) as file:
        indices = held_out(file, events)
        if out is None:
            spare_fuller_report(folder, len(indices), share)
        of_latest = " of the latest run" if checkpoint is None else ""
        say(f"evaluating {trained.path}{of_latest} on {len(indices)} held-out events of {path}")
        if len(indices) < ENOUGH_EVENTS:
            say(f"careful: intervals drawn from {len(indices)} events are too narrow")
        for difference in other_hits(trained.provenance.data, file.provenance.data):
            say(f"careful: other hits than the training's: {difference}")
        scores = answer_events(trained, file, indices, watch, share)
        check_scores(scores, path)
        answered = perf_counter() - start
        tables = [ScoreTable(SCORES, scores, trained.provenance, file)]
        record = build_record(trained, scores, file.samples, file.provenance.data, share)
        if other is not None:
            theirs = answer_events(other, file, indices, watch, of_others)
            record["against"] = compare(those_of(scores, theirs), theirs, other, file)
            tables.append(ScoreTable(f"scores-{AGAINST}.h5", theirs, other.provenance, file))
        if others:
            record["repeats"] = repeat(trained, scores, others, file, indices, watch, of_others)
        if variations is not None:
            record["variations"] = vary(trained, variations, changes, events, watch, tables)
        mistakes = worst_mistakes(scores)
        record["mistakes"] = mistakes_record(scores, mistakes)
        for table in tables:
            table.write(folder)
        write_text(folder / METRICS, json.dumps(rounded(record), indent=1) + "\n")
        write_report(folder, trained, record, scores, file, mistakes)
    say_metrics(record, trained.path)
    say(
        f"wrote report.html, model_card.md, {METRICS} and scores.h5 to {folder} in "
        f"{perf_counter() - start:.0f} s ({answered:.0f} s of them answering)"
    )
    suggest("export.triton", "--precision", "all", "--checkpoint", trained.path)


def report_folder(checkpoint: Path) -> Path:
    """Where a report goes that was given no folder: beside its checkpoint, unless that comes along."""
    from training.network.checkpoint import RUNS
    from training.network.shipped import name_of

    name = name_of(checkpoint)
    return checkpoint.parent if name is None else RUNS / f"shipped-{name}"


def spare_fuller_report(folder: Path, events: int, share: float) -> None:
    """Refuse to write over a report of more hits.

    Raises:
        UserError: the folder has one, or one that cannot be read.
    """
    from lartpc.errors import UserError

    try:
        before = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        number, of_hits = int(before["events"]), float(before["share"])
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise UserError(f"{folder / METRICS} cannot be read; name another folder with --out") from error
    if number * of_hits > events * share:
        raise UserError(
            f"{folder} has a report of {number} events, --share {of_hits:g}; this one would be of {events}, "
            f"--share {share:g}: give it a folder of its own with --out"
        )


def check_scores(scores: "NDArray[np.void]", path: Path) -> None:
    """Refuse held-out events that cannot be judged.

    Raises:
        UserError: they have no track, no shower or no Michel hit.
        CheckError: a score is not finite.
    """
    import numpy as np

    from lartpc.errors import CheckError, UserError
    from lartpc.served.contract import Label

    present = {label.name.lower(): (scores["label"] == label).any() for label in (Label.TRACK, Label.SHOWER)}
    present["michel"] = scores["michel"].any()
    missing = [name for name, there in present.items() if not there]
    if missing:
        raise UserError(
            f"{path} has no {' and no '.join(missing)} hit in its test split; generate more events"
        )
    if not all(np.isfinite(scores[name]).all() for name in ("track", "shower", "none", "michel_score")):
        raise CheckError(f"the network's answers to {path} are not finite; train it anew")


def say_metrics(record: dict[str, Any], path: Path) -> None:
    """Print the figures of all hits, with their intervals."""
    from rich.table import Table

    from training.evaluation.tasks import MIXTURES, TASKS
    from training.report.figures import shown

    title = f"{path}: {record['hits']:,} hits of {record['events']} held-out events"
    table = Table("figure", *(f"{mixture}, 95 %" for mixture in MIXTURES), title=plain(title))
    everything = record["groups"]["all"]
    for task in TASKS:
        for figure, name in (("average_precision", "AP"), ("purity", "purity at 50 %"), ("auc", "AUC")):
            found = [everything[mixture].get(task.name) for mixture in MIXTURES]
            if any(found):
                cells = ("–" if area is None else shown(area[figure], 4) for area in found)
                table.add_row(f"{task.title}, {name}", *cells)
    show(table)


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(evaluate, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())
