"""Decays at rest and in flight: muons, pions, neutral pions; annihilation of positrons."""

import math

import numpy as np

from data_gen.argon import ELECTRON_MASS, ELECTRON_RADIUS, ELECTRONS, MICHEL_ENDPOINT, NEUTRAL_PION_MASS
from data_gen.compiled import compiled


@compiled
def michel_energy(rng: np.random.Generator) -> float:
    """Kinetic energy in MeV of the electron from an unpolarised muon at rest.

    dN/dx = 2 x^2 (3 - 2 x) with x = E / 52.83 MeV (L. Michel, Proc. Phys. Soc. A63 (1950) 514), without
    radiative corrections. The mean total energy is 7/10 of the end point.
    """
    while True:
        x = rng.random()
        if rng.random() < x * x * (3.0 - 2.0 * x):
            energy = x * MICHEL_ENDPOINT - ELECTRON_MASS
            if energy > 0.0:
                return energy


@compiled
def neutral_pion_photon(kinetic: float, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Energies in MeV of the two photons of a pi0 in flight and cosines of their angles to it.

    Isotropic in the rest frame: E = gamma m / 2 (1 + beta cos), boosted.
    """
    gamma = 1.0 + kinetic / NEUTRAL_PION_MASS
    beta = math.sqrt(1.0 - 1.0 / (gamma * gamma))
    cosine = 2.0 * rng.random() - 1.0
    half = 0.5 * gamma * NEUTRAL_PION_MASS
    first = half * (1.0 + beta * cosine)
    second = half * (1.0 - beta * cosine)
    return first, (cosine + beta) / (1.0 + beta * cosine), second, (beta - cosine) / (1.0 - beta * cosine)


@compiled
def annihilation_rate(energy: float) -> float:
    """Annihilations in flight per cm of a positron (W. Heitler, The Quantum Theory of Radiation, 1954)."""
    gamma = 1.0 + energy / ELECTRON_MASS
    root = math.sqrt(gamma * gamma - 1.0)
    bracket = (gamma * gamma + 4.0 * gamma + 1.0) / (gamma * gamma - 1.0) * math.log(gamma + root)
    bracket -= (gamma + 3.0) / root
    return ELECTRONS * math.pi * ELECTRON_RADIUS**2 / (gamma + 1.0) * bracket


@compiled
def annihilation(energy: float, rng: np.random.Generator) -> tuple[float, float]:
    """Energy of the first photon of an annihilation in flight and cosine of its angle.

    dsigma/de goes as (1 + 2 gamma / (gamma + 1)^2 - e - 1 / (gamma + 1)^2 / e) / e, where e is the first
    photon's share of the available energy (Heitler; Geant4 manual, Positron-electron annihilation).
    """
    gamma = 1.0 + energy / ELECTRON_MASS
    root = math.sqrt((gamma - 1.0) / (gamma + 1.0))
    low = 0.5 * (1.0 - root)
    high = 0.5 * (1.0 + root)
    while True:
        e = low * (high / low) ** rng.random()
        weight = 1.0 - e + (2.0 * gamma * e - 1.0) / (e * (gamma + 1.0) ** 2)
        if rng.random() < weight:
            break
    cosine = (e * (gamma + 1.0) - 1.0) / (e * math.sqrt(gamma * gamma - 1.0))
    return e * (energy + 2.0 * ELECTRON_MASS), min(1.0, max(-1.0, cosine))
