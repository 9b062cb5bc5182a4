"""The events of a split as patches: all in memory, or a chunk of events at a time."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lartpc.adc_scale import AdcScale
from lartpc.detector import PLANES
from lartpc.event_folder import open_events
from lartpc.interrupts import result_of
from lartpc.patches.plane_hits import hits_of_event
from lartpc.served.contract import PATCH_SIZE
from training.data.dataset import CLASSES, PatchDataset, class_of, levels_of_event
from training.data.selection import SHARES

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


class EventChunks:
    """Events in chunks that fit in memory; a single chunk, once read, stays there.

    The tables of all events are read at once: they say how many hits there are.

    Args:
        path: event file, or folder of event files.
        split: train, validation or test.
        scale: the ADC window of the network units.
        empty_pixels: see :class:`training.data.dataset.PatchDataset`.
        clipped: see :class:`training.data.dataset.PatchDataset`.
        selected: see :class:`training.data.dataset.PatchDataset`.

    Attributes:
        hits: (E,) number of hits (and empty pixels) of each event.
        counts: (S, 4, L) hits of each sample, of each of :data:`training.data.dataset.CLASSES` and of each of
            :data:`training.data.selection.SHARES`.
        samples: names of the samples.
        natural: (S,) how often a hit of each sample counts in the natural mixture.
        bytes: memory that all events take.
        chunks: number of chunks; 1 before :meth:`divide`.
    """

    def __init__(
        self,
        path: Path,
        split: str,
        scale: AdcScale,
        empty_pixels: bool = False,
        clipped: bool = True,
        selected: bool = False,
    ) -> None:
        self.path, self.scale = path, scale
        self.empty_pixels, self.clipped, self.selected = empty_pixels, clipped, selected
        self.chunks = 1
        self._whole: PatchDataset | None = None
        hits: list[int] = []
        with open_events(path) as events:
            self.indices = events.in_split(split)
            self.samples = [name.decode() for name in events.samples["name"]]
            self.natural = events.natural
            self.counts = np.zeros((len(self.samples), len(CLASSES), len(SHARES)), np.int64)
            planes = [plane.index for plane in PLANES if plane.name in events.planes]
            for index in self.indices:
                of_event = hits_of_event(events, index, empty_pixels)[0]
                events.natural_weights(of_event)
                read = np.isin(of_event["local_plane"], planes)
                level = levels_of_event(events, index, empty_pixels, selected)[read]
                of_event = of_event[read]
                kind = class_of(of_event["label"], of_event["michel"])
                np.add.at(self.counts, (of_event["sample"], kind, level), 1)
                hits.append(len(of_event))
            self.hits = np.array(hits, np.int64)
            shapes = [events.image(0, plane).shape for plane in events.planes] if len(events) else []
        self.bytes = 4 * len(hits) * sum(
            volumes * (wires + PATCH_SIZE) * (pixels + PATCH_SIZE) for volumes, wires, pixels in shapes
        )  # fmt: skip

    def divide(self, memory: float) -> None:
        """Make chunks of at most so many bytes, but of one event at least."""
        self.chunks = int(np.clip(np.ceil(self.bytes / memory), 1, max(1, len(self.indices))))

    def __iter__(self) -> Iterator[PatchDataset]:
        """The chunks in the order of the file."""
        return self._read(np.array_split(self.indices, self.chunks))

    def shuffled(self, random: np.random.Generator) -> Iterator[PatchDataset]:
        """The chunks of events drawn at random; within a chunk the events keep their order."""
        return self._read(
            [np.sort(part) for part in np.array_split(random.permutation(self.indices), self.chunks)]
        )

    def _read(self, parts: list[NDArray[np.int64]]) -> Iterator[PatchDataset]:
        if self.chunks == 1:
            if self._whole is None:
                self._whole = self.read(self.indices)
            yield self._whole
            return
        with ThreadPoolExecutor(1, "chunk-reader") as reader:
            coming = reader.submit(self.read, parts[0])
            for following in parts[1:]:
                chunk = result_of(coming)
                coming = reader.submit(self.read, following)
                yield chunk
                del chunk
            yield result_of(coming)

    def forget(self) -> None:
        """Free the images that stayed in memory; they are read again where they are wanted."""
        self._whole = None

    def read(self, indices: NDArray[np.int64]) -> PatchDataset:
        """Patches of some of the events."""
        with open_events(self.path) as events:
            return PatchDataset(events, indices, self.scale, self.empty_pixels, self.clipped, self.selected)


def half_of_memory() -> float:
    """Half of the bytes that the machine, or the container, has."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _CGROUP_LIMIT.read_text(encoding="utf-8").strip() if _CGROUP_LIMIT.is_file() else "max"
    return (total if limit == "max" else min(total, int(limit))) / 2
