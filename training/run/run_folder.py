"""The folder of a training: where it is, who holds it, and how its checkpoints get there."""

import io
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.utilities import rank_zero_only

from lartpc.errors import UserError
from lartpc.files import whole_file
from lartpc.locks import claim, let_go
from training.network.checkpoint import RUNS


@dataclass(frozen=True)
class HeldRun:
    """The folder of a training, which no other training writes into.

    Attributes:
        folder: runs/NAME.
        lock: descriptor that holds it; None in processes that train with the one that holds it.
    """

    folder: Path
    lock: int | None = None

    def let_go(self) -> None:
        """Hold it no longer; where the training did not begin it is removed."""
        if self.lock is None:
            return
        let_go(self.folder, self.lock)
        with suppress(OSError):
            self.folder.rmdir()  # where nothing is in it
            self.folder.parent.rmdir()


def hold_run(name: str, ckpt_path: Path | None) -> HeldRun:
    """The folder of the run to go on with, or a new one: runs/NAME, or runs/NAME-2 where that exists.

    A new one is claimed by making it, and of two trainings that go on with one run the second is refused. Of
    processes that train together only the first one's answer counts: Lightning sends the folder of the
    checkpoints to the others.

    Raises:
        UserError: the checkpoint to go on with does not exist, the name is not a plain one, or another
            training writes into the folder.
    """
    if ckpt_path is not None and not ckpt_path.is_file():
        raise UserError(f"no checkpoint {ckpt_path}; give the last.ckpt of a run")
    plain = name.isprintable() and name == Path(name).name and not name.startswith((".", "-"))
    if ckpt_path is None and not (name and plain):
        raise UserError(f"--name {name!r} is not a plain folder name")
    if rank_zero_only.rank != 0:
        return HeldRun(RUNS / name if ckpt_path is None else ckpt_path.parent)
    folder = _new_folder(name) if ckpt_path is None else ckpt_path.parent
    return HeldRun(folder, claim(folder, f"another training writes into {folder}; wait for its end"))


def _new_folder(name: str) -> Path:
    number = 1
    while True:
        folder = RUNS / (name if number == 1 else f"{name}-{number}")
        try:
            if not RUNS.is_dir():
                RUNS.mkdir(parents=True)
            folder.mkdir()
            return folder
        except FileNotFoundError:
            continue  # a training that did not begin has removed the folder of all
        except FileExistsError as error:
            if not RUNS.is_dir():
                raise UserError(f"cannot make {folder}: {RUNS} is no folder") from error
            number += 1
        except OSError as error:
            raise UserError(f"cannot make {folder}: {error.strerror}") from error


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
