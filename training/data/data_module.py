"""The Lightning data module: an event file as training, validation and test batches."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as lightning
from torch.utils.data import DataLoader

from lartpc.adc_scale import DEFAULT_ERA, adc_scale
from lartpc.errors import UserError
from lartpc.event_folder import open_events
from training.data.augmentation import Augmentation
from training.data.batches import Balance, DrawnPatches, EpochBatches, InOrder, Rank
from training.data.dataset import check_counts
from training.data.event_chunks import EventChunks, half_of_memory

VALIDATION_BATCH = 1024


class PatchData(lightning.LightningDataModule):
    """Patches of an event file, split by event.

    Args:
        path: event file, or folder of event files.
        era: ADC window of the network units, 2021 or 2020; recorded with the model.
        batch_size: patches of a batch; processes that train together share it.
        patches_per_epoch: training patches of an epoch, drawn without repetition; all where null.
        validation_patches: validation patches, drawn at random from all events of the split; all where null.
        augmentation: how training patches are varied; by default not at all.
        balance: how often an epoch draws a hit of a class (track, shower, none, michel) or of a sample of
            the file, for example {michel: 3, radioactivity: 0.2}; once where it says nothing.
        empty_pixels: train on empty pixels near signal as well, as examples of none.
        selection: upstream draws an epoch from what the published networks were trained on: the natural
            mixture, of which their preparation keeps every Michel hit and few clean tracks; all draws every
            hit alike. The balance comes on top.
        memory_gb: memory for images, of each process; by default its share of half of the machine's.
            What exceeds it is read again in each epoch, in shuffled chunks of events.
        seed: of the order of the batches and of the augmentation.
    """

    def __init__(
        self,
        path: Path = Path("data/default.h5"),
        era: str = DEFAULT_ERA,
        batch_size: int = 256,
        patches_per_epoch: int | None = None,
        validation_patches: int | None = None,
        augmentation: Augmentation = Augmentation(),  # noqa: B008 (frozen)
        balance: dict[str, float] | None = None,
        empty_pixels: bool = True,
        selection: Literal["all", "upstream"] = "all",
        memory_gb: float | None = None,
        seed: int = 1,
    ) -> None:
        super().__init__()
        for name, value in (
            ("batch_size", batch_size),
            ("patches_per_epoch", patches_per_epoch),
            ("validation_patches", validation_patches),
        ):
            if value is not None and value < 1:
                raise UserError(f"--data.{name.replace('_', '-')} is {value}; it must be at least 1")
        if memory_gb is not None and memory_gb <= 0.0:
            raise UserError(f"--data.memory-gb is {memory_gb}; it must be more than 0")
        if seed < 0:
            raise UserError(f"--data.seed is {seed}; it must be 0 or more")
        self.path = Path(path)
        self.scale = adc_scale(era)
        self.batch_size = batch_size
        self.patches_per_epoch = patches_per_epoch
        self.validation_patches = validation_patches
        self.augmentation = augmentation
        self.balance = balance or {}
        self.empty_pixels = empty_pixels
        self.selection = selection
        self.memory_gb = memory_gb
        self.seed = seed

    def setup(self, stage: str | None = None) -> None:
        """Read the tables of the training and validation splits, and the images where they fit in memory.

        Raises:
            UserError: the file cannot be read, a class is missing in a split, or the balance names
                what the file does not have.
        """
        if hasattr(self, "training"):
            return
        with open_events(self.path) as events:
            self.provenance = events.provenance
        clipped = not self.augmentation.changes_charge
        selected = self.selection == "upstream"
        self.training = EventChunks(self.path, "train", self.scale, self.empty_pixels, clipped, selected)
        self.validation = EventChunks(self.path, "validation", self.scale)
        for chunks, split in ((self.training, "train"), (self.validation, "validation")):
            check_counts(chunks.counts.sum(axis=(0, 2)), self.path, split)
        self.draws = Balance(self.balance, self.training)
        memory = self.memory()
        if self.training.bytes + self.validation.bytes > memory:
            memory /= 4  # one chunk in use and one being read, of training and of validation
        for chunks in (self.training, self.validation):
            chunks.divide(memory)
            if chunks.chunks == 1:
                next(iter(chunks))

    def teardown(self, stage: str | None = None) -> None:
        """Free the images, so that what comes after the training has their memory."""
        for chunks in (self.training, self.validation):
            chunks.forget()

    def memory(self) -> float:
        """Bytes for images in this process."""
        if self.memory_gb is not None:
            return self.memory_gb * 1e9
        return half_of_memory() / (self.trainer.num_devices if self.trainer else 1)

    def record(self) -> dict[str, Any]:
        """How the data are used, for the provenance; ``class_shares`` are those of an epoch's draws."""
        return {
            "era": self.scale.era,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "augmentation": asdict(self.augmentation),
            "balance": self.balance,
            "class_shares": self.draws.shares,
            "empty_pixels": self.empty_pixels,
            "selection": self.selection,
            "patches_per_epoch": self.patches_per_epoch,
        }

    def train_dataloader(self) -> DataLoader:
        """Shuffled batches; cutting a batch takes a thousandth of training on it, so no workers."""
        batches = EpochBatches(
            self.training, self.draws, self.batch_size, self.seed, self.patches_per_epoch, self._rank()
        )
        return DataLoader(
            DrawnPatches(self.augmentation, self.scale, self.seed), batch_size=None, sampler=batches
        )

    def val_dataloader(self) -> DataLoader:
        """Batches in the order of the file, of hits of all its validation events."""
        batches = InOrder(self.validation, VALIDATION_BATCH, self.validation_patches, self._rank())
        return DataLoader(
            DrawnPatches(Augmentation(), self.scale, self.seed), batch_size=None, sampler=batches
        )

    def _rank(self) -> Rank:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
