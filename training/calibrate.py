"""``python -m training.calibrate``: a checkpoint's scores become probabilities."""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lartpc.command import run
from lartpc.errors import UserError
from lartpc.served.contract import OUTPUT_NAMES, SCORE_SCALES
from lartpc.terminal import say, suggest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from training.data.validation_sample import ValidationHits
    from training.network.checkpoint import Checkpoint
    from training.network.scaling import Scaling

PROG = "python -m training.calibrate"

KEPT = ("epoch", "global_step", "pytorch-lightning_version", "hyper_parameters", "era")
"""What a calibrated checkpoint takes over; the state of the optimiser, of use to a training alone, stays."""

Watch = Callable[[Iterable[int]], Iterable[int]]


def calibrate(candidates: Sequence[Path], data: Path, watch: Watch = iter, split: str = "validation") -> Path:
    """Write ``calibrated.ckpt`` beside the best of some checkpoints of a run: its network, its heads scaled.

    Heads are fitted on both score scales; the scores are put on the first of them, upstream's, and the record
    holds both. How frequent a class is in the mixture of a scale is counted in the events of training and
    validation together. The best is the checkpoint whose log-losses on that scale have the lowest sum.

    Args:
        candidates: checkpoints of one run of training.fit; they stay as they are.
        data: the data set that they were trained on.
        watch: wraps the batches of a part of the events, to show progress.
        split: whose events are answered.

    Raises:
        UserError: a checkpoint is calibrated already, its heads cannot be, or the data are others.
        CheckError: the folded heads do not answer as they should.
    """
    import numpy as np

    from lartpc.files import check_target
    from training.data.validation_sample import class_totals, validation_hits, with_totals
    from training.network.calibration import fit_scaling
    from training.network.checkpoint import CALIBRATED, load_checkpoint

    target = candidates[0].with_name(CALIBRATED)
    check_target(target)
    trained = [load_checkpoint(path) for path in candidates]
    for checkpoint in trained:
        if "calibration" in checkpoint.provenance.training:
            raise UserError(f"{checkpoint.path} is calibrated already; give the best.ckpt beside it")
    digest = trained[0].provenance.data.get("digest", "")
    answers: list[list[list[NDArray[np.float32]]]] = [[] for _ in trained]
    label, michel, event, kind, weights, few = [], [], [], [], [], np.empty(0, np.float32)
    for hits in validation_hits(data, digest, trained[0].scale, split):
        label.append(hits.dataset.label[hits.rows])
        michel.append(hits.dataset.michel[hits.rows].astype(np.int64))
        event.append(hits.dataset.event[hits.rows])
        kind.append(hits.kind)
        weights.append(hits.weights())
        few = few if len(few) else hits.dataset.patches(hits.rows[:256])
        for of_one, values in zip(answers, _logits(trained, hits, watch), strict=True):
            of_one.append(values)
    truths = np.concatenate(label), np.concatenate(michel)
    events = np.concatenate(event)
    totals = class_totals(data, trained[0].scale)
    weight = {
        scale: with_totals(
            np.concatenate([part[scale] for part in weights]), np.concatenate(kind), totals[scale]
        )
        for scale in SCORE_SCALES
    }
    fitted = [
        {
            scale: {
                name: fit_scaling(np.concatenate(values), truth, weight[scale], events)
                for name, values, truth in zip(OUTPUT_NAMES, zip(*of_one, strict=True), truths, strict=True)
            }
            for scale in SCORE_SCALES
        }
        for of_one in answers
    ]
    losses = [sum(head.log_loss[1] for head in of_one[SCORE_SCALES[0]].values()) for of_one in fitted]
    chosen = int(np.argmin(losses))
    record = {
        "score_scale": SCORE_SCALES[0],
        "split": split,
        "data_digest": digest,
        "events": len(np.unique(events)),
        "hits": len(events),
        "michel_hits": int(truths[1].sum()),
        "of": trained[chosen].path.name,
        "log_losses": {path.name: loss for path, loss in zip(candidates, losses, strict=True)},
    }
    _write(target, trained[chosen], fitted[chosen], record, few)
    return target


def _logits(
    trained: "list[Checkpoint]", hits: "ValidationHits", watch: Watch
) -> "list[list[NDArray[np.float32]]]":
    """Of each checkpoint the (n, 3) and (n, 1) logits."""
    import torch

    from training.network.checkpoint import BATCH

    parts: list[list[tuple[torch.Tensor, ...]]] = [[] for _ in trained]
    with torch.no_grad():
        for first in watch(range(0, len(hits.rows), BATCH)):
            patches = torch.from_numpy(hits.dataset.patches(hits.rows[first : first + BATCH]))
            for of_one, checkpoint in zip(parts, trained, strict=True):
                of_one.append(checkpoint.network.network(patches))
    return [[torch.cat(values).numpy() for values in zip(*of_one, strict=True)] for of_one in parts]


def _write(
    target: Path,
    trained: "Checkpoint",
    fitted: "dict[str, dict[str, Scaling]]",
    record: dict[str, Any],
    patches: "NDArray[np.float32]",
) -> None:
    """Fold the first scale's maps into the network and write it with the record of all."""
    import torch

    from lartpc.files import whole_file
    from lartpc.provenance import git_commit
    from training.data.validation_sample import SEED
    from training.network.checkpoint import read_content
    from training.network.scaling import fold_all

    network, stage = trained.network.network, trained.provenance.training
    fold_all(network, fitted[SCORE_SCALES[0]], torch.from_numpy(patches))
    record = {
        **record,
        "seed": SEED,
        "git_commit": git_commit(),
        "uncalibrated_sha256": stage["checkpoint_sha256"],
        "scales": {
            scale: {name: head.record() for name, head in heads.items()} for scale, heads in fitted.items()
        },
    }
    trained_content = read_content(trained.path)
    kept = {name: trained_content[name] for name in KEPT if name in trained_content}
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    training = {name: value for name, value in stage.items() if name != "checkpoint_sha256"}
    provenance = replace(trained.provenance, training={**training, "calibration": record})
    content = io.BytesIO()  # in a file torch.save would note the file's passing name
    torch.save(kept | {"state_dict": state, "provenance": provenance.to_json()}, content)
    with whole_file(target) as part:
        part.write_bytes(content.getbuffer())


def command(data: Path, checkpoint: Path | None = None) -> None:
    """Calibrate a checkpoint on the validation events of its data set; training.fit does so at its end.

    Writes calibrated.ckpt beside it, which evaluation and export take by default. Scale and bias of the
    scores are fitted on two score scales and those of the first folded into the last layers, so no new
    operation is served: upstream, the mixture that the published networks were trained on, so that cuts in
    use mean what they meant; and natural, the running detector's, to which export.triton can put them. Scale,
    or bias too, stays where fitting it would not improve the scores of other events.

    Args:
        data: event file, or folder of event files, that the checkpoint was trained on.
        checkpoint: best.ckpt or last.ckpt of training.fit; the better one of both, of the latest run in
            runs/, where not given.
    """
    from rich.progress import track

    from training.network.checkpoint import latest_run

    candidates = [checkpoint] if checkpoint else ends_of(latest_run())
    watch = partial(track, description="answering", transient=True)
    target = calibrate(candidates, data, watch)
    say_calibration(target)
    suggest("training.evaluate", "--checkpoint", target, "--data", data)


def ends_of(run_folder: Path) -> list[Path]:
    """The checkpoints of a run that compete: the best by its validation score, and the last one."""
    from training.network.checkpoint import BEST, LAST

    return [path for path in (run_folder / BEST, run_folder / LAST) if path.exists()]


def say_calibration(target: Path) -> None:
    """Say what a calibration changed."""
    from training.network.checkpoint import load_checkpoint

    record = load_checkpoint(target).provenance.training["calibration"]
    losses = "log-loss: " + ", ".join(f"{name} {loss:.4f}" for name, loss in record["log_losses"].items())
    say(f"wrote {target}: {record['of']}, scores of the {record['score_scale']} scale, "
        f"from {record['hits']:,} hits of {record['events']} validation events ({losses})")  # fmt: skip
    for scale, heads in record["scales"].items():
        for name, head in heads.items():
            bias = ", ".join(f"{value:+.2f}" for value in head["bias"])
            before, after = head["log_loss"]
            say(f"  {scale}, {name}: scale {head['scale']:.3f}, bias {bias}; "
                f"log-loss {before:.4f} -> {after:.4f}")  # fmt: skip
            say(f"    {head['reason']}")


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(command, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())
