"""``python -m training.ship``: a trained network becomes the weights that come along with the package."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lartpc.command import run
from lartpc.errors import UserError
from lartpc.files import whole_file, write_text
from lartpc.terminal import say, suggest

if TYPE_CHECKING:
    from training.data.dataset import PatchDataset
    from training.network.checkpoint import Checkpoint

PROG = "python -m training.ship"
CARD = "model_card.md"
SCORES = "scores.json"

MOST_BYTES = 12_000_000
"""Of a network's folder: they are in everybody's copy of the repository."""

OF_EACH_SIDE = 32
"""Michel hits, and others, of the gate's held-out events whose scores are kept."""


def ship(run_folder: Path, quantised: Path, folder: Path | None = None) -> None:
    """Put a network into the package: FP32 checkpoint, the quantised one, gate file and model card.

    training.fit, export.triton and training.evaluate then know them as shipped:NETWORK. scores.json keeps
    digests, scores of some hits and figures of the gate's held-out events, to which the tests hold them.

    Args:
        run_folder: run of the FP32 checkpoint, calibrated and evaluated.
        quantised: run of quantisation-aware training that started from it.
        folder: where to; in the package, training/shipped/NETWORK, where not given.
    """
    from lartpc.event_file import EventFile
    from lartpc.files import sha256
    from training.data.dataset import PatchDataset
    from training.data.gate_file import GATE_FILE
    from training.network.checkpoint import CALIBRATED, load_checkpoint
    from training.network.shipped import FLOAT_FILE, FOLDER, QUANTISED_FILE

    trained, int8 = (load_checkpoint(of / CALIBRATED) for of in (run_folder, quantised))
    trained.check_quantised(int8)
    if trained.score_scale is None:
        raise UserError(f"{trained.path} is not calibrated: python -m training.calibrate")
    card = run_folder / CARD
    digest = trained.provenance.training["checkpoint_sha256"][:12]
    if not card.is_file() or digest not in card.read_text(encoding="utf-8"):
        raise UserError(f"{card} is not of {trained.path}; evaluate that first: python -m training.evaluate")
    files = {
        FLOAT_FILE: trained.path,
        QUANTISED_FILE: int8.path,
        GATE_FILE: trained.gate_path,
        CARD: card,
    }
    size = sum(path.stat().st_size for path in files.values())
    if size > MOST_BYTES:
        raise UserError(f"{', '.join(map(str, files.values()))} take {size / 1e6:.1f} MB, which is too much")
    target = folder or FOLDER / trained.name
    record = {"sha256": {name: sha256(path) for name, path in files.items()}}
    with EventFile(trained.gate_path) as events:
        trained.check_gate(events)
        held_out = PatchDataset(events, events.in_split("test"), trained.scale)
    record |= {FLOAT_FILE: recorded(trained, held_out), QUANTISED_FILE: recorded(int8, held_out)}
    for name, path in files.items():
        with whole_file(target / name) as part:
            part.write_bytes(path.read_bytes())
    write_text(target / SCORES, json.dumps(record, indent=1) + "\n")
    say(f"wrote {target}, {size / 1e6:.1f} MB")
    suggest("export.triton", "--checkpoint", target / FLOAT_FILE if folder else f"shipped:{trained.name}")


def recorded(checkpoint: "Checkpoint", held_out: "PatchDataset") -> dict[str, Any]:
    """Figures of a checkpoint on the gate's held-out events, natural mixture, and scores of some hits.

    Returns:
        ``figures`` of training.evaluation.metrics.physics_metrics; ``rows`` of the hits, and of each output
        their ``scores``.
    """
    import numpy as np

    from training.evaluation.metrics import physics_metrics

    michel = held_out.michel == 1
    rows = np.concatenate([np.flatnonzero(side)[:OF_EACH_SIDE] for side in (michel, ~michel)])
    outputs = checkpoint.answer(held_out)
    return {
        "figures": physics_metrics(outputs, held_out.label, held_out.michel, held_out.weight),
        "rows": rows.tolist(),
        "scores": {name: values[rows].astype(float).round(6).tolist() for name, values in outputs.items()},
    }


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(ship, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())
