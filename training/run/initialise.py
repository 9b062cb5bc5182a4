"""Starting a training from the weights of a finished one, as quantisation-aware training does."""

from pathlib import Path

import numpy as np
import torch

from lartpc.errors import UserError
from lartpc.event_folder import open_events
from lartpc.hit_finding import other_hits
from training.data.data_module import PatchData
from training.data.dataset import PatchDataset
from training.data.gate_file import CALIBRATION_EVENTS
from training.network.checkpoint import Checkpoint, load_checkpoint
from training.run.module import HitTraining

CALIBRATION_BATCHES = 8
CALIBRATION_PATCHES = 256
"""Patches of each batch that sets the first scales of the activations."""


def initialise(module: HitTraining, data: PatchData) -> None:
    """Take over the weights that ``--model.init-from`` names; quantised, set the first scales too.

    Raises:
        UserError: see :func:`read_start`.
    """
    start = read_start(module, data)
    if start is None:
        return
    weights = start.network.network.state_dict()
    module.init_sha256 = start.provenance.training["checkpoint_sha256"]
    if not module.hparams["quantised"]:
        module.network.load_state_dict(weights)
        return
    from training.network.quantised import calibrate, load_float_weights

    load_float_weights(module.network, weights)
    module.teacher = [start.network]
    with open_events(data.path) as events:
        training = PatchDataset(events, events.in_split("train")[:CALIBRATION_EVENTS], data.scale)
    random = np.random.default_rng((data.seed, CALIBRATION_PATCHES))
    drawn = random.integers(len(training), size=(CALIBRATION_BATCHES, CALIBRATION_PATCHES))
    calibrate(module.network, (torch.from_numpy(training.patches(batch)) for batch in drawn))
    module.network.train()


def resume(module: HitTraining, data: PatchData) -> None:
    """Give a quantised training that goes on the network again that it learns from.

    Raises:
        UserError: its checkpoint is missing, or is not the one that the training started from.
    """
    if not module.hparams["quantised"]:
        return
    start = read_start(module, data)
    assert start is not None
    if start.provenance.training["checkpoint_sha256"] != module.init_sha256:
        raise UserError(f"{start.path} is not the checkpoint that the training started from; put that there")
    module.teacher = [start.network]


def read_start(module: HitTraining, data: PatchData) -> Checkpoint | None:
    """The checkpoint that a training starts from, if any.

    Raises:
        UserError: the checkpoint is none, or of another network or era, or quantised itself; or a
            quantised training names none.
    """
    name, quantised = module.hparams["network"], module.hparams["quantised"]
    if module.hparams["init_from"] is None:
        if quantised:
            raise UserError("a quantised training starts from a trained FP32 checkpoint: --model.init-from")
        return None
    start = load_checkpoint(Path(module.hparams["init_from"]))
    if start.quantised:
        raise UserError(f"{start.path} is quantised already; --model.init-from wants an FP32 checkpoint")
    if start.name != name:
        raise UserError(
            f"{start.path} holds the network {start.name}, not {name}; give --model.network {start.name}"
        )
    if start.scale.era != data.scale.era:
        raise UserError(
            f"{start.path} was trained for the ADC era {start.scale.era}, not {data.scale.era}; "
            f"give --data.era {start.scale.era}"
        )
    differences = list(other_hits(start.provenance.data, data.provenance.data))
    if differences:
        raise UserError(
            f"{data.path} holds other hits than {start.path} was trained on ({'; '.join(differences)}); "
            "a training on both would mix them: give data of the same rules"
        )
    return start
