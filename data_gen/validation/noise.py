"""Noise: made in ADC and deconvolved in the full spectrum, against what the generator draws directly."""

from functools import partial

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.stats import multivariate_normal, norm

from data_gen.configuration import Configuration, Response
from data_gen.physics.steps import STEP_DTYPE
from data_gen.response.readout import respond
from data_gen.response.waveforms import ADC_TICKS_PER_KE, FILTER_MHZ, electronics_response, noise, noise_rms
from data_gen.validation.check import Check
from data_gen.validation.figures import OURS, REFERENCE, drawing, label
from data_gen.validation.study import Effort, Section, Study, generator
from lartpc.detector import PLANES, READOUT_TICKS, TICK_US

RAW_RMS = 2.5
THRESHOLD = 4.2
"""Of the hits of noise alone that are counted, in noise RMS; at the experiment's, 23, there are none."""
SOURCE = "raw noise made in ADC and deconvolved in the full spectrum, below"
CHAIN = "charge / (electronics response), Gaussian filter of 0.12 MHz (WireCell, ProtoDUNE-SP Gaus_wide)"
_CHANNELS = 480


def study(effort: Effort, seed: int) -> Study:
    """Readouts of a collection plane without charge."""
    spectra = [partial(spectrum, kind, seed, n) for kind in ("raw", "drawn") for n in range(effort.noise)]
    return Study((*spectra, *(partial(noise_hits, seed, n) for n in range(effort.noise))), conclude)


def deconvolution() -> NDArray[np.complexfloating]:
    """(3001,) factor from the spectrum of raw ADC to that of ke/tick, at all frequencies."""
    megahertz = scipy.fft.rfftfreq(READOUT_TICKS, TICK_US)
    low_pass = np.exp(-0.5 * (megahertz / FILTER_MHZ) ** 2)
    return low_pass / electronics_response(megahertz) / ADC_TICKS_PER_KE


def spectrum(kind: str, seed: int, number: int) -> tuple[str, float, NDArray[np.float64]]:
    """Kind, raw RMS in ADC, and (3001,) mean power of the deconvolved noise of 480 channels.

    Args:
        kind: ``raw``, white noise that is then deconvolved here, or ``drawn``, what the generator draws. For
            that the raw RMS is inferred: from the power that its modes below the filter's frequency would
            have before the deconvolution, were it white.
        seed: of the validation.
        number: of the readout.
    """
    rng = generator(seed, f"noise {kind}", number)
    factor = deconvolution()
    if kind == "raw":
        raw = RAW_RMS * rng.standard_normal((_CHANNELS, READOUT_TICKS))
        rms = float(raw.std())
        modes = scipy.fft.rfft(raw, axis=1) * factor
    else:
        modes = scipy.fft.rfft(noise(_CHANNELS, RAW_RMS, rng).astype(float), axis=1)
        low = (scipy.fft.rfftfreq(READOUT_TICKS, TICK_US) < 2.0 * FILTER_MHZ) & (
            np.arange(modes.shape[1]) > 0
        )
        before = np.abs(modes[:, low] / factor[low]) ** 2
        rms = float(np.sqrt(before.mean() / READOUT_TICKS))
    return kind, rms, np.mean(np.abs(modes) ** 2, axis=0)


def noise_hits(seed: int, number: int) -> tuple[str, float, NDArray[np.float64]]:
    """``hits``, 0, and hits for each channel and readout by plane, of noise alone."""
    names = tuple(each.name for each in PLANES)
    rng = generator(seed, "noise hits", number)
    low = Response(region_threshold=THRESHOLD, region_peak=0.0, hit_threshold=THRESHOLD * noise_rms(RAW_RMS))
    _, hits, _ = respond(np.zeros(0, STEP_DTYPE), Configuration(response=low), names, rng)
    counts = np.bincount(hits["local_plane"], minlength=len(PLANES))
    return "hits", 0.0, counts / [each.channels for each in PLANES]


def expected_hits(threshold: float) -> float:
    """Pulses of Gaussian noise above ``threshold`` RMS in a readout: upward crossings between samples.

    As S. O. Rice, Bell Syst. Tech. J. 23 (1944) 282, for samples instead of continuous time: P(x_k < u) less
    P(x_k < u, x_k+1 < u), from the correlation of neighbouring samples.
    """
    power = np.abs(deconvolution()) ** 2
    power[1:-1] *= 2.0
    lag = np.cos(2.0 * np.pi * np.arange(len(power)) / READOUT_TICKS)
    correlation = float(np.sum(power * lag) / np.sum(power))
    both = multivariate_normal([0.0, 0.0], [[1.0, correlation], [correlation, 1.0]], allow_singular=True)
    return READOUT_TICKS * float(norm.cdf(threshold) - both.cdf([threshold, threshold]))


def conclude(results: list[tuple[str, float, NDArray[np.float64]]]) -> Section:
    """Compare RMS and spectrum; count hits."""
    power = {
        kind: np.mean([each for of, _, each in results if of == kind], axis=0) for kind in ("raw", "drawn")
    }
    inferred = [rms for kind, rms, _ in results if kind == "drawn"]
    readouts = len(inferred)
    rms = {kind: _rms(each) for kind, each in power.items()}
    modes = 2.0 * _CHANNELS * readouts * np.count_nonzero(power["raw"] > 0.1 * power["raw"].max())
    error = float(np.sqrt(0.5 / modes))
    megahertz = scipy.fft.rfftfreq(READOUT_TICKS, TICK_US)
    groups = [(megahertz >= low) & (megahertz < low + 0.05) for low in np.arange(0.0, 0.5, 0.05)]
    ratios = np.array([power["drawn"][g].sum() / power["raw"][g].sum() for g in groups])
    worst = float(ratios[np.abs(ratios - 1.0).argmax()])
    counts = np.array([each for kind, _, each in results if kind == "hits"])
    hits = counts.mean(axis=0)
    total = hits @ [each.channels for each in PLANES] / sum(each.channels for each in PLANES)
    number = total * readouts * sum(each.channels for each in PLANES)
    checks = (
        Check(
            "Raw noise that the drawn noise stands for",
            float(np.mean(inferred)),
            "ADC",
            uncertainty=RAW_RMS * error,
            reference=RAW_RMS,
            source="ProtoDUNE-SP simulation, dunecore: 2.5 ADC",
            tolerance=0.02,
        ),
        Check(
            "Deconvolved noise, RMS of a sample",
            1e3 * rms["drawn"],
            "e/tick",
            uncertainty=1e3 * rms["drawn"] * error * 1.4,
            reference=1e3 * rms["raw"],
            source=SOURCE,
            tolerance=0.02,
        ),
        Check(
            "Power of the deconvolved noise, worst of ten bands of 0.05 MHz",
            worst,
            "",
            uncertainty=float(np.sqrt(2.0 / (groups[0].sum() * _CHANNELS * readouts))),
            reference=1.0,
            source=SOURCE,
            tolerance=0.02,
            sigmas=3.0,
        ),
        Check(
            f"Hits of noise alone, threshold {THRESHOLD} RMS, a channel and readout",
            float(total),
            "",
            uncertainty=float(np.sqrt(number) / number * total),
            reference=expected_hits(THRESHOLD),
            source="upward crossings of Gaussian noise (Rice, BSTJ 23 (1944) 282), for samples",
            tolerance=0.10,
            note="Crossings that follow each other within a pulse count as one hit.",
        ),
        *(
            Check(
                f"Hits of noise alone, plane {each.name}, a channel and readout",
                float(value),
                "",
                uncertainty=float(np.sqrt(value / (readouts * each.channels))),
                note="By plane, for information.",
            )
            for each, value in zip(PLANES, hits, strict=True)
        ),
    )
    message = "Noise drawn mode by mode has the spectrum of raw noise that went through the deconvolution."
    with drawing("noise", message) as canvas:
        axes = canvas.axes[0]
        unit = 1e3 * np.sqrt(2.0 / READOUT_TICKS**2)
        shown = (megahertz > 0) & (megahertz < 0.7)
        axes.plot(
            megahertz[shown],
            unit * np.sqrt(power["raw"][shown]),
            color=REFERENCE,
            lw=2.5,
            alpha=0.5,
            label="2.5 ADC of white noise, deconvolved",
        )
        axes.plot(megahertz[shown], unit * np.sqrt(power["drawn"][shown]), color=OURS, lw=0.8, label="drawn")
        axes.set(yscale="log", ylim=(1e-3, 5))
        label(axes, "frequency (MHz)", "RMS of a Fourier mode (e/tick)")
    text = (
        f"The chain: {CHAIN}. The reference makes 2.5 ADC of white noise and deconvolves it at all "
        "frequencies.",
    )
    return Section("Noise", text, checks, (canvas.plot,))


def _rms(power: NDArray[np.float64]) -> float:
    """RMS of a sample of a real waveform of 6000 samples, from the mean power of its modes."""
    return float(np.sqrt((power[0] + power[-1] + 2.0 * power[1:-1].sum()) / READOUT_TICKS**2))
