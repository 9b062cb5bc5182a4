"""One plane of one event and the patches around its hits: the one way from a file to a network's input."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lartpc.adc_scale import AdcScale, StoredPixels, network_units
from lartpc.detector import plane
from lartpc.errors import UserError
from lartpc.event import HIT_DTYPE
from lartpc.event_file import EventFile
from lartpc.patches.cut import cut_patches, locate_hits, pad_planes
from lartpc.served.contract import PATCH_SIZE, Label

HITS_PER_CUT = 1024
"""Patches in memory at a time: 9 MB."""


@dataclass(frozen=True)
class Canvas:
    """A plane in network units, ready to be cut.

    Attributes:
        units: (rows, drift pixels) the images of the drift volumes that have hits, each within its margin.
        row: (H,) first row of each hit's patch.
        pixel: (H,) first drift pixel of each hit's patch.
    """

    units: NDArray[np.float32]
    row: NDArray[np.int64]
    pixel: NDArray[np.int64]

    def patches(self, hits: NDArray[np.integer] | slice) -> NDArray[np.float32]:
        """(n, 48, 48, 1) patches of some of the hits."""
        return cut_patches(self.units, self.row[hits], self.pixel[hits])


@dataclass(frozen=True)
class PlaneRequest:
    """One drift volume's image of a plane, and its hits: what a plane request sends.

    Attributes:
        image: (wires, drift pixels) in network units.
        hit: (N, 2) wire and drift pixel of each hit.
        rows: (N,) which of the plane's hits they are.
    """

    image: NDArray[np.float32]
    hit: NDArray[np.int32]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class PlaneHits:
    """One plane of one event.

    Attributes:
        event_id: (run, subrun, event number).
        plane: U, V or W.
        image: (drift volume, wire, drift pixel) stored pixels.
        hits: (H,) of lartpc.event.HIT_DTYPE, of this plane alone; where empty pixels were asked for they
            follow, as hits of none.
        is_hit: (H,) False where it is an empty pixel.
        number: (H,) index among the event's hits of all planes; empty pixels follow those.
        stored: what has been done to the pixels already.
        where: file, event and plane, for messages.
    """

    event_id: tuple[int, int, int]
    plane: str
    image: NDArray[np.float16]
    hits: NDArray[np.void]
    is_hit: NDArray[np.bool_]
    number: NDArray[np.int64]
    stored: StoredPixels = StoredPixels()
    where: str = field(default="", compare=False)

    @classmethod
    def read(cls, events: EventFile, index: int, plane_name: str, empty_pixels: bool = False) -> "PlaneHits":
        """Read a plane of the event at ``index``; it may have no hits.

        Raises:
            UserError: the file has no such event or plane.
        """
        if not 0 <= index < len(events):
            raise UserError(f"{events.path} has events 0 to {len(events) - 1}, no event {index}")
        plane_number(events, plane_name)
        return cls._of(events, index, plane_name, hits_of_event(events, index, empty_pixels))

    @classmethod
    def of_event(cls, events: EventFile, index: int, empty_pixels: bool = False) -> Iterator["PlaneHits"]:
        """Every plane of an event."""
        table = hits_of_event(events, index, empty_pixels)
        for plane_name in events.planes:
            yield cls._of(events, index, plane_name, table)

    @classmethod
    def _of(
        cls, events: EventFile, index: int, plane_name: str, table: tuple[NDArray[np.void], NDArray[np.bool_]]
    ) -> "PlaneHits":
        hits, is_hit = table
        number = np.flatnonzero(hits["local_plane"] == plane_number(events, plane_name))
        image, where = events.image(index, plane_name), f"{events.path}, event {index}, plane {plane_name}"
        if len(number) and hits["tpc"][number].max() >= len(image):
            raise UserError(
                f"{where}: a hit lies in drift volume {hits['tpc'][number].max()} of {len(image)}; "
                "generate the file anew"
            )
        run, subrun, event_number = (int(part) for part in events.event_ids[index])
        return cls(
            event_id=(run, subrun, event_number),
            plane=plane_name,
            image=image,
            hits=hits[number],
            is_hit=is_hit[number],
            number=number,
            stored=events.stored,
            where=where,
        )

    def canvas(self, scale: AdcScale, clipped: bool = True) -> Canvas:
        """The plane in network units, with the places of its hits.

        Args:
            scale: the ADC window of the network units.
            clipped: whether it is clipped to the window, as the network takes it.

        Raises:
            UserError: a hit lies outside the plane, a pixel is not finite, or the pixels do not reach as far
                as the scale.
        """
        row, pixel = locate_hits(self.hits, self.image.shape, self.where)
        volumes, position = np.unique(self.hits["tpc"], return_inverse=True)
        margin = self.image.shape[1] + PATCH_SIZE
        units = pad_planes(self._units(volumes, scale, clipped))
        return Canvas(units, row + (position - self.hits["tpc"]) * margin, pixel)

    def _units(
        self, volumes: NDArray[np.integer], scale: AdcScale, clipped: bool = True
    ) -> NDArray[np.float32]:
        """(volumes, wires, drift pixels) images of some drift volumes in network units."""
        image = self.image[volumes]
        if not np.isfinite(image).all():
            raise UserError(f"{self.where}: its image holds NaN or infinity; generate the file anew")
        return network_units(image, self.plane, scale, stored=self.stored, clipped=clipped)

    def requests(self, scale: AdcScale) -> Iterator[PlaneRequest]:
        """A plane request of each drift volume that has hits.

        Raises:
            UserError: see :meth:`canvas`.
        """
        _, pixel = locate_hits(self.hits, self.image.shape, self.where)
        place = np.column_stack([self.hits["local_wire"], pixel])
        for volume in np.unique(self.hits["tpc"]):
            rows = np.flatnonzero(self.hits["tpc"] == volume)
            (image,) = self._units(np.array([volume]), scale)
            yield PlaneRequest(image, place[rows].astype(np.int32), rows)

    def patches(self, scale: AdcScale, at_once: int = HITS_PER_CUT) -> Iterator[NDArray[np.float32]]:
        """(n, 48, 48, 1) patches in network units, in the order of the hits, so many at a time.

        Raises:
            UserError: see :meth:`canvas`.
        """
        canvas = self.canvas(scale)
        for first in range(0, len(self.hits), at_once):
            yield canvas.patches(slice(first, first + at_once))


def plane_number(events: EventFile, plane_name: str) -> int:
    """Number of a plane, as the hits have it.

    Raises:
        UserError: the file has no such plane.
    """
    if plane_name not in events.planes:
        raise UserError(f"{events.path} has the planes {', '.join(events.planes)}, no plane {plane_name!r}")
    return plane(plane_name).index


def hits_of_event(
    events: EventFile, index: int, empty_pixels: bool = False
) -> tuple[NDArray[np.void], NDArray[np.bool_]]:
    """Hits of an event, then its empty pixels as hits of none where wanted; and which are hits."""
    hits = events.hits(index)
    if not empty_pixels:
        return hits, np.ones(len(hits), bool)
    empty = events.empty_pixels(index)
    as_hits = np.zeros(len(empty), HIT_DTYPE)
    for name in empty.dtype.names or ():
        as_hits[name] = empty[name]
    as_hits["label"] = Label.NONE
    return np.concatenate([hits, as_hits]), np.repeat([True, False], [len(hits), len(empty)])
