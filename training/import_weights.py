"""``python -m training.import_weights``: a collaboration's own weights become a checkpoint."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from lartpc.adc_scale import DEFAULT_ERA, adc_scale
from lartpc.command import run
from lartpc.errors import UserError
from lartpc.served.contract import CLASS_LABELS
from lartpc.served.names import PLAIN_NAME
from lartpc.terminal import say, suggest

if TYPE_CHECKING:
    import torch

PROG = "python -m training.import_weights"
JUDGED, POOR = 2048, 0.7
"""Hits by which the weights are looked at, and the area below which that is said."""

SCORE_SCALE = "upstream"
"""By what it means: the scores of networks trained on upstream's selection, as they are."""


def import_weights(
    weights: Path,
    data: Path = Path("data/default.h5"),
    era: str = DEFAULT_ERA,
    name: str = "imported",
    classes: str = ",".join(CLASS_LABELS),
) -> None:
    """Make a checkpoint of the weights that upstream's scripts have trained, for export in every precision.

    Takes NAME_weights.h5 of train_cnn.py (its NAME_architecture.json is checked where it lies beside), a
    whole Keras model as HDF5, or the frozen graph of save_tf_proto.py (model.graphdef). The weights and
    with them the scores stay as they are; INT8 is calibrated on training events of the data, and judged on
    held-out ones.

    Args:
        weights: NAME_weights.h5, a whole Keras model as HDF5, or a frozen graph (model.graphdef, .pb)
        data: event file or folder, generated or imported from your own dumps, which travels on in part as
            gate.h5
        era: ADC window that the network was trained with: 2021 for -10, 30, 2020 for -50, 150
        name: of the folder in runs/
        classes: what the three columns of the softmax were trained as, where it is another order
    """
    import torch

    from lartpc.event_folder import open_events
    from lartpc.files import sha256, whole_folder
    from training.data.gate_file import GATE_FILE, write_gate_file
    from training.network.checkpoint import BEST, RUNS
    from training.network.networks import build_network
    from training.network.upstream_weights import published_state

    scale = adc_scale(era)
    if not PLAIN_NAME.fullmatch(name):
        raise UserError(f"--name {name!r} must be one word of a-z, A-Z, 0-9, _, - and .")
    folder = RUNS / name
    if folder.exists():
        raise UserError(f"{folder} exists; give another --name")
    state = published_state(weights, tuple(classes.split(",")))
    network = build_network("paper")
    network.load_state_dict(state)
    with open_events(data) as events:
        provenance = events.provenance
    record = {
        "network": "paper",
        "era": scale.era,
        "imported_from": weights.name,
        "imported_sha256": sha256(weights),
        "classes": classes.split(","),
        "score_scale": SCORE_SCALE,
    }
    content = io.BytesIO()
    torch.save(
        {
            "state_dict": {f"network.{key}": value for key, value in network.state_dict().items()},
            "hyper_parameters": {"network": "paper", "quantised": False},
            "era": scale.era,
            "provenance": provenance.with_stage(training=record).to_json(),
        },
        content,
    )
    with whole_folder(folder) as part:
        write_gate_file(data, part / GATE_FILE)
        (part / BEST).write_bytes(content.getbuffer())
    say(f"wrote {folder / BEST}: {parameters(state):,} weights of {weights.name}, era {scale.era}, "
        f"scores as they are ({SCORE_SCALE} scale)")  # fmt: skip
    say_separation(folder / BEST)
    models = folder / "models"
    suggest("export.triton", "--precision", "all", "--checkpoint", folder / BEST, "--repository", models)


def say_separation(checkpoint: Path) -> None:
    """Say how well some held-out hits are told apart: another era, or order of classes, shows there."""
    import numpy as np

    from lartpc.event_file import EventFile
    from training.data.dataset import PatchDataset
    from training.evaluation.metrics import physics_metrics
    from training.network.checkpoint import load_checkpoint

    trained = load_checkpoint(checkpoint)
    with EventFile(trained.gate_path) as events:
        held_out = PatchDataset(events, events.in_split("test"), trained.scale)
    michel = np.flatnonzero(held_out.michel)[: JUDGED // 4]
    random = np.random.default_rng(JUDGED)
    rows = np.union1d(michel, random.choice(len(held_out), min(JUDGED, len(held_out)), replace=False))
    figures = physics_metrics(
        trained.answer(held_out, rows=rows),
        held_out.label[rows],
        held_out.michel[rows],
        held_out.weight[rows],
    )
    areas = figures["track_shower_auc"], figures["michel_auc"]
    say(f"of {len(rows):,} held-out hits: AUC track/shower {areas[0]:.3f}, Michel {areas[1]:.3f}")
    if min(areas) < POOR:
        say("that is hardly better than chance: are --era and --classes those of its training?")


def parameters(state: "dict[str, torch.Tensor]") -> int:
    """How many weights there are."""
    return sum(value.numel() for value in state.values())


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(import_weights, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())
