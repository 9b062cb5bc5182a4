"""Patches for training, cut on the fly from the plane images of one split."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from lartpc.adc_scale import AdcScale, network_units
from lartpc.contract import PATCH_SIZE, Label
from lartpc.detector import PLANES
from lartpc.errors import UserError
from lartpc.event import HIT_DTYPE
from lartpc.event_file import EventFile
from lartpc.patches import cut_patches, locate_hits, pad_planes

Batch = tuple[Tensor, Tensor, Tensor]
"""(B, 48, 48, 1) float32 patches, (B,) int64 label, (B,) uint8 Michel flag."""


class PatchDataset(Dataset):
    """Every hit of some events, with its patch; an item is a whole batch.

    The padded images of all events, planes and drift volumes with hits are stacked along the wire axis
    into one canvas, so that one gather cuts the patches of any hits. A collection plane of a volume takes
    2.2 MB of memory, an induction plane 5.0 MB.

    Args:
        events: an open event file.
        indices: which of its events.
        scale: the ADC window of the network units.
        empty_pixels: whether the events' empty pixels follow the hits, as examples of none.

    Attributes:
        row: (N,) wire of each hit in the canvas.
        pixel: (N,) drift pixel of each hit.
        label: (N,) lartpc.contract.Label.
        michel: (N,) 1 where the hit is a Michel electron's.
        event: (N,) index of the hit's event in the file.
        is_hit: (N,) False where it is an empty pixel.
        weight: (N,) how often the hit counts in the natural mixture.
    """

    def __init__(
        self, events: EventFile, indices: NDArray[np.integer], scale: AdcScale, empty_pixels: bool = False
    ) -> None:
        canvases: list[NDArray[np.float32]] = []
        rows, pixels, hits, is_hit, event = [], [], [], [], []
        first_row = 0
        names = [plane.name for plane in PLANES]
        for index in indices:
            of_event = events.hits(index)
            counts = [len(of_event), 0]
            if empty_pixels:
                of_event = np.concatenate([of_event, _as_hits(events.empty_pixels(index))])
                counts[1] = len(of_event) - counts[0]
            is_hit_of_event = np.repeat([True, False], counts)
            for plane in events.planes:
                image = events.image(index, plane)
                in_plane = of_event["local_plane"] == names.index(plane)
                of_plane = of_event[in_plane]
                where = f"{events.path}, event {index}, plane {plane}"
                row, pixel = locate_hits(of_plane, image.shape, where)
                volumes, position = np.unique(of_plane["tpc"], return_inverse=True)
                units = network_units(image[volumes], plane, scale, stored=events.stored)
                if not np.isfinite(units).all():
                    raise UserError(f"{where}: its image holds NaN or infinity; generate the file anew")
                canvases.append(pad_planes(units))
                rows.append(first_row + row + (position - of_plane["tpc"]) * (image.shape[1] + PATCH_SIZE))
                pixels.append(pixel)
                hits.append(of_plane)
                is_hit.append(is_hit_of_event[in_plane])
                event.append(np.full(len(of_plane), index))
                first_row += len(canvases[-1])
        if not hits or not sum(map(len, hits)):
            raise UserError(
                f"{events.path} has no hits in the {len(indices)} events asked for; generate more"
            )
        hit = np.concatenate(hits)
        self.canvas = np.concatenate(canvases)
        self.row = np.concatenate(rows)
        self.pixel = np.concatenate(pixels)
        self.label = hit["label"].astype(np.int64)
        self.michel = hit["michel"]
        self.event = np.concatenate(event)
        self.is_hit = np.concatenate(is_hit)
        self.weight = events.natural_weights(hit)
        if self.label.max() > max(Label):
            raise UserError(f"{events.path} has the label {self.label.max()}; labels are 0, 1 and 2")

    def __len__(self) -> int:
        return len(self.row)

    def patches(self, indices: NDArray[np.integer] | slice) -> NDArray[np.float32]:
        """(B, 48, 48, 1) patches of some hits."""
        return cut_patches(self.canvas, self.row[indices], self.pixel[indices])

    def __getitem__(self, indices: NDArray[np.integer]) -> Batch:
        return (
            torch.from_numpy(self.patches(indices)),
            torch.from_numpy(self.label[indices]),
            torch.from_numpy(self.michel[indices]),
        )


def _as_hits(empty: NDArray[np.void]) -> NDArray[np.void]:
    hits = np.zeros(len(empty), HIT_DTYPE)
    for field in empty.dtype.names or ():
        hits[field] = empty[field]
    hits["label"] = Label.NONE
    return hits


class FlippedAlongDrift(Dataset):
    """Patches of another dataset, about half of them mirrored along the drift (upstream's augmentation).

    Which ones is drawn anew in each epoch from (seed, epoch).
    """

    def __init__(self, dataset: PatchDataset, batches: "EpochBatches") -> None:
        self.dataset = dataset
        self.batches = batches

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, indices: NDArray[np.integer]) -> Batch:
        patches, label, michel = self.dataset[indices]
        flip = torch.from_numpy(self.batches.flips[indices])
        patches[flip] = patches[flip].flip(2)
        return patches, label, michel


class EpochBatches(Sampler):
    """Batches of hit indices, shuffled by (seed, epoch) alone: a resumed epoch sees the same batches.

    Args:
        hits: number of hits to draw from.
        batch_size: hits of a batch.
        seed: of the order.
        per_epoch: hits of an epoch; by default all. The last incomplete batch is dropped.

    Attributes:
        flips: (hits,) which patches this epoch mirrors, where the dataset does.
    """

    def __init__(self, hits: int, batch_size: int, seed: int, per_epoch: int | None = None) -> None:
        self.hits = hits
        self.batch_size = batch_size
        self.seed = seed
        self.count = min(per_epoch or hits, hits) // batch_size
        if self.count == 0:
            raise UserError(f"{hits} hits do not fill one batch of {batch_size}; generate more events")
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Prepare the order of an epoch; Lightning calls it."""
        random = np.random.default_rng((self.seed, epoch))
        self.order = random.permutation(self.hits)
        self.flips = random.random(self.hits) < 0.5

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        for batch in range(self.count):
            yield self.order[batch * self.batch_size : (batch + 1) * self.batch_size]


class InOrder(Sampler):
    """Batches of hit indices in the order of the file."""

    def __init__(self, hits: int, batch_size: int) -> None:
        self.hits = hits
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-self.hits // self.batch_size)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        for first in range(0, self.hits, self.batch_size):
            yield np.arange(first, min(first + self.batch_size, self.hits))


def check_classes(dataset: PatchDataset, path: Path, split: str) -> None:
    """Refuse a split in which a class is missing: its head could learn or show nothing.

    Hits of none may be missing: imported files have that class as empty pixels alone.

    Raises:
        UserError: naming the classes that are missing.
    """
    missing = [
        label.name.lower() for label in (Label.TRACK, Label.SHOWER) if not np.any(dataset.label == label)
    ]
    missing += ["michel"] if not dataset.michel.any() else []
    if missing:
        raise UserError(
            f"{path} has no {' and no '.join(missing)} hit in its {split} split; generate more events"
        )
