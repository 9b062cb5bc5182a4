"""Patches cut on the fly from the plane images of some events."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from lartpc.adc_scale import AdcScale
from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.patches.cut import cut_patches
from lartpc.patches.plane_hits import PlaneHits
from lartpc.served.contract import PATCH_SIZE, Label
from training.data.selection import ALWAYS, levels

Batch = tuple[Tensor, Tensor, Tensor]
"""(B, 48, 48, 1) float32 patches, (B,) int64 label, (B,) uint8 Michel flag."""

CLASSES = (*(label.name.lower() for label in Label), "michel")
"""What a hit counts as where Michel electrons are kept apart from the other showers."""


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
        clipped: whether the images are clipped to the window, as the network takes them.
        selected: whether the share that upstream's selection keeps of each hit is found.

    Attributes:
        row: (N,) wire of each hit in the canvas.
        pixel: (N,) drift pixel of each hit.
        label: (N,) lartpc.served.contract.Label.
        michel: (N,) 1 where the hit is a Michel electron's.
        sample: (N,) row of the file's sample table.
        event: (N,) index of the hit's event in the file.
        number: (N,) index of the hit in its event; empty pixels follow the hits.
        is_hit: (N,) False where it is an empty pixel.
        weight: (N,) how often the hit counts in the natural mixture.
        level: (N,) place of its share in training.data.selection.SHARES; that of 1 where not asked for.
        hit_id: (N,) number of the hit within its event.
        plane: (N,) 0 U, 1 V, 2 W.
    """

    def __init__(
        self,
        events: EventFile,
        indices: NDArray[np.integer],
        scale: AdcScale,
        empty_pixels: bool = False,
        clipped: bool = True,
        selected: bool = False,
    ) -> None:
        room = _room(events, indices)
        rows, pixels, hits, is_hit, event, number, level = [], [], [], [], [], [], []
        first_row = 0
        for index in indices:
            level_of = levels_of_event(events, index, empty_pixels, selected)
            for of_plane in PlaneHits.of_event(events, index, empty_pixels):
                canvas = of_plane.canvas(scale, clipped)
                room[first_row : first_row + len(canvas.units)] = canvas.units
                rows.append(first_row + canvas.row)
                pixels.append(canvas.pixel)
                hits.append(of_plane.hits)
                number.append(of_plane.number)
                level.append(level_of[of_plane.number])
                is_hit.append(of_plane.is_hit)
                event.append(np.full(len(of_plane.hits), index))
                first_row += len(canvas.units)
        if not hits or not sum(map(len, hits)):
            raise UserError(
                f"{events.path} has no hits in the {len(indices)} events asked for; generate more"
            )
        hit = np.concatenate(hits)
        self.canvas = room[:first_row]
        self.row = np.concatenate(rows)
        self.pixel = np.concatenate(pixels)
        self.label = hit["label"].astype(np.int64)
        self.michel = hit["michel"].copy()
        self.sample = hit["sample"].copy()
        self.hit_id = hit["hit_id"].copy()
        self.plane = hit["local_plane"].copy()
        self.event = np.concatenate(event)
        self.number = np.concatenate(number)
        self.is_hit = np.concatenate(is_hit)
        self.weight = events.natural_weights(hit)
        self.level = np.concatenate(level)

    def __len__(self) -> int:
        return len(self.row)

    def patches(self, indices: NDArray[np.integer] | slice) -> NDArray[np.float32]:
        """(B, 48, 48, 1) patches of some hits."""
        return cut_patches(self.canvas, self.row[indices], self.pixel[indices])

    def mirrored_patches(
        self, indices: NDArray[np.integer], across: NDArray[np.bool_], along: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """(B, 48, 48, 1) patches of some hits, mirrored about the hit's own pixel.

        A patch reaches one pixel farther before its hit than behind it. So a patch to be mirrored is cut one
        pixel later, and the hit comes to lie where every hit lies.

        Args:
            indices: (B,).
            across: (B,) which to mirror across the wires.
            along: (B,) which to mirror along the drift.
        """
        patches = cut_patches(self.canvas, self.row[indices] + across, self.pixel[indices] + along)
        for axis, mirrored in ((1, across), (2, along)):
            patches[mirrored] = np.flip(patches[mirrored], axis)
        return patches

    def with_truth(self, patches: NDArray[np.float32], indices: NDArray[np.integer]) -> Batch:
        """The batch of some hits, of which these are the patches."""
        return (
            torch.from_numpy(patches),
            torch.from_numpy(self.label[indices]),
            torch.from_numpy(self.michel[indices]),
        )

    def __getitem__(self, indices: NDArray[np.integer]) -> Batch:
        return self.with_truth(self.patches(indices), indices)


def _room(events: EventFile, indices: NDArray[np.integer]) -> NDArray[np.float32]:
    """Room for the padded images of all drift volumes of some events; what is not written takes no memory."""
    if not len(indices):
        return np.empty((0, PATCH_SIZE), np.float32)
    shapes = [events.image(int(indices[0]), plane).shape for plane in events.planes]
    rows = len(indices) * sum(volumes * (wires + PATCH_SIZE) for volumes, wires, _ in shapes)
    return np.empty((rows, shapes[0][2] + PATCH_SIZE), np.float32)


def levels_of_event(events: EventFile, index: int, empty_pixels: bool, selected: bool) -> NDArray[np.uint8]:
    """(N,) level of upstream's selection of each hit of an event, then of its empty pixels, all of them kept.

    Without the selection everything is.
    """
    hits = events.hits(index)
    number = len(hits) + (len(events.empty_pixels(index)) if empty_pixels else 0)
    level = np.full(number, ALWAYS, np.uint8)
    if selected:
        level[: len(hits)] = levels(hits, events.particles(index))
    return level


def class_of(label: NDArray[np.integer], michel: NDArray[np.integer]) -> NDArray[np.int64]:
    """(N,) index into :data:`CLASSES` of each hit."""
    return np.where(michel == 1, CLASSES.index("michel"), label).astype(np.int64)


def check_counts(counts: NDArray[np.integer], path: Path, split: str) -> None:
    """Refuse a split in which a class is missing: its head could learn or show nothing.

    Hits of none may be missing: imported files have that class as empty pixels alone.

    Args:
        counts: (4,) hits of each of :data:`CLASSES`.
        path: the data, for the message.
        split: its name, for the message.

    Raises:
        UserError: naming the classes that are missing.
    """
    number = dict(zip(CLASSES, counts, strict=True))
    number["shower"] += number["michel"]
    missing = [name for name in ("track", "shower", "michel") if not number[name]]
    if missing:
        raise UserError(
            f"{path} has no {' and no '.join(missing)} hit in its {split} split; generate more events"
        )
