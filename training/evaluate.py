"""``python -m training.evaluate``: a checkpoint's answers on held-out events."""

import json
from functools import partial
from pathlib import Path
from time import perf_counter

from lartpc.command import run, say
from lartpc.files import whole_file, write_text

PROG = "python -m training.evaluate"


def evaluate(checkpoint: Path | None = None, data: Path | None = None, events: int | None = None) -> None:
    """Evaluate a checkpoint on held-out events; write metrics.json and evaluation.png beside it.

    Every figure is given over the hits as they were generated, and weighted to the natural mixture by the
    file's sample table.

    Args:
        checkpoint: checkpoint of training.fit; the latest in runs/ where not given.
        data: event file, or folder of event files, whose held-out events are used; the checkpoint's
            gate.h5 where not given.
        events: evaluate the first held-out events only.
    """
    from rich.progress import track
    from rich.table import Table

    from lartpc.event_folder import open_events
    from training.checkpoint import latest_checkpoint, load_checkpoint
    from training.dataset import PatchDataset, check_classes
    from training.evaluation_plots import evaluation_figure, save
    from training.metrics import physics_metrics

    trained = load_checkpoint(checkpoint or latest_checkpoint())
    path = data or trained.gate_path
    start = perf_counter()
    with open_events(path) as file:
        dataset = PatchDataset(file, file.in_split("test")[:events], trained.scale)
        digest = file.provenance.data.get("digest")
    check_classes(dataset, path, "test")
    outputs = trained.answer(dataset, partial(track, description="answering", transient=True))
    metrics = physics_metrics(outputs, dataset.label, dataset.michel)
    natural = physics_metrics(outputs, dataset.label, dataset.michel, dataset.weight)
    folder = trained.path.parent
    hits, held_out = len(dataset), len(set(dataset.event.tolist()))
    record = {
        "metrics": metrics,
        "natural_metrics": natural,
        "hits": hits,
        "events": held_out,
        "data_digest": digest,
        "checkpoint_sha256": trained.provenance.training["checkpoint_sha256"],
    }
    write_text(folder / "metrics.json", json.dumps(record, indent=2) + "\n")
    title = f"{trained.path}: {hits:,} hits of {held_out} held-out events"
    with whole_file(folder / "evaluation.png") as part:
        save(evaluation_figure(outputs, dataset.label, dataset.michel, metrics, title), part)
    table = Table("metric", "as generated", "natural mixture", title=title)
    for name, value in metrics.items():
        table.add_row(name, f"{value:.4f}", f"{natural[name]:.4f}" if name in natural else "")
    say(table)
    say(f"wrote {folder}/metrics.json and evaluation.png in {perf_counter() - start:.0f} s")
    say(f"next: python -m export.triton --precision all --checkpoint {trained.path}")


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(evaluate, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())
