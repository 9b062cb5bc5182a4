"""Deconvolved waveforms: what charge and noise look like after the signal processing.

Model. The raw waveform of a wire is its charge convolved with the response of the cold electronics
(14 mV/fC, 2.2 us shaping; 41.649 ADC ticks for 1000 electrons) plus white noise. Deconvolution divides the
spectrum by that response and multiplies it by a Gaussian low-pass filter of 0.12 MHz (Gaus_wide of WireCell's
ProtoDUNE-SP configuration). So charge appears as a Gaussian of 1.33 us (2.65 ticks), in thousands of
electrons a tick, and white noise as noise with the spectrum filter / response. The wires' field response is
taken as instantaneous on all planes, so U and V are unipolar as well.

White raw noise of 2.5 ADC RMS becomes deconvolved noise of 0.0257 ke/tick RMS (:func:`noise_rms`). A
minimum-ionising particle along the beam gives 30 ke a collection wire, at most 4.5 ke/tick.
"""

import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from data_gen.compiled import compiled
from data_gen.response.drift import Arrivals
from lartpc.detector import PIXEL_TICKS, READOUT_TICKS, TICK_US, Plane

FILTER_MHZ = 0.12
FILTER_TICKS = 1.0 / (2.0 * math.pi * FILTER_MHZ) / TICK_US
"""Standard deviation of the filter in time: 2.65 ticks."""
ADC_TICKS_PER_KE = 41.649
SHAPING_US = 2.2

COHERENT_CHANNELS = 32
"""Neighbouring channels that share coherent noise (larreco, DataProviderAlg)."""

TRUTH_DTYPE = np.dtype(
    [("channel", "i4"), ("wire", "i4"), ("tick", "f4"), ("energy", "f4"), ("deposit", "i4"), ("g4_id", "i4")]
)
"""Energy in MeV deposited in front of a wire, before diffusion along the drift and shaping."""

_SPREADS = 3.0
"""Standard deviations of transverse diffusion that are followed."""
_NOISE_MHZ = 5.0 * FILTER_MHZ
"""Above this the filter has fallen to 4e-6."""


def electronics_response(megahertz: NDArray[np.float64]) -> NDArray[np.complexfloating]:
    """Transfer function of the cold electronics (LArASIC), 1 at frequency 0.

    Laplace transform of its response to an impulse, a sum of damped oscillations in t / shaping time
    (WireCell toolkit, util/src/Response.cxx, ColdElec).
    """

    def transform(s: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
        first = (s + 2.82833) ** 2 + 1.19361**2
        second = (s + 2.40318) ** 2 + 2.5928**2
        return (
            4.31054 / (s + 2.94809)
            + (-5.2404 * (s + 2.82833) + 1.524912 * 1.19361) / first
            + (0.929848 * (s + 2.40318) - 0.655368 * 2.5928) / second
        )

    return transform(2j * np.pi * megahertz * SHAPING_US) / transform(np.zeros(1, complex))


def _noise_spectrum() -> NDArray[np.float64]:
    """Deconvolved noise for raw white noise of 1 ADC RMS: ke/tick RMS of each of the real Fourier modes."""
    megahertz = scipy.fft.rfftfreq(READOUT_TICKS, TICK_US)
    megahertz = megahertz[megahertz < _NOISE_MHZ]
    gain = np.exp(-0.5 * (megahertz / FILTER_MHZ) ** 2) / np.abs(electronics_response(megahertz))
    return gain / ADC_TICKS_PER_KE


_SPECTRUM = _noise_spectrum()


def noise_rms(raw_noise: float) -> float:
    """RMS of the deconvolved noise in ke/tick for white raw noise of this RMS in ADC."""
    power = _SPECTRUM[0] ** 2 + 2.0 * np.sum(_SPECTRUM[1:] ** 2)
    return raw_noise * math.sqrt(power / READOUT_TICKS)


def noise(channels: int, raw_noise: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """(channels, 6000) deconvolved noise in ke/tick for white raw noise of this RMS in ADC.

    Drawn in frequency: the Fourier modes of white noise are independent and normal, and the filter leaves
    only the lower 60 % of them.
    """
    modes = rng.standard_normal((channels, len(_SPECTRUM), 2), dtype=np.float32).view(np.complex64)[..., 0]
    modes *= (raw_noise * math.sqrt(0.5 * READOUT_TICKS) * _SPECTRUM).astype(np.float32)
    modes[:, 0] = modes[:, 0].real * np.float32(math.sqrt(2.0))
    spectrum = np.zeros((channels, READOUT_TICKS // 2 + 1), np.complex64)
    spectrum[:, : len(_SPECTRUM)] = modes
    return scipy.fft.irfft(spectrum, READOUT_TICKS, axis=1, overwrite_x=True)


def coherent_noise(channels: int, raw_noise: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """(channels, 6000) like :func:`noise`, the same in each group of 32 neighbouring channels."""
    groups = noise(-(-channels // COHERENT_CHANNELS), raw_noise, rng)
    return np.repeat(groups, COHERENT_CHANNELS, axis=0)[:channels]


def add_charge(arrivals: Arrivals, plane: Plane, waveforms: NDArray[np.float32]) -> NDArray[np.void]:
    """Add the charge's pulses to the waveforms of a plane.

    Args:
        arrivals: charge on its way to the wires.
        plane: the wires.
        waveforms: (channels, 6000), added to in place: a channel sums the charge on all of its wires.

    Returns:
        (T,) true deposits, of :data:`TRUTH_DTYPE`, ordered by channel and tick.
    """
    position = arrivals.wire_position(plane)
    width = np.maximum(arrivals.width / plane.pitch, 1e-4)
    first = np.floor(position - _SPREADS * width).astype(np.int64)
    last = np.floor(position + _SPREADS * width).astype(np.int64)
    sigma = np.hypot(arrivals.spread, FILTER_TICKS)
    truth = np.zeros(int(np.sum(last - first + 1)), TRUTH_DTYPE)
    count = _spread(arrivals.charge, arrivals.tick, sigma, position, width, first, last, plane.wires,
                    waveforms, arrivals.energy, arrivals.deposit, arrivals.g4_id, truth)  # fmt: skip
    truth = truth[:count]
    return truth[np.lexsort((truth["tick"], truth["channel"]))]


@compiled
def _below(x: float) -> float:
    """The normal distribution up to ``x``."""
    return 0.5 * math.erfc(-x * 0.7071067811865476)


@compiled
def _spread(
    charge: NDArray[np.float64],
    tick: NDArray[np.float64],
    sigma: NDArray[np.float64],
    position: NDArray[np.float64],
    width: NDArray[np.float64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    wires: int,
    waveforms: NDArray[np.float32],
    energy: NDArray[np.float64],
    deposit: NDArray[np.int32],
    g4_id: NDArray[np.int32],
    truth: NDArray[np.void],
) -> int:
    """Share each deposit among the wires and draw its Gaussian pulse on each; the number of truth rows."""
    channels, ticks = waveforms.shape
    count = 0
    for i in range(len(charge)):
        reach = 4.0 * sigma[i]
        low = max(0, int(math.ceil(tick[i] - reach)))
        high = min(ticks - 1, int(math.floor(tick[i] + reach)))
        if low > high:
            continue
        inverse = 1.0 / sigma[i]
        offset = (low - tick[i]) * inverse
        start = math.exp(-0.5 * offset * offset) * inverse * 0.3989422804014327
        ratio0 = math.exp(-inverse * (offset + 0.5 * inverse))
        ratio_step = math.exp(-inverse * inverse)
        for wire in range(max(first[i], 0), min(last[i], wires - 1) + 1):
            share = _below((wire + 1 - position[i]) / width[i]) - _below((wire - position[i]) / width[i])
            channel = wire % channels
            value = charge[i] * share * start
            ratio = ratio0
            for k in range(low, high + 1):
                waveforms[channel, k] += value
                value *= ratio
                ratio *= ratio_step
            row = truth[count]
            row.channel = channel
            row.wire = wire
            row.tick = tick[i]
            row.energy = energy[i] * share
            row.deposit = deposit[i]
            row.g4_id = g4_id[i]
            count += 1
    return count


def pixels(waveforms: NDArray[np.float32]) -> NDArray[np.float16]:
    """(channels, 1000) mean over the 6 ticks of each drift pixel."""
    return waveforms.reshape(len(waveforms), -1, PIXEL_TICKS).mean(axis=2).astype(np.float16)
