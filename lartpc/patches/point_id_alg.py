"""The patches of a LArSoft job, bit for bit: larreco's DataProviderAlg and larrecodnn's IPointIdAlg.

Deconvolved waveforms become pixels of 6 ticks, calibrated, clipped and mapped to network units, in single
precision and in the order of the C++ (larreco: RecoAlg/ImagePatternAlgs/DataProvider/DataProviderAlg.cxx;
larrecodnn: ImagePatternAlgs/ToolInterfaces/IPointIdAlg.h). What is served and trained here goes the shorter
way of :mod:`lartpc.adc_scale` and :mod:`lartpc.patches.cut`; this one is to compare with.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from lartpc.adc_scale import CALIBRATION, LEAST_UNIT, MOST_UNIT, adc_scale
from lartpc.detector import ELECTRON_LIFETIME_US, PIXEL_TICKS, TICK_US, TRIGGER_TICK
from lartpc.patches.cut import HALF
from lartpc.served.contract import PATCH_SIZE

Waveforms = NDArray[np.float32]
"""(wires, ticks) deconvolved ADC of a plane of one drift volume; exactly 0 outside regions of interest."""

HALF_TICKS = HALF * PIXEL_TICKS
PATCH_TICKS = PATCH_SIZE * PIXEL_TICKS
FIDUCIAL_MARGIN = PATCH_SIZE // 8
"""Pixels from a plane's edge within which a hit does not count for its cluster (isInsideFiducialRegion)."""

AT_ONCE = 256
"""Hits of which single ticks are held in memory at once."""


@dataclass(frozen=True)
class PointIdSettings:
    """What a job's configuration says of its patches, under the names of its FHiCL parameters.

    Attributes:
        adc_min: AdcMin, in calibrated ADC.
        adc_max: AdcMax.
        out_min: OutMin, in network units.
        out_max: OutMax.
        downscale: DownscaleFn: the mean of a pixel's ticks, the largest, or the mean of three around the
            largest.
        full_view: DownscaleFullView: pixels begin at multiples of 6 ticks, or at the hit's own tick.
        off_centre: without full_view, a patch that would begin before tick 0 begins there, and its hit is not
            in its middle, as in the C++. Otherwise what lies before tick 0 is empty.
        calibrate_amplitude: CalibrateAmpl.
        calibrate_lifetime: CalibrateLifetime.
        lifetime_us: electron lifetime of the detector's properties, in us.
    """

    adc_min: float
    adc_max: float
    out_min: float = LEAST_UNIT
    out_max: float = MOST_UNIT
    downscale: Literal["mean", "maxpool", "maxmean"] = "mean"
    full_view: bool = True
    off_centre: bool = True
    calibrate_amplitude: bool = True
    calibrate_lifetime: bool = True
    lifetime_us: float = ELECTRON_LIFETIME_US

    @classmethod
    def of_era(cls, era: str) -> Self:
        """The settings of dunesw in an era: since 2021 of the full view, before from single ticks.

        Raises:
            UserError: there is no such era.
        """
        scale = adc_scale(era)
        return cls(scale.adc_min, scale.adc_max, full_view=era != "2020")

    def centred(self) -> Self:
        """The same with each hit in the middle of its patch."""
        return replace(self, off_centre=False)

    @property
    def gain(self) -> np.float32:
        """Network units per calibrated ADC."""
        window = np.float32(self.adc_max) - np.float32(self.adc_min)
        return np.float32((np.float32(self.out_max) - np.float32(self.out_min)) / window)

    @property
    def zero_level(self) -> np.float32:
        """What no signal is in network units."""
        return np.float32(np.float32(self.out_min) + self.gain * -np.float32(self.adc_min))

    def scaled(self, values: NDArray[np.float32], plane: str) -> NDArray[np.float32]:
        """Calibrate, clip and map (scaleAdcSamples)."""
        calibration = CALIBRATION[plane] if self.calibrate_amplitude else 1.0
        lowest, highest = np.float32(self.adc_min), np.float32(self.adc_max)
        clipped = np.clip(values * np.float32(calibration), lowest, highest)
        return np.float32(self.out_min) + self.gain * (clipped - lowest)

    def lifetime_factors(self, ticks: int) -> NDArray[np.float32]:
        """(ticks,) correction of each tick (CalorimetryAlg::LifetimeCorrection, exponential form)."""
        if not self.calibrate_lifetime:
            return np.ones(ticks, np.float32)
        drift_us = ((tick - TRIGGER_TICK) * TICK_US for tick in range(ticks))
        return np.array([math.exp(time / self.lifetime_us) for time in drift_us], np.float32)


class PointIdPlane:
    """A plane as a job holds it, and the patches that it cuts.

    Args:
        waveforms: of the plane, over the whole readout.
        plane: U, V or W, for the calibration.
        settings: of the job.

    Attributes:
        image: (wires, drift pixels) in network units, where the settings are of the full view.
    """

    def __init__(self, waveforms: Waveforms, plane: str, settings: PointIdSettings) -> None:
        self.settings, self._plane = settings, plane
        self.wires, ticks = waveforms.shape
        self.pixels = ticks // PIXEL_TICKS
        factors = settings.lifetime_factors(ticks)
        if settings.full_view:
            corrected = waveforms.astype(np.float32) * factors
            self.image = settings.scaled(downscaled(corrected, self.pixels, settings.downscale), plane)
            self._padded = np.pad(self.image, HALF, constant_values=settings.zero_level)
        else:
            margin = (HALF_TICKS, PATCH_TICKS)
            level = settings.zero_level  # of network units, and the C++ puts it among the ADC
            self._ticks = np.pad(waveforms.astype(np.float32), ((HALF, HALF), margin), constant_values=level)
            self._factors = np.pad(factors, margin)

    def patches(self, wire: NDArray[np.integer], tick: NDArray[np.floating]) -> NDArray[np.float32]:
        """(N, 48, 48) patches, [wire, drift pixel], of hits at (N,) wires and peak times in ticks.

        A hit that follows another in the same pixel gets its patch, where the C++ leaves it empty.
        """
        wire, tick = np.asarray(wire, np.int64), np.asarray(tick, np.float32)
        if self.settings.full_view:
            windows = np.lib.stride_tricks.sliding_window_view(self._padded, (PATCH_SIZE, PATCH_SIZE))
            return windows[wire, (tick / np.float32(PIXEL_TICKS)).astype(np.int64)]
        parts = [
            self._of_ticks(wire[first : first + AT_ONCE], tick[first : first + AT_ONCE].astype(np.int64))
            for first in range(0, len(wire), AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.empty((0, PATCH_SIZE, PATCH_SIZE), np.float32)

    def is_fiducial(self, wire: NDArray[np.integer], tick: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(N,) whether a hit lies 6 pixels or more from each edge of the plane."""
        pixel = (np.asarray(tick, np.float32) / np.float32(PIXEL_TICKS)).astype(np.int64)
        inside = np.ones(len(pixel), bool)
        for place, size in ((np.asarray(wire, np.int64), self.wires), (pixel, self.pixels)):
            inside &= (place >= FIDUCIAL_MARGIN) & (place < size - FIDUCIAL_MARGIN)
        return inside

    def _of_ticks(self, wire: NDArray[np.integer], tick: NDArray[np.integer]) -> NDArray[np.float32]:
        """Patches that begin 144 ticks before their hits (patchFromOriginalView)."""
        settings = self.settings
        begin = tick - HALF_TICKS
        first = np.maximum(begin, 0) if settings.off_centre else begin
        column = np.arange(PATCH_TICKS)
        at = first[:, None, None] + column + HALF_TICKS
        row = wire[:, None, None] + np.arange(PATCH_SIZE)[None, :, None]
        adc = self._ticks[row, at]
        # what the C++ leaves behind the end of its buffer: 0 at first, the zero level after a wire outside
        outside_yet = (wire < HALF)[:, None, None] | (row >= HALF + self.wires)
        behind = np.where(outside_yet, settings.zero_level, np.float32(0))
        adc = np.where(column < (begin + PATCH_TICKS - first)[:, None, None], adc, behind)
        corrected = adc * self._factors[at]
        return settings.scaled(downscaled(corrected, PATCH_SIZE, settings.downscale), self._plane)


def downscaled(
    corrected: NDArray[np.float32], pixels: int, how: Literal["mean", "maxpool", "maxmean"]
) -> NDArray[np.float32]:
    """(..., pixels) of (..., ticks) corrected for lifetime (downscaleMean, -Max, -MaxMean)."""
    ticks = corrected[..., : pixels * PIXEL_TICKS].reshape(*corrected.shape[:-1], pixels, PIXEL_TICKS)
    if how == "maxpool":
        return ticks.max(axis=-1)
    if how == "mean":
        total = np.zeros(ticks.shape[:-1], np.float32)
        for tick in range(PIXEL_TICKS):  # one after the other: the order decides the last bit
            total += ticks[..., tick]
        return total * np.float32(1.0 / PIXEL_TICKS)
    largest = ticks.argmax(axis=-1) + np.arange(pixels) * PIXEL_TICKS
    total, number = ticks.max(axis=-1), np.ones(largest.shape, np.float32)
    for neighbour in (largest - 1, largest + 1):
        there = (neighbour >= 0) & (neighbour < corrected.shape[-1])
        value = np.take_along_axis(corrected, np.clip(neighbour, 0, corrected.shape[-1] - 1), axis=-1)
        total = np.where(there, total + value, total)
        number += there
    return total / number
