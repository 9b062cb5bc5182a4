"""From deposits to charge on the wires: recombination, electronics, diffusion, geometry."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from data_gen.configuration import Response
from data_gen.physics.argon import DENSITY
from data_gen.physics.steps import STEP_DTYPE
from data_gen.response.drift import IONISATION_ENERGY, drift, recombination
from data_gen.response.waveforms import ADC_TICKS_PER_KE, SHAPING_US, add_charge, electronics_response
from data_gen.validation.check import Check
from data_gen.validation.figures import OURS, REFERENCE, SECOND, drawing, label
from data_gen.validation.geometry import geometry_checks
from data_gen.validation.study import Effort, Plot, Section, Study, generator
from lartpc.detector import ACTIVE_CM, DETECTORS, DRIFT_SPEED, READOUT_TICKS, TICK_US, plane

MODIFIED_BOX = "modified box model, ArgoNeuT, JINST 8 (2013) P08005, at 0.4867 kV/cm"
COLD_ELECTRONICS = "time-domain response of the LArASIC, WireCell toolkit, util/src/Response.cxx"
PULSER = "pulser calibration of ProtoDUNE-SP, WireCell pdsp/params.jsonnet"
DIFFUSION = "sqrt(2 D t) with WireCell's D for ProtoDUNE-SP: 4.0 and 8.8 cm²/s, drift of 350 cm"

_FULL_DRIFT = 350.0
_APART = 12
"""Wires between points of charge."""
_SHOWN = np.linspace(20.0, 355.0, 8)


def study(_: Effort, seed: int) -> Study:
    """Lines of deposits through drift, diffusion and electronics."""
    return Study(
        tuple(partial(widths, float(x), seed, n) for n, x in enumerate((_FULL_DRIFT, *_SHOWN))), conclude
    )


def mip_charge() -> float:
    """Thousands of electrons on a collection wire, for 2.1 MeV/cm across it, corrected for the lifetime."""
    wires = plane("W")
    z = np.arange(20.0, 200.0, 0.05)
    steps = np.zeros(len(z), STEP_DTYPE)
    steps["x"], steps["y"], steps["z"] = 100.0, 300.0, z
    steps["energy"], steps["length"] = 2.1 * 0.05, 0.05
    waveforms = np.zeros((wires.wires, READOUT_TICKS), np.float32)
    response = Response()
    add_charge(drift(steps, DETECTORS["drift-volume"].volumes[0], response), wires, waveforms)
    survival = np.exp(-100.0 / response.drift_speed / response.lifetime_us)
    return float(waveforms[60:400].sum(axis=1).mean() / survival)


def widths(x: float, seed: int, number: int) -> tuple[float, float]:
    """Longitudinal and transverse width in cm of points of charge that drift ``x`` cm, from the waveforms.

    The variance of points without drift, the filter's, is taken from that in time; across the wires that of
    the position within a pitch, pitch^2 / 12, from that of the wire numbers.
    """
    wires, rng = plane("W"), generator(seed, "response", number)
    points = wires.wires // _APART
    position = np.arange(points) * _APART + _APART // 2 + rng.permutation(points) / points  # in pitches
    far, near = _waveforms(x, position * wires.pitch), _waveforms(1e-6, position * wires.pitch)
    longitudinal = np.sqrt(max(_variance(far.sum(axis=0)) - _variance(near.sum(axis=0)), 0.0))
    middle = np.arange(wires.wires) + 0.5
    off = middle - np.repeat(position, _APART)
    variance = float(np.average(off**2, weights=far.sum(axis=1))) - 1.0 / 12.0
    return float(longitudinal * TICK_US * DRIFT_SPEED), float(np.sqrt(max(variance, 0.0)) * wires.pitch)


def _waveforms(x: float, z: NDArray[np.float64]) -> NDArray[np.float64]:
    """(480, 6000) on the collection plane, of points of charge at the drift distance ``x`` and at ``z``."""
    steps = np.zeros(len(z), STEP_DTYPE)
    steps["x"], steps["y"], steps["z"] = x, 300.0, z
    steps["energy"], steps["length"] = 5.0, 2.0
    waveforms = np.zeros((plane("W").wires, READOUT_TICKS), np.float32)
    add_charge(drift(steps, DETECTORS["drift-volume"].volumes[0], Response()), plane("W"), waveforms)
    return waveforms.astype(float)


def _variance(weights: NDArray[np.float64]) -> float:
    numbers = np.arange(len(weights))
    mean = np.average(numbers, weights=weights)
    return float(np.average((numbers - mean) ** 2, weights=weights))


def impulse() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Times in us; the electronics' answer to an impulse: the generator's, and in the time domain."""
    step = 0.01
    time = np.arange(8192) * step
    spectrum = electronics_response(np.fft.rfftfreq(len(time), step).astype(float))
    ours = np.fft.irfft(spectrum).astype(float) / step
    t = time / SHAPING_US
    first, second = np.exp(-2.82833 * t), np.exp(-2.40318 * t)
    known = 4.31054 * np.exp(-2.94809 * t)
    known += first * (-5.2404 * np.cos(1.19361 * t) + 1.524912 * np.sin(1.19361 * t))
    known += second * (0.929848 * np.cos(2.5928 * t) - 0.655368 * np.sin(2.5928 * t))
    known /= known.sum() * step
    return time.astype(float), ours, known


def conclude(results: list[tuple[float, float]]) -> Section:
    """Compare charge, pulse and widths with models; count wires."""
    response = Response()
    time, ours, known = impulse()
    area = 1.0 / known.max()
    drift_us = _FULL_DRIFT / DRIFT_SPEED
    longitudinal, transverse = (
        np.sqrt(2e-6 * each * drift_us)
        for each in (response.longitudinal_diffusion, response.transverse_diffusion)
    )
    expected_charge = 1e-3 * 2.1 * 0.4792 / 23.6e-6 * 0.703
    gain = 14.0 * 0.160218 * 1.1365 * 4096.0 / 1400.0 * area / TICK_US
    pulse = f"Electronics, {SHAPING_US} µs shaping"
    checks = (
        Check(
            "Recombination at 2.1 MeV/cm",
            float(recombination(2.1, response)),
            "",
            reference=0.703,
            source=MODIFIED_BOX,
            tolerance=0.005,
        ),
        Check(
            "Charge of a minimum-ionising particle on a collection wire",
            mip_charge(),
            "ke",
            reference=expected_charge,
            source="2.1 MeV/cm × 0.4792 cm / 23.6 eV (Miyajima, PRA 9 (1974) 1438) × 0.703",
            tolerance=0.01,
        ),
        Check(
            f"{pulse}: area of a pulse of height 1",
            1.0 / float(ours.max()),
            "µs",
            reference=area,
            source=COLD_ELECTRONICS,
            tolerance=0.01,
        ),
        Check(
            f"{pulse}: time of the peak",
            float(time[ours.argmax()]),
            "µs",
            reference=float(time[known.argmax()]),
            source=COLD_ELECTRONICS,
            tolerance=0.01,
        ),
        Check(
            "Gain: area of the pulse of 1000 electrons",
            ADC_TICKS_PER_KE,
            "ADC tick",
            reference=gain,
            source=f"14 mV/fC × 1.1365 ({PULSER}) × 4096 ADC / 1.4 V × area above",
            tolerance=0.01,
        ),
        Check(
            "Width along the drift after 350 cm",
            results[0][0],
            "cm",
            reference=float(longitudinal),
            source=DIFFUSION,
            tolerance=0.02,
        ),
        Check(
            "Width across the wires after 350 cm",
            results[0][1],
            "cm",
            reference=float(transverse),
            source=DIFFUSION,
            tolerance=0.03,
            note="Charge beyond three standard deviations is kept on the last wire that these reach.",
        ),
        *geometry_checks(),
    )
    text = (
        "Each number is measured on waveforms that drift, diffusion and electronics made, without noise.",
    )
    return Section("Response: charge, electronics, diffusion, geometry", text, checks, (_plot(results[1:]),))


def _plot(measured: list[tuple[float, float]]) -> Plot:
    message = (
        "Pulses have the shape of the cold electronics, recombination follows the modified box model, and "
        "charge spreads as the square root of the drift."
    )
    response = Response()
    with drawing("response", message, panels=3) as canvas:
        axes = canvas.axes[0]
        time, ours, known = impulse()
        axes.plot(time, ours / ours.max(), color=OURS, label="generator")
        axes.plot(time, known / known.max(), "--", color=REFERENCE, label="time-domain formula")
        label(axes, "time (µs)", "response to an impulse (of its peak)", xlim=(0, 10))
        axes = canvas.axes[1]
        loss = np.geomspace(1.0, 40.0, 100)
        axes.plot(loss, recombination(loss, response), color=OURS, label="modified box")
        birks = 0.800 / (1.0 + 0.0486 * loss / (DENSITY * response.field))
        axes.plot(loss, birks, "--", color=SECOND, label="Birks, ICARUS (NIM A 523 (2004) 275)")
        axes.plot(2.1, 0.703, "*", ms=11, color=REFERENCE)
        axes.set_xscale("log")
        label(axes, "dE/dx (MeV/cm)", "share of electrons that escape", ylim=(0, 0.85))
        axes = canvas.axes[2]
        x = np.linspace(0.0, ACTIVE_CM[0], 100)
        for column, (constant, name, colour) in enumerate(
            (
                (response.longitudinal_diffusion, "along the drift", OURS),
                (response.transverse_diffusion, "across", SECOND),
            )
        ):
            axes.plot(x, 10.0 * np.sqrt(2e-6 * constant * x / DRIFT_SPEED), color=REFERENCE, lw=1.0)
            axes.plot(_SHOWN, 10.0 * np.array(measured)[:, column], "o", ms=4, color=colour, label=name)
        label(axes, "drift (cm)", "width of a point of charge (mm)")
    return canvas.plot


def charge_to_energy(charge: NDArray[np.float64], dedx: float, response: Response) -> NDArray[np.float64]:
    """MeV that leave ``charge`` thousand electrons, at the recombination of ``dedx`` MeV/cm."""
    return 1e3 * charge * IONISATION_ENERGY / recombination(dedx, response)
