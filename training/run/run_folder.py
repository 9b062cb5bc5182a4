"""The folder of a training: where it is, and how its checkpoints get there."""

import io
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from lartpc.errors import UserError
from lartpc.files import whole_file
from training.network.checkpoint import RUNS


def run_folder(name: str, ckpt_path: Path | None) -> Path:
    """Folder of the run to go on with, or a new one: runs/NAME, or runs/NAME-2 where that exists.

    Of processes that train together only the first one's answer counts: Lightning sends the folder of the
    checkpoints to the others.

    Raises:
        UserError: the checkpoint to go on with does not exist, or the name is not a plain one.
    """
    if ckpt_path is not None:
        if not ckpt_path.is_file():
            raise UserError(f"no checkpoint {ckpt_path}; give the last.ckpt of a run")
        return ckpt_path.parent
    if Path(name).name != name:
        raise UserError(f"--name {name!r} is not a plain folder name")
    taken = [folder.name for folder in RUNS.glob("*")]
    number = 1
    while (free := name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    return RUNS / free


def callbacks(run: Path, logs: bool) -> list[lightning.Callback]:
    """Best checkpoint by validation score, that of the last epoch, and the learning rate in the log.

    Two savers: one with ``save_last`` would renew last.ckpt only in epochs that are the best so far.

    Args:
        run: the folder.
        logs: whether the run has a logger.
    """
    savers = [
        ModelCheckpoint(run, "best", monitor="val_score", mode="max", enable_version_counter=False),
        ModelCheckpoint(run, "last", enable_version_counter=False),
    ]
    return [*savers, LearningRateMonitor("epoch")] if logs else [*savers]


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside the one it replaces, syncs and renames it: one of the two is always whole.

    Raises:
        UserError: the disk is full or cannot be written; the checkpoint before stays.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Replace the checkpoint ``path``."""
        content = io.BytesIO()  # torch.save to a full disk raises no OSError
        torch.save(checkpoint, content)
        with whole_file(Path(path)) as part:
            part.write_bytes(content.getbuffer())
