"""Events from dumped patches, which have no planes: an event's patches are stacked to images of their own.

64 patches, one below the other, make an image of 3072 wires x 48 drift pixels: a drift volume of the event
file. Patch i has the wires 48 i .. 48 i + 47 and its hit at wire 48 i + 24, drift pixel 24, so that cutting
around the hit gives the patch again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from data_gen.larsoft.dump_scale import DumpScale, Where
from lartpc.detector import ELECTRON_LIFETIME_US, PIXEL_TICKS, PLANES, TICK_US
from lartpc.errors import UserError
from lartpc.event import EMPTY_DTYPE, HIT_DTYPE, PARTICLE_DTYPE, SAMPLE_DTYPE, Event
from lartpc.patches.cut import HALF
from lartpc.served.contract import PATCH_SIZE, Label

PATCHES_PER_VOLUME = 64
PATCHES_PER_EVENT = 64 * PATCHES_PER_VOLUME
"""At most in memory together; an event with more is written as several of the same number."""

_LABEL_OF_ROW = {
    (1, 0, 0, 0): (Label.TRACK, 0),
    (0, 1, 0, 0): (Label.SHOWER, 0),
    (0, 1, 1, 0): (Label.SHOWER, 1),
    (0, 0, 1, 0): (Label.SHOWER, 1),
    (0, 0, 0, 1): (Label.NONE, 0),
}
"""Upstream's targets [track, em, michel, none] (train_cnn.py); a Michel electron is a shower as well."""


@dataclass(frozen=True)
class Patches:
    """Some patches of one event.

    Attributes:
        event_id: run, subrun, event.
        pixels: (N, 48, 48) wire, drift pixel; in the dump's unit.
        targets: (N, 4) track, em, michel, none.
        view: (N,) plane number.
        drift: (N,) drift pixel of the centre within the readout, or None where it is not known.
        where: file and place of a pixel by its index.
        tpc: (N,) drift volume, or None where it is not known.
        wire: (N,) wire of the centre, likewise.
    """

    event_id: tuple[int, int, int]
    pixels: NDArray[np.floating]
    targets: NDArray[np.integer]
    view: NDArray[np.integer]
    drift: NDArray[np.integer] | None
    where: Where
    tpc: NDArray[np.integer] | None = None
    wire: NDArray[np.integer] | None = None


class PatchSource(Protocol):
    """A dump of patches, open: what :class:`PatchEvents` reads."""

    planes: tuple[str, ...]
    files: list[Path]

    def __len__(self) -> int:
        """How many blocks of patches there are."""

    def __iter__(self) -> Iterator[Patches]:
        """Blocks of at most :data:`PATCHES_PER_EVENT` patches of one event."""


@dataclass(frozen=True)
class PatchEvents:
    """The events of a dump of patches; iterates over them.

    Args:
        source: the dump.
        scale: of its pixels.

    Raises:
        UserError: while iterating, a label or a pixel cannot be.
    """

    source: PatchSource
    scale: DumpScale

    @property
    def planes(self) -> tuple[str, ...]:
        """Names of the planes that some event has."""
        return self.source.planes

    def samples(self) -> NDArray[np.void]:
        """The sample table: one row, for how the dump was thinned is not known."""
        return np.array([("as dumped", 1.0, 1.0)], SAMPLE_DTYPE)

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[Event]:
        return (stacked(patches, self.scale, self.planes) for patches in self.source)


def stacked(patches: Patches, scale: DumpScale, planes: tuple[str, ...]) -> Event:
    """An event whose images are stacks of patches; those labelled none become empty pixels, not hits.

    Where calibration and lifetime correction are still to come, the pixels are scaled so that the
    correction for the stack's drift pixels becomes the one for the patch's own.

    Args:
        patches: of one event.
        scale: of the pixels.
        planes: names of the planes that the file has.

    Raises:
        UserError: a label or a pixel cannot be.
    """
    label, michel = targets_to_labels(patches.targets, patches.where)
    adc = scale.adc(patches.pixels, patches.where)
    if not scale.calibrated and patches.drift is not None:
        later = (patches.drift.astype(float) - HALF) * PIXEL_TICKS * TICK_US
        adc *= np.exp(later / ELECTRON_LIFETIME_US).astype(np.float32)[:, None, None]
    images: dict[str, NDArray[np.float16]] = {}
    hits: list[NDArray[np.void]] = []
    empty: list[NDArray[np.void]] = []
    for plane in PLANES:
        if plane.name not in planes:
            continue
        of_plane = np.flatnonzero(patches.view == plane.index)
        volume, slot = np.divmod(np.arange(len(of_plane)), PATCHES_PER_VOLUME)
        volumes = max(-(-len(of_plane) // PATCHES_PER_VOLUME), 1)
        image = np.zeros((volumes * PATCHES_PER_VOLUME, PATCH_SIZE, PATCH_SIZE), np.float16)
        image[: len(of_plane)] = adc[of_plane]
        images[plane.name] = image.reshape(volumes, -1, PATCH_SIZE)

        is_hit = label[of_plane] != Label.NONE
        for chosen, dtype, rows in ((is_hit, HIT_DTYPE, hits), (~is_hit, EMPTY_DTYPE, empty)):
            row = np.zeros(np.count_nonzero(chosen), dtype)
            row["tpc"], row["local_plane"] = volume[chosen], plane.index
            row["local_wire"] = slot[chosen] * PATCH_SIZE + HALF
            row["local_time"] = (HALF + 0.5) * PIXEL_TICKS
            rows.append(row)
        which = of_plane[is_hit]
        hits[-1]["label"], hits[-1]["michel"] = label[which], michel[which]
        hits[-1]["amplitude"] = adc[which, HALF, HALF]
    hit = np.concatenate(hits)
    hit["hit_id"] = np.arange(len(hit))
    hit["integral"] = hit["amplitude"] * PIXEL_TICKS
    hit["rms"] = PIXEL_TICKS / np.sqrt(12.0)
    hit["g4_id"] = -1
    return Event(patches.event_id, images, hit, np.zeros(0, PARTICLE_DTYPE), np.concatenate(empty))


def targets_to_labels(
    targets: NDArray[np.integer], where: Where
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Label and Michel flag of rows of upstream's targets.

    Args:
        targets: (N, 4) track, em, michel, none.
        where: for the message.

    Raises:
        UserError: a row is neither track, em, em and michel, michel, nor none.
    """
    label = np.full(len(targets), len(Label), np.uint8)
    michel = np.zeros(len(targets), np.uint8)
    for row, (its_label, its_michel) in _LABEL_OF_ROW.items():
        same = (targets == row).all(axis=1)
        label[same], michel[same] = its_label, its_michel
    unknown = np.flatnonzero(label == len(Label))
    if len(unknown):
        row = targets[unknown[0]].tolist()
        raise UserError(f"{where((int(unknown[0]),))}: label {row} is none of track, em, michel, none")
    return label, michel
