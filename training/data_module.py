"""The Lightning data module: an event file as training, validation and test batches."""

from pathlib import Path

import pytorch_lightning as lightning
from torch.utils.data import DataLoader

from lartpc.adc_scale import DEFAULT_ERA, adc_scale
from lartpc.errors import UserError
from lartpc.event_folder import open_events
from training.dataset import EpochBatches, FlippedAlongDrift, InOrder, PatchDataset, check_classes


class PatchData(lightning.LightningDataModule):
    """Patches of an event file, split by event.

    Args:
        path: event file, or folder of event files.
        era: ADC window of the network units, 2021 or 2020; recorded with the model.
        batch_size: patches of a batch.
        patches_per_epoch: training patches of an epoch, drawn without repetition; all where null.
        validation_patches: validation patches, the first of the split; all where null.
        flip_drift: mirror half of the training patches along the drift.
        empty_pixels: train on empty pixels near signal as well, as examples of none.
        seed: of the order of the batches and of the mirroring.
    """

    def __init__(
        self,
        path: Path = Path("data/default.h5"),
        era: str = DEFAULT_ERA,
        batch_size: int = 256,
        patches_per_epoch: int | None = None,
        validation_patches: int | None = None,
        flip_drift: bool = False,
        empty_pixels: bool = True,
        seed: int = 1,
    ) -> None:
        super().__init__()
        for name, value in (
            ("batch_size", batch_size),
            ("patches_per_epoch", patches_per_epoch),
            ("validation_patches", validation_patches),
        ):
            if value is not None and value < 1:
                raise UserError(f"--data.{name} is {value}; it must be at least 1")
        if seed < 0:
            raise UserError(f"--data.seed is {seed}; it must be 0 or more")
        self.path = Path(path)
        self.scale = adc_scale(era)
        self.batch_size = batch_size
        self.patches_per_epoch = patches_per_epoch
        self.validation_patches = validation_patches
        self.flip_drift = flip_drift
        self.empty_pixels = empty_pixels
        self.seed = seed

    def setup(self, stage: str | None = None) -> None:
        """Read the training and validation splits into memory.

        Raises:
            UserError: the file cannot be read, or a class is missing in a split.
        """
        if hasattr(self, "training"):
            return
        with open_events(self.path) as events:
            self.provenance = events.provenance
            self.training = PatchDataset(events, events.in_split("train"), self.scale, self.empty_pixels)
            self.validation = PatchDataset(events, events.in_split("validation"), self.scale)
        check_classes(self.training, self.path, "train")
        check_classes(self.validation, self.path, "validation")

    def train_dataloader(self) -> DataLoader:
        """Shuffled batches; cutting a batch takes a thousandth of training on it, so no workers."""
        batches = EpochBatches(len(self.training), self.batch_size, self.seed, self.patches_per_epoch)
        dataset = FlippedAlongDrift(self.training, batches) if self.flip_drift else self.training
        return DataLoader(dataset, batch_size=None, sampler=batches)

    def val_dataloader(self) -> DataLoader:
        """Batches in the order of the file."""
        hits = min(self.validation_patches or len(self.validation), len(self.validation))
        return DataLoader(self.validation, batch_size=None, sampler=InOrder(hits, 1024))
