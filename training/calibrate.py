"""``python -m training.calibrate``: a checkpoint's scores become probabilities of the natural mixture."""

import io
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lartpc.command import run
from lartpc.errors import UserError
from lartpc.terminal import say, suggest

if TYPE_CHECKING:
    from lartpc.adc_scale import AdcScale
    from training.data.dataset import PatchDataset

Mixture = Literal["natural", "generated"]

PROG = "python -m training.calibrate"

KEPT = ("epoch", "global_step", "pytorch-lightning_version", "hyper_parameters", "era")
"""What a calibrated checkpoint takes over; the state of the optimiser, of use to a training alone, stays."""

MOST_HITS = 20_000
"""Validation hits that are answered, drawn from all events read: half a minute on two cores."""

MOST_EVENTS = 60
"""Validation events that are read, the first: 0.7 GB with three planes of a drift volume."""

SEED = 5
"""Of the choice of these hits."""


def calibrate(
    checkpoint: Path,
    validation: "PatchDataset",
    digest: str,
    mixture: Mixture = "natural",
    watch: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Path:
    """Write ``calibrated.ckpt`` beside a checkpoint: the same network, its heads scaled.

    Args:
        checkpoint: best.ckpt of training.fit; stays as it is.
        validation: hits of the validation events, with their natural weights.
        digest: of the events' data set.
        mixture: in which scores become probabilities: natural, or as generated.
        watch: wraps the batches, to show progress.

    Raises:
        UserError: the checkpoint is calibrated already, or its heads cannot be.
        CheckError: the folded heads do not answer as they should.
    """
    import numpy as np
    import torch

    from lartpc.files import check_target, whole_file
    from lartpc.provenance import git_commit
    from lartpc.served.contract import OUTPUT_NAMES
    from training.network.calibration import fit_scaling, fold_all
    from training.network.checkpoint import BATCH, CALIBRATED, load_checkpoint, read_content

    target = checkpoint.with_name(CALIBRATED)
    check_target(target)
    trained = load_checkpoint(checkpoint)
    stage = trained.provenance.training
    if "calibration" in stage:
        raise UserError(f"{checkpoint} is calibrated already; give the best.ckpt beside it")
    candidates = np.flatnonzero(validation.is_hit & ((validation.weight > 0.0) | (mixture != "natural")))
    random = np.random.default_rng(SEED)
    hits = np.sort(random.permutation(candidates)[:MOST_HITS])
    network = trained.network.network
    parts = []
    with torch.no_grad():
        for first in watch(range(0, len(hits), BATCH)):
            parts.append(network(torch.from_numpy(validation.patches(hits[first : first + BATCH]))))
    logits = [torch.cat(values).numpy() for values in zip(*parts, strict=True)]
    truths = validation.label[hits], validation.michel[hits].astype(np.int64)
    weight = validation.weight[hits] if mixture == "natural" else np.ones(len(hits))
    scalings = {
        name: fit_scaling(values, truth, weight, validation.event[hits])
        for name, values, truth in zip(OUTPUT_NAMES, logits, truths, strict=True)
    }
    fold_all(network, scalings, torch.from_numpy(validation.patches(hits[:BATCH])))
    record = {
        "mixture": mixture,
        "split": "validation",
        "data_digest": digest,
        "events": len(np.unique(validation.event[hits])),
        "hits": len(hits),
        "seed": SEED,
        "git_commit": git_commit(),
        "uncalibrated_sha256": stage["checkpoint_sha256"],
        "heads": {name: scaling.record() for name, scaling in scalings.items()},
    }
    trained_content = read_content(checkpoint)
    kept = {name: trained_content[name] for name in KEPT if name in trained_content}
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    training = {name: value for name, value in stage.items() if name != "checkpoint_sha256"}
    provenance = replace(trained.provenance, training={**training, "calibration": record})
    content = io.BytesIO()  # in a file torch.save would note the file's passing name
    torch.save(kept | {"state_dict": state, "provenance": provenance.to_json()}, content)
    with whole_file(target) as part:
        part.write_bytes(content.getbuffer())
    return target


def validation_hits(data: Path, digest: str, scale: "AdcScale") -> "PatchDataset":
    """The hits of the validation events of a data set.

    Raises:
        UserError: the file cannot be read, has another digest, or no validation events.
    """
    from lartpc.event_folder import open_events
    from training.data.dataset import PatchDataset

    with open_events(data) as events:
        if events.provenance.data.get("digest") != digest:
            raise UserError(
                f"{data} is not what the checkpoint was trained on; name the data set of its training"
            )
        return PatchDataset(events, events.in_split("validation")[:MOST_EVENTS], scale)


def command(data: Path, checkpoint: Path | None = None, mixture: Mixture = "natural") -> None:
    """Calibrate a checkpoint on the validation events of its data set; training.fit does so at its end.

    Writes calibrated.ckpt beside it, which evaluation and export take by default. Scale and bias of the
    scores are fitted at the natural mixture and folded into the last layers: no new operation is served.
    Scale, or bias too, stays where fitting it would not improve the scores of other events.

    Args:
        data: event file, or folder of event files, that the checkpoint was trained on.
        checkpoint: best.ckpt of training.fit; of the latest run in runs/ where not given.
        mixture: in which the scores become probabilities: natural, or generated, where each hit counts once
            and Michel electrons are as frequent as in the training.
    """
    from rich.progress import track

    from training.network.checkpoint import BEST, latest_run, load_checkpoint

    path = checkpoint or latest_run() / BEST
    trained = load_checkpoint(path)
    digest = trained.provenance.data.get("digest", "")
    validation = validation_hits(data, digest, trained.scale)
    watch = partial(track, description="answering", transient=True)
    target = calibrate(path, validation, digest, mixture, watch)
    say_calibration(target)
    suggest("training.evaluate", "--checkpoint", target, "--data", data)


def say_calibration(target: Path) -> None:
    """Say what a calibration changed."""
    from training.network.checkpoint import load_checkpoint

    record = load_checkpoint(target).provenance.training["calibration"]
    say(f"wrote {target}: scores of the {record['mixture']} mixture, from {record['hits']:,} hits of "
        f"{record['events']} validation events")  # fmt: skip
    for name, head in record["heads"].items():
        bias = ", ".join(f"{value:+.2f}" for value in head["bias"])
        before, after = head["log_loss"]
        say(f"  {name}: scale {head['scale']:.3f}, bias {bias}; log-loss {before:.4f} -> {after:.4f}")
        say(f"    {head['reason']}")


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(command, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())
