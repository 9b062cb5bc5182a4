"""Events from dumped planes, as text or ROOT files hold them: pixels, deposits and PDG codes of a wire plane.

A dump holds no hits: a pixel with a deposit becomes one. See data_gen.larsoft.dump_labels for which.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_gen.larsoft.dump_labels import PDG_MASK, Selection, choose, labels
from data_gen.larsoft.dump_scale import DECONVOLVED, LEAST_SIGNAL, DumpScale, Where, require
from lartpc.detector import DRIFT_PIXELS, PIXEL_TICKS, PLANES, READOUT_TICKS, Plane
from lartpc.errors import UserError
from lartpc.event import EMPTY_DTYPE, HIT_DTYPE, PARTICLE_DTYPE, Event
from lartpc.served.contract import Label

_NAME = re.compile(r"(?:raw_)?event_(\d+)_run_(\d+)_subrun_(\d+)_tpc_(\d+)_view_(\d+)")
_LARGEST_TPC = 255  # the event file's column is one byte
_MEV_PER_GEV = 1000.0


class PlaneKey(NamedTuple):
    """Which plane of which event; ordered by event."""

    run: int
    subrun: int
    event: int
    tpc: int
    view: int

    @classmethod
    def parse(cls, name: str, where: str) -> "PlaneKey":
        """The key in a name that LArSoft's PointIdTrainingData gives.

        Args:
            name: ``raw_event_{E}_run_{R}_subrun_{S}_tpc_{T}_view_{V}``.
            where: for the message.

        Raises:
            UserError: the name is another, or names a plane that the event file cannot hold.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise UserError(f"{where} is not called raw_event_E_run_R_subrun_S_tpc_T_view_V")
        event, run, subrun, tpc, view = map(int, match.groups())
        if view >= len(PLANES):
            raise UserError(f"{where}: view {view} is none of 0 (U), 1 (V), 2 (W)")
        if tpc > _LARGEST_TPC or max(run, subrun, event) > np.iinfo(np.int32).max:
            raise UserError(
                f"{where}: its number of TPC, run, subrun or event is beyond the event file's columns"
            )
        return cls(run, subrun, event, tpc, view)


@dataclass(frozen=True)
class DumpedPlane:
    """One plane as it was dumped.

    Attributes:
        name: file or histogram of its pixels.
        raw: (wires, columns) pixels in the dump's unit.
        deposit: the same shape: largest deposit, in GeV.
        pdg: the same shape: code and flags of the particle that made it.
        where: file and place of a value of raw, deposit and pdg, by its index.
        first_wire: wire of the first row.
        first_column: tick or drift pixel of the first column.
    """

    name: str
    raw: NDArray[np.floating]
    deposit: NDArray[np.floating]
    pdg: NDArray[np.int64]
    where: tuple[Where, Where, Where]
    first_wire: int = 0
    first_column: int = 0


ReadPlane = Callable[[], DumpedPlane]
"""Reads a plane when it is wanted."""


@dataclass(frozen=True)
class PlaneEvents:
    """The events of a dump of planes; iterates over them.

    Args:
        found: how to read each plane.
        scale: of the pixels.
        ticks_per_column: 6 where a column is a drift pixel, 1 where it is a tick.
        selection: which pixels to take.

    Raises:
        UserError: single ticks of another scale than deconvolved; while iterating, a plane cannot be read, is
            larger than ProtoDUNE-SP's, or holds values that cannot be.
    """

    found: Mapping[PlaneKey, ReadPlane]
    scale: DumpScale
    ticks_per_column: int
    selection: Selection

    def __post_init__(self) -> None:
        if self.ticks_per_column == 1 and self.scale.name != DECONVOLVED:
            raise UserError(
                f"--ticks-per-column 1 with --adc-scale {self.scale.name}: LArSoft neither calibrates nor "
                f"scales what it does not downscale; name --adc-scale {DECONVOLVED}"
            )

    @property
    def planes(self) -> tuple[str, ...]:
        """Names of the planes that some event has."""
        return tuple(sorted({PLANES[key.view].name for key in self.found}))

    def samples(self) -> NDArray[np.void]:
        """The sample table."""
        return self.selection.samples()

    def __len__(self) -> int:
        return len({key[:3] for key in self.found})

    def __iter__(self) -> Iterator[Event]:
        for event_id, keys in groupby(sorted(self.found), key=lambda key: key[:3]):
            yield self._event(event_id, list(keys))

    def _event(self, event_id: tuple[int, int, int], keys: list[PlaneKey]) -> Event:
        volumes = max(key.tpc for key in keys) + 1
        images = {
            plane.name: np.zeros((volumes, plane.wires, DRIFT_PIXELS), np.float16)
            for plane in PLANES
            if plane.name in self.planes
        }
        hits, empty = [], []
        for key in keys:
            plane = PLANES[key.view]
            dumped = in_drift_pixels(self.found[key](), self.ticks_per_column)
            adc = self._checked(dumped, plane)
            wires, pixels = adc.shape
            wire, pixel = dumped.first_wire, dumped.first_column
            images[plane.name][key.tpc, wire : wire + wires, pixel : pixel + pixels] = adc
            of_plane = self._chosen(key, adc, dumped)
            hits.append(of_plane[0])
            empty.append(of_plane[1])
        hit = np.concatenate(hits)
        hit["hit_id"] = np.arange(len(hit))
        return Event(event_id, images, hit, np.zeros(0, PARTICLE_DTYPE), np.concatenate(empty))

    def _checked(self, dumped: DumpedPlane, plane: Plane) -> NDArray[np.float32]:
        of_raw, of_deposit, _ = dumped.where
        wires, pixels = dumped.raw.shape
        if dumped.first_wire + wires > plane.wires or dumped.first_column + pixels > DRIFT_PIXELS:
            raise UserError(
                f"{dumped.name}: {wires} wires x {pixels} pixels do not fit plane {plane.name} of "
                f"ProtoDUNE-SP, {plane.wires} x {DRIFT_PIXELS}"
            )
        require(
            np.isfinite(dumped.deposit) & (dumped.deposit >= 0.0), dumped.deposit, of_deposit, "is no deposit"
        )
        return self.scale.adc(dumped.raw, of_raw)

    def _chosen(
        self, key: PlaneKey, adc: NDArray[np.float32], dumped: DumpedPlane
    ) -> tuple[NDArray[np.void], NDArray[np.void]]:
        random = np.random.default_rng((self.selection.seed, *key))
        visible = adc * self.scale.gain >= LEAST_SIGNAL
        chosen = choose(visible, dumped.deposit, dumped.pdg, self.selection, random)
        hits = np.zeros(len(chosen.hits), HIT_DTYPE)
        empty = np.zeros(len(chosen.empty), EMPTY_DTYPE)
        for rows, places in ((hits, chosen.hits), (empty, chosen.empty)):
            rows["tpc"], rows["local_plane"] = key.tpc, key.view
            rows["local_wire"] = dumped.first_wire + places[:, 0]
            rows["local_time"] = (dumped.first_column + places[:, 1] + 0.5) * PIXEL_TICKS
        at = tuple(chosen.hits.T)
        hits["sample"] = chosen.sample
        hits["label"], hits["michel"] = labels(dumped.deposit[at], dumped.pdg[at])
        hits["g4_id"] = -1
        hits["amplitude"] = adc[at]
        hits["integral"] = adc[at] * PIXEL_TICKS
        hits["rms"] = PIXEL_TICKS / math.sqrt(12.0)
        energy = dumped.deposit[at] * _MEV_PER_GEV
        michel, track = hits["michel"] == 1, hits["label"] == Label.TRACK
        hits["energy_track"] = np.where(track, energy, 0.0)
        hits["energy_michel"] = np.where(michel, energy, 0.0)
        hits["energy_shower"] = np.where(~track & ~michel, energy, 0.0)
        return hits, empty


def in_drift_pixels(dumped: DumpedPlane, ticks_per_column: int) -> DumpedPlane:
    """The plane with one column a drift pixel.

    Of single ticks a pixel is the mean, as DataProviderAlg takes it; its deposit is the largest of a tick
    and its PDG code that tick's, with the flags of all (TrainingDataAlg::setWireEdepsAndLabels). Pixels of
    which a tick was not dumped are left out.

    Args:
        dumped: the plane.
        ticks_per_column: 6, the columns are drift pixels already, or 1.

    Raises:
        UserError: more columns than a readout has.
    """
    columns = dumped.raw.shape[1]
    of_raw, of_deposit, of_pdg = dumped.where
    most = READOUT_TICKS // ticks_per_column
    if dumped.first_column + columns > most:
        end = "; name --ticks-per-column 1" if columns > DRIFT_PIXELS and ticks_per_column > 1 else ""
        raise UserError(f"{dumped.name}: {columns} columns are more than the {most} of a readout{end}")
    if ticks_per_column == PIXEL_TICKS:
        return dumped
    require(np.isfinite(dumped.raw), dumped.raw, of_raw, "is no finite number")
    require(np.isfinite(dumped.deposit), dumped.deposit, of_deposit, "is no deposit")
    skipped = -dumped.first_column % PIXEL_TICKS
    pixels = max(columns - skipped, 0) // PIXEL_TICKS
    if pixels == 0:
        raise UserError(f"{dumped.name}: {columns} ticks hold no whole drift pixel of {PIXEL_TICKS}")
    whole = slice(skipped, skipped + pixels * PIXEL_TICKS)
    ticks = (len(dumped.raw), pixels, PIXEL_TICKS)
    deposit = dumped.deposit[:, whole].reshape(ticks)
    pdg = dumped.pdg[:, whole].reshape(ticks)
    largest = deposit.argmax(axis=2)[..., None]
    code = np.take_along_axis(pdg, largest, axis=2)[..., 0] & PDG_MASK
    return replace(
        dumped,
        raw=dumped.raw[:, whole].reshape(ticks).mean(axis=2),
        deposit=deposit.max(axis=2),
        pdg=code | np.bitwise_or.reduce(pdg & ~PDG_MASK, axis=2),
        where=(_of_tick(of_raw, skipped), _of_tick(of_deposit, skipped), _of_tick(of_pdg, skipped)),
        first_column=(dumped.first_column + skipped) // PIXEL_TICKS,
    )


def _of_tick(where: Where, skipped: int) -> Where:
    return lambda index: where((index[0], skipped + index[1] * PIXEL_TICKS))
