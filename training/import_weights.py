"""``python -m training.import_weights``: a collaboration's own weights become a checkpoint."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from lartpc.adc_scale import DEFAULT_ERA, adc_scale
from lartpc.command import run
from lartpc.errors import UserError
from lartpc.served.contract import CLASS_LABELS
from lartpc.terminal import say, suggest

if TYPE_CHECKING:
    import torch

PROG = "python -m training.import_weights"
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
        weights: the file
        data: event file or folder, generated or imported from your own dumps, which travels on in part as
            gate.h5
        era: ADC window that the network was trained with: 2021 for -10, 30, 2020 for -50, 150
        name: of the folder in runs/
        classes: what the three columns of the softmax were trained as, where it is another order
    """
    import torch

    from lartpc.event_folder import open_events
    from lartpc.files import check_target, sha256, whole_file
    from training.data.gate_file import GATE_FILE, write_gate_file
    from training.network.checkpoint import BEST, RUNS
    from training.network.networks import build_network
    from training.network.upstream_weights import published_state

    scale = adc_scale(era)
    folder = RUNS / name
    if folder.exists():
        raise UserError(f"{folder} exists; give another --name")
    check_target(folder / BEST)
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
    write_gate_file(data, folder / GATE_FILE)
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
    with whole_file(folder / BEST) as part:
        part.write_bytes(content.getbuffer())
    say(f"wrote {folder / BEST}: {parameters(state):,} weights of {weights.name}, era {scale.era}, "
        f"scores as they are ({SCORE_SCALE} scale)")  # fmt: skip
    suggest("export.triton", "--precision", "all", "--checkpoint", folder / BEST)


def parameters(state: "dict[str, torch.Tensor]") -> int:
    """How many weights there are."""
    return sum(value.numel() for value in state.values())


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(import_weights, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())
