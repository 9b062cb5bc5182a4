"""Electrons and photons: radiation length and critical energy from the generator's own stopping powers."""

from functools import partial

import numpy as np
from scipy.optimize import brentq

from data_gen.compiled import compiled, uninterrupted
from data_gen.physics.argon import CRITICAL_ENERGY, DENSITY
from data_gen.physics.bremsstrahlung import photon_energy, photon_rate, soft_loss
from data_gen.physics.ionisation import electron_stopping_power
from data_gen.physics.photons import compton_rate, pair_rate, photoelectric_rate
from data_gen.validation.check import Check
from data_gen.validation.figures import OURS, REFERENCE, SECOND, THIRD, drawing, label
from data_gen.validation.study import Effort, Section, Study, generator

SOURCE = "PDG, Atomic and nuclear properties of liquid argon"
RADIATION_LENGTH = 14.0
"""In cm: 19.55 g/cm^2 over 1.396 g/cm^3 (:data:`SOURCE`)."""
_ENERGIES = tuple(float(energy) for energy in np.geomspace(1.0, 1e4, 13))
_SAMPLES = 1_000_000


def study(_: Effort, seed: int) -> Study:
    """Radiative losses by sampling photons."""
    return Study(tuple(partial(radiative_loss, energy, seed) for energy in _ENERGIES), conclude)


def radiative_loss(energy: float, seed: int) -> tuple[float, float]:
    """Mean radiative loss of an electron in MeV/cm and its uncertainty: photons below and above the cut."""
    mean, variance = uninterrupted(_photons, energy, _SAMPLES, generator(seed, f"radiation {energy:g}"))
    rate = photon_rate(energy)
    return soft_loss(energy) + rate * mean, rate * float(np.sqrt(variance / _SAMPLES))


@compiled
def _photons(energy: float, count: int, rng: np.random.Generator) -> tuple[float, float]:
    """Mean and variance of the energy of bremsstrahlung photons."""
    total, squares = 0.0, 0.0
    for _ in range(count):
        photon = photon_energy(energy, rng)
        total += photon
        squares += photon * photon
    mean = total / count
    return mean, squares / count - mean * mean


def collision_loss(energy: float) -> float:
    """Mean collision loss of an electron in MeV/cm."""
    return electron_stopping_power(energy, False, 1e9)


def conclude(results: list[tuple[float, float]]) -> Section:
    """Radiation length at 10 GeV; critical energy by Rossi's definition."""
    losses, errors = np.array(results).T
    length = _ENERGIES[-1] / losses[-1]
    error = length * errors[-1] / losses[-1]

    def critical(radiation_length: float) -> float:
        return float(brentq(lambda energy: collision_loss(energy) * radiation_length - energy, 5.0, 200.0))

    energy = critical(length)
    pair_length = 7.0 / 9.0 / pair_rate(5e4)
    checks = (
        Check(
            "Radiation length: energy over radiative loss at 10 GeV",
            length,
            "cm",
            uncertainty=error,
            reference=RADIATION_LENGTH,
            source=SOURCE,
            tolerance=0.02,
        ),
        Check(
            "Radiation length: 7/9 of the mean free path for pairs at 50 GeV",
            pair_length,
            "cm",
            reference=RADIATION_LENGTH,
            source=SOURCE,
            tolerance=0.03,
        ),
        Check(
            "Critical energy (Rossi: collision loss in one radiation length)",
            energy,
            "MeV",
            uncertainty=abs(critical(length + error) - energy),
            reference=CRITICAL_ENERGY,
            source=SOURCE,
            tolerance=0.02,
        ),
        Check(
            "Collision loss of a 10 MeV electron",
            collision_loss(10.0) / DENSITY,
            "MeV cm²/g",
            reference=1.55,
            source="NIST ESTAR (ICRU Report 37), argon, with the density effect of the liquid",
            tolerance=0.02,
        ),
    )
    message = (
        "Electrons lose by collisions what they would lose by Rossi's radiation at 33 MeV; Compton "
        "scattering rules between 0.1 and 10 MeV."
    )
    with drawing("electrons", message, panels=2) as canvas:
        axes = canvas.axes[0]
        axes.plot(_ENERGIES, [collision_loss(each) for each in _ENERGIES], color=OURS, label="collisions")
        axes.plot(_ENERGIES, losses, "o-", ms=3, color=SECOND, label="radiation")
        line = np.array([8.0, 2000.0])
        axes.plot(line, line / RADIATION_LENGTH, "--", lw=1.0, color=REFERENCE, label="energy / 14.0 cm")
        axes.axvline(energy, color=THIRD, lw=1.0, label=f"critical energy, {energy:.1f} MeV")
        axes.set(xscale="log", yscale="log", xlim=(1, 2000), ylim=(0.02, 200))
        label(axes, "kinetic energy of the electron (MeV)", "mean loss (MeV/cm)")
        axes = canvas.axes[1]
        energies = np.geomspace(0.01, 1e4, 400)
        rates = [
            (photoelectric_rate, "photoelectric", THIRD),
            (compton_rate, "Compton", OURS),
            (pair_rate, "pairs", SECOND),
        ]
        for rate, name, colour in rates:
            axes.plot(energies, [rate(each) for each in energies], color=colour, label=name)
        axes.plot(
            energies,
            [sum(rate(each) for rate, *_ in rates) for each in energies],
            color="black",
            lw=1.0,
            label="all",
        )
        axes.set(xscale="log", yscale="log", ylim=(1e-4, 100))
        label(axes, "energy of the photon (MeV)", "interactions per cm")
    text = (
        "Radiative loss is the sum over photons below the cut, by integration, and above it, by sampling "
        "the spectrum that the transport draws from.",
    )
    return Section("Electrons and photons: radiation length, critical energy", text, checks, (canvas.plot,))
