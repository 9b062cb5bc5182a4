"""From stored pixels to network units: calibration, lifetime correction, clipping, scale.

This is larreco's DataProviderAlg: the mean over 6 ticks of ADC x lifetime correction, times
the plane's calibration, clipped to [AdcMin, AdcMax] and mapped so that 0 stays 0.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lartpc.detector import ELECTRON_LIFETIME_US, PIXEL_TICKS, TICK_US, TRIGGER_TICK
from lartpc.errors import UserError

CALIBRATION = {"U": 1.2e-3 / 0.9033e-3, "V": 1.2e-3 / 1.0287e-3, "W": 1.2e-3 / 0.8800e-3}
"""1.2e-3 / CalAmpConstants of each plane (calorimetry_dune10kt.fcl): 1.3285, 1.1665, 1.3636."""


@dataclass(frozen=True)
class AdcScale:
    """The ADC window of one era of the experiment's configuration.

    Attributes:
        era: the name recorded in data, checkpoints and models.
        adc_min: lower clip, in calibrated ADC.
        adc_max: upper clip, in calibrated ADC.
        gain: network units per calibrated ADC.
    """

    era: str
    adc_min: float
    adc_max: float
    gain: float


ADC_SCALES = {
    scale.era: scale
    for scale in (
        AdcScale("2021", -10.0, 30.0, 0.5),  # dunesw since 2021-02: [-10, 30] -> [-5, 15]
        AdcScale("2020", -50.0, 150.0, 0.1),  # the paper's era: [-50, 150] -> [-5, 15]
    )
}
DEFAULT_ERA = "2021"

LEAST_UNIT, MOST_UNIT = -5.0, 15.0
"""Network units of every era lie between them."""


def adc_scale(era: str) -> AdcScale:
    """The ADC scale of an era.

    Raises:
        UserError: there is no such era.
    """
    try:
        return ADC_SCALES[era]
    except KeyError:
        raise UserError(f"no ADC scale is called {era!r}; there are {', '.join(ADC_SCALES)}") from None


@dataclass(frozen=True)
class StoredPixels:
    """What has happened already to the pixels of an event file.

    Attributes:
        calibrated: plane calibration and lifetime correction are in them; so it is in LArSoft's dumps.
        lowest: values below were clipped to it.
        highest: values above were clipped to it.
    """

    calibrated: bool = False
    lowest: float = -math.inf
    highest: float = math.inf

    def to_attributes(self) -> dict[str, Any]:
        """As HDF5 attributes."""
        return asdict(self)

    @classmethod
    def from_attributes(cls, attributes: Any) -> Self:
        """From what :meth:`to_attributes` gave; raises KeyError where one is missing."""
        lowest, highest = float(attributes["lowest"]), float(attributes["highest"])
        return cls(bool(attributes["calibrated"]), lowest, highest)

    def allows(self, scale: AdcScale) -> bool:
        """Whether the clipped window reaches as far as the scale's: what was clipped cannot come back."""
        return self.lowest <= scale.adc_min and scale.adc_max <= self.highest


def network_units(
    pixels: NDArray[np.floating],
    plane: str,
    scale: AdcScale,
    lifetime_us: float = ELECTRON_LIFETIME_US,
    stored: StoredPixels = StoredPixels(),
    clipped: bool = True,
) -> NDArray[np.float32]:
    """Apply calibration, lifetime correction and scale to stored pixels.

    Args:
        pixels: (..., drift pixel) mean deconvolved ADC over 6 ticks; exactly 0 outside regions of interest.
        plane: U, V or W, for the calibration.
        scale: the ADC window of an era.
        lifetime_us: electron lifetime used for the correction, in us. The correction is taken at
            the pixel's centre; over 6 ticks it varies by less than 1e-4.
        stored: what has been applied before.
        clipped: whether to clip to the scale's window, as the network takes the pixels; otherwise all that
            is stored is kept, for variations that change the charge before they clip.

    Returns:
        The same shape in float32, within [-5, 15] where clipped; 0 stays 0.

    Raises:
        UserError: the pixels were clipped to a narrower window than the scale's.
    """
    if not stored.allows(scale):
        raise UserError(
            f"the pixels were clipped to [{stored.lowest:g}, {stored.highest:g}] ADC earlier; "
            f"era {scale.era}, [{scale.adc_min:g}, {scale.adc_max:g}], needs more: name another era"
        )
    calibrated = pixels.astype(np.float32)
    if not stored.calibrated:
        centre = (np.arange(pixels.shape[-1]) + 0.5) * PIXEL_TICKS - TRIGGER_TICK
        calibrated *= (CALIBRATION[plane] * np.exp(centre * TICK_US / lifetime_us)).astype(np.float32)
    if clipped:
        calibrated = np.clip(calibrated, scale.adc_min, scale.adc_max)
    return calibrated * np.float32(scale.gain)
