"""The unit of the pixels in a dump of LArSoft, and its way back to ADC.

LArSoft's DataProviderAlg clips a calibrated pixel to [AdcMin, AdcMax] and maps that window to
[OutMin, OutMax] (larreco: DataProviderAlg.cxx, scaleAdcSample). No dump says which window it used.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lartpc.adc_scale import ADC_SCALES, DEFAULT_ERA, StoredPixels, adc_scale
from lartpc.errors import UserError

DECONVOLVED = "deconvolved"
TOLERANCE = 1e-3
"""How far a value may lie outside [OutMin, OutMax]: text dumps hold six digits."""

LEAST_SIGNAL = 0.01
"""Least value above the zero level, in the dump's unit, of a pixel that holds a signal (is_raw_zero of
upstream's prepare_patches_em-trk-michel-none.py)."""

_SNAP = 1e-5  # of the window: within it a value is the zero level, which text dumps round
_FLOAT16_MAX = float(np.finfo(np.float16).max)

Where = Callable[[tuple[int, ...]], str]
"""File and place of one value, by its index."""


def require(good: NDArray[np.bool_], values: NDArray, where: Where, problem: str) -> None:
    """Refuse the first value that is not good.

    Raises:
        UserError: naming the value, its place and the problem.
    """
    if not good.all():
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        raise UserError(f"{where(index)}: {values[index]:g} {problem}")


@dataclass(frozen=True)
class DumpScale:
    """What a dump's pixels mean.

    Attributes:
        name: as the user gave it; recorded.
        calibrated: plane calibration and lifetime correction are in the pixels.
        lowest: AdcMin, in ADC; what lay below was clipped.
        highest: AdcMax, in ADC.
        out_lowest: OutMin, the dump's value at ``lowest``.
        out_highest: OutMax.
    """

    name: str
    calibrated: bool = False
    lowest: float = -math.inf
    highest: float = math.inf
    out_lowest: float = -math.inf
    out_highest: float = math.inf

    @classmethod
    def parse(cls, text: str) -> "DumpScale":
        """The scale that a user names.

        Args:
            text: ``deconvolved``; an era of :data:`lartpc.adc_scale.ADC_SCALES`; or
                AdcMin,AdcMax,OutMin,OutMax and, where calibration and lifetime correction were on,
                ``,calibrated``.

        Raises:
            UserError: it is none of these, or the window is empty or without 0.
        """
        if text == DECONVOLVED:
            return cls(text)
        if text in ADC_SCALES:
            era = adc_scale(text)
            return cls(text, True, era.adc_min, era.adc_max, era.adc_min * era.gain, era.adc_max * era.gain)
        *numbers, last = text.split(",")
        calibrated = last.strip() == "calibrated"
        try:
            window = [float(number) for number in (numbers if calibrated else [*numbers, last])]
            lowest, highest, out_lowest, out_highest = window
        except ValueError:
            raise UserError(
                f"--adc-scale {text} is not {DECONVOLVED}, {', '.join(ADC_SCALES)} "
                "or ADCMIN,ADCMAX,OUTMIN,OUTMAX[,calibrated]"
            ) from None
        if not (all(map(math.isfinite, window)) and lowest <= 0.0 <= highest and out_lowest < out_highest):
            raise UserError(f"--adc-scale {text}: the ADC window must hold 0 and OUTMIN lie below OUTMAX")
        if lowest == highest:
            raise UserError(f"--adc-scale {text}: the ADC window is empty")
        return cls(text, calibrated, lowest, highest, out_lowest, out_highest)

    @property
    def gain(self) -> float:
        """Units of the dump per ADC."""
        if math.isinf(self.highest):
            return 1.0
        return (self.out_highest - self.out_lowest) / (self.highest - self.lowest)

    def stored(self, accept_clipped: bool = False) -> StoredPixels:
        """What has been done to the pixels, for the event file.

        Args:
            accept_clipped: claim the window of the default era where the dump's is narrower.

        Raises:
            UserError: the dump's window is narrower than every era's, and that is not accepted.
        """
        stored = StoredPixels(self.calibrated, self.lowest, self.highest)
        if any(stored.allows(scale) for scale in ADC_SCALES.values()):
            return stored
        era = adc_scale(DEFAULT_ERA)
        if not accept_clipped:
            raise UserError(
                f"the dump's pixels were clipped to [{self.lowest:g}, {self.highest:g}] ADC and era "
                f"{era.era} needs [{era.adc_min:g}, {era.adc_max:g}]: what was clipped is lost; dump again "
                "with a wider window, or add --accept-clipped to go without"
            )
        return replace(stored, lowest=min(self.lowest, era.adc_min), highest=max(self.highest, era.adc_max))

    def adc(self, values: NDArray[np.floating], where: Where) -> NDArray[np.float32]:
        """Undo the map of the window.

        Half precision, in which the event file holds pixels, rounds by less than 5e-4 of the window.

        Args:
            values: of the dump, of any shape.
            where: for the message.

        Returns:
            The same shape: ADC, calibrated if the dump is; exactly 0 at the zero level.

        Raises:
            UserError: a value is not finite, or outside [OutMin, OutMax], or too large for half precision.
        """
        require(np.isfinite(values), values, where, "is no finite number")
        if math.isinf(self.highest):
            require(np.abs(values) <= _FLOAT16_MAX, values, where, "is beyond any ADC")
            return values.astype(np.float32)
        require(
            (values >= self.out_lowest - TOLERANCE) & (values <= self.out_highest + TOLERANCE),
            values,
            where,
            f"lies outside [{self.out_lowest:g}, {self.out_highest:g}] of --adc-scale {self.name}: "
            "name the dump's own scale",
        )
        zero = self.out_lowest - self.lowest * self.gain
        adc = (values.astype(np.float64) - zero) / self.gain
        adc[np.abs(adc) <= _SNAP * (self.highest - self.lowest)] = 0.0
        return np.clip(adc, self.lowest, self.highest).astype(np.float32)
