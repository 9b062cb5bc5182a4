"""Every hit of one plane of one event: its patch, and the served answer to it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lartpc.adc_scale import AdcScale, StoredPixels, network_units
from lartpc.detector import plane
from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.patches import cut_patches, locate_hits, pad_planes
from lartpc.served.contract import OUTPUT_NAMES

HITS_PER_CUT = 1024
"""Patches in memory at a time: 9 MB."""


@dataclass(frozen=True)
class PlaneHits:
    """One plane of one event.

    Attributes:
        event_id: (run, subrun, event number).
        plane: U, V or W.
        image: (drift volume, wire, drift pixel) stored pixels.
        hits: (H,) of lartpc.event.HIT_DTYPE, of this plane alone.
        stored: what has been done to the pixels already.
    """

    event_id: tuple[int, int, int]
    plane: str
    image: NDArray[np.float16]
    hits: NDArray[np.void]
    stored: StoredPixels = StoredPixels()

    @classmethod
    def read(cls, events: EventFile, index: int, plane_name: str) -> "PlaneHits":
        """Read a plane of the event at ``index``.

        Raises:
            UserError: the file has no such event or plane, or no hit there.
        """
        if not 0 <= index < len(events):
            raise UserError(f"{events.path} has events 0 to {len(events) - 1}, no event {index}")
        of_plane = _plane_number(events, plane_name)
        hits = events.hits(index)
        hits = hits[hits["local_plane"] == of_plane]
        if not len(hits):
            raise UserError(f"event {index} of {events.path} has no hits in plane {plane_name}")
        run, subrun, number = (int(part) for part in events.event_ids[index])
        image = events.image(index, plane_name)
        return cls((run, subrun, number), plane_name, image, hits, events.stored)

    @property
    def pieces(self) -> int:
        """Number of arrays that :meth:`patches` yields."""
        return math.ceil(len(self.hits) / HITS_PER_CUT)

    def patches(self, scale: AdcScale) -> Iterator[NDArray[np.float32]]:
        """(n, 48, 48, 1) patches in network units, in the order of the hits, HITS_PER_CUT at a time.

        Raises:
            UserError: a hit lies outside the plane, or the pixels do not reach as far as the scale.
        """
        row, pixel = locate_hits(self.hits, self.image.shape, f"event {self.event_id}, plane {self.plane}")
        canvas = pad_planes(network_units(self.image, self.plane, scale, stored=self.stored))
        for first in range(0, len(row), HITS_PER_CUT):
            part = slice(first, first + HITS_PER_CUT)
            yield cut_patches(canvas, row[part], pixel[part])


def most_michel_hits(events: EventFile, plane_name: str) -> int:
    """Index of the event of the test split with the most Michel hits in a plane.

    Raises:
        UserError: the file has no event in the test split.
    """
    indices = events.in_split("test")
    if not len(indices):
        raise UserError(f"{events.path} has no event in its test split; name one with --event")
    number = _plane_number(events, plane_name)
    counts = [np.sum(hits["michel"][hits["local_plane"] == number]) for hits in map(events.hits, indices)]
    return int(indices[np.argmax(counts)])


def _plane_number(events: EventFile, name: str) -> int:
    if name not in events.planes:
        raise UserError(f"{events.path} has the planes {', '.join(events.planes)}, no plane {name!r}")
    return plane(name).index


def joined(answers: list[dict[str, NDArray[np.float32]]]) -> dict[str, NDArray[np.float32]]:
    """The answers to consecutive patches as one."""
    return {name: np.concatenate([answer[name] for answer in answers]) for name in OUTPUT_NAMES}
