"""Muons at rest: the spectrum of Michel electrons, lifetimes, the share of captures."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from data_gen.physics.argon import ELECTRON_MASS, MICHEL_ENDPOINT
from data_gen.physics.record import Process
from data_gen.validation.check import Check
from data_gen.validation.figures import OURS, REFERENCE, drawing, label
from data_gen.validation.particle_gun import shoot
from data_gen.validation.study import Effort, Section, Study, batches, generator

ENDPOINT = 52.83
"""Largest total energy of the electron, in MeV: (m_mu^2 + m_e^2) / (2 m_mu), masses of the PDG."""
MEAN_KINETIC = 0.7 * ENDPOINT - ELECTRON_MASS
LIFETIME = 2.1970
"""Of the free muon, in us (PDG)."""
CAPTURE_LIFETIME = 0.537
"""Of a mu- in argon, in us, +- 0.032 (T. Suzuki, D. F. Measday, J. P. Roalsvig, PRC 35 (1987) 2212)."""

_BATCH = 250


def study(effort: Effort, seed: int) -> Study:
    """Stopping muons of both charges."""
    tasks = [
        partial(decay_electrons, pdg, count, seed, number)
        for pdg in (-13, 13)
        for number, count in enumerate(batches(effort.decays, _BATCH))
    ]
    return Study(tuple(tasks), conclude)


def decay_electrons(pdg: int, count: int, seed: int, number: int) -> tuple[int, int, NDArray[np.float64]]:
    """PDG code and number of muons of 5 MeV; (N, 2) kinetic energy in MeV and time in us of the electrons."""
    rng = generator(seed, f"decays {pdg}", number)
    found = []
    for _ in range(count):
        particles = shoot(pdg, 5.0, rng).particles
        electrons = particles[(particles["process"] == Process.DECAY) & (np.abs(particles["pdg"]) == 11)]
        found += [(electron["energy"], electron["t"]) for electron in electrons]
    return pdg, count, np.array(found).reshape(-1, 2)


def conclude(results: list[tuple[int, int, NDArray[np.float64]]]) -> Section:
    """Compare spectrum and times with theory and data."""
    muons = {pdg: sum(count for code, count, _ in results if code == pdg) for pdg in (-13, 13)}
    found = {pdg: np.concatenate([rows for code, _, rows in results if code == pdg]) for pdg in (-13, 13)}
    energies, times = found[-13].T
    count = len(energies)
    endpoint = (energies.max() + ELECTRON_MASS) * (1.0 + 0.5 / count)
    late = found[13][:, 1]
    share = len(found[13]) / muons[13]
    one_measurement = "The measurement is 0.537(32) µs: its uncertainty of 6 % holds the generator's 0.57 µs."
    checks = (
        Check(
            "Michel electrons, mean kinetic energy",
            float(energies.mean()),
            "MeV",
            uncertainty=float(energies.std() / np.sqrt(count)),
            reference=MEAN_KINETIC,
            source="Michel spectrum (PDG, Muon decay parameters): mean total energy 7/10 of the end point",
            tolerance=0.003,
        ),
        Check(
            "Michel electrons, end point (total energy)",
            float(endpoint),
            "MeV",
            uncertainty=0.5 * ENDPOINT / count,
            reference=ENDPOINT,
            source="two-body kinematics, masses of the PDG",
            tolerance=0.001,
            note="Largest of the sample, corrected for its expected distance from the end, 1 / (2 N).",
        ),
        Check(
            "Mean lifetime of stopped mu+",
            float(times.mean()),
            "µs",
            uncertainty=float(times.std() / np.sqrt(count)),
            reference=LIFETIME,
            source="PDG",
            tolerance=0.005,
        ),
        Check(
            "Electrons for each stopped mu+",
            count / muons[-13],
            "",
            reference=1.0,
            source="every free muon decays",
            tolerance=0.0,
        ),
        Check(
            "Mean lifetime of stopped mu-",
            float(late.mean()),
            "µs",
            uncertainty=float(late.std() / np.sqrt(len(late))),
            reference=CAPTURE_LIFETIME,
            source="T. Suzuki, D. F. Measday, J. P. Roalsvig, PRC 35 (1987) 2212",
            note=one_measurement,
        ),
        Check(
            "Share of stopped mu- that decay",
            share,
            "",
            uncertainty=float(np.sqrt(share * (1.0 - share) / muons[13])),
            reference=CAPTURE_LIFETIME / LIFETIME,
            source="ratio of the lifetimes above",
            note=one_measurement,
        ),
    )
    message = "Electrons of stopped muons follow the Michel spectrum up to its end point."
    with drawing("michel", message) as canvas:
        axes = canvas.axes[0]
        axes.hist(
            energies, 53, (0, 53), density=True, color=OURS, alpha=0.4, label=f"{count:,} simulated decays"
        )
        x = np.linspace(0.0, 1.0, 200)
        axes.plot(
            x * MICHEL_ENDPOINT - ELECTRON_MASS,
            2.0 * x**2 * (3.0 - 2.0 * x) / MICHEL_ENDPOINT,
            color=REFERENCE,
            label="Michel spectrum",
        )
        label(axes, "kinetic energy of the electron (MeV)", "probability (1/MeV)", xlim=(0, 58))
    return Section("Muons at rest: decay and capture", (), checks, (canvas.plot,))
