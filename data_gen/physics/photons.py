"""Interactions of photons: pair production, Compton scattering, photoelectric effect.

Rayleigh scattering, which deposits nothing (16 % of Compton scattering at 0.1 MeV, 1 % at 0.5 MeV), the
binding of electrons in Compton scattering (5 % fewer at 0.1 MeV) and the recoil of triplets' third electron
are left out. Energies in MeV, lengths in cm.
"""

import math

import numpy as np
from numpy.typing import NDArray

from data_gen.compiled import compiled
from data_gen.physics.argon import (
    DENSITY,
    ELECTRON_MASS,
    ELECTRON_RADIUS,
    ELECTRONS,
    K_SHELL_ENERGY,
    PAIR_PRODUCTION,
    PHOTOELECTRIC,
    Z,
)
from data_gen.physics.bremsstrahlung import COULOMB_CORRECTION, screening

_TABLE_PER_DECADE = 40
_TABLE_SIZE = 5 * _TABLE_PER_DECADE + 1


def _pair_table() -> NDArray[np.float64]:
    """Rate in 1/cm over (1 - 2 m / E)^3, which is smooth at the threshold, at 1 MeV to 100 GeV."""
    reduced = (
        DENSITY
        * (PAIR_PRODUCTION[:, 1] + PAIR_PRODUCTION[:, 2])
        / (1.0 - 2.0 * ELECTRON_MASS / PAIR_PRODUCTION[:, 0]) ** 3
    )
    energy = 10.0 ** (np.arange(_TABLE_SIZE) / _TABLE_PER_DECADE)
    return np.exp(np.interp(np.log(energy), np.log(PAIR_PRODUCTION[:, 0]), np.log(reduced)))


_PAIRS = _pair_table()


@compiled
def pair_rate(energy: float) -> float:
    """Pairs per cm, of nuclei and electrons together, up to 100 GeV and constant above.

    NIST XCOM (M. J. Berger, J. H. Hubbell et al., NIST Standard Reference Database 8), for argon.
    """
    if energy <= 2.0 * ELECTRON_MASS:
        return 0.0
    position = math.log10(energy) * _TABLE_PER_DECADE
    i = min(int(position), _TABLE_SIZE - 2)
    w = min(position - i, 1.0)
    return (_PAIRS[i] + w * (_PAIRS[i + 1] - _PAIRS[i])) * (1.0 - 2.0 * ELECTRON_MASS / energy) ** 3


@compiled
def pair_fraction(energy: float, rng: np.random.Generator) -> float:
    """Share of the photon's energy that the electron of a pair takes (total energy).

    Bethe-Heitler with the screening of SLAC-265, section 2.7; uniform below 2 MeV.
    """
    low = ELECTRON_MASS / energy
    if energy < 2.0:
        return low + (1.0 - 2.0 * low) * rng.random()
    shift = 4.0 / 3.0 * math.log(Z)
    if energy > 50.0:
        shift += 4.0 * COULOMB_CORRECTION
    scale = 136.0 * Z ** (-1.0 / 3.0) * ELECTRON_MASS / energy
    phi1, phi2 = screening(4.0 * scale)  # both fall with their argument, so equal shares bound them
    bound = phi1 - shift + (phi2 - shift) / 6.0
    while True:
        fraction = low + (1.0 - 2.0 * low) * rng.random()
        if rng.random() * bound < _pair_shape(fraction, scale, shift):
            return fraction


@compiled
def _pair_shape(fraction: float, scale: float, shift: float) -> float:
    """dsigma/dfraction up to a factor."""
    phi1, phi2 = screening(scale / (fraction * (1.0 - fraction)))
    a = max(phi1 - shift, 0.0)
    b = max(phi2 - shift, 0.0)
    both = fraction * fraction + (1.0 - fraction) ** 2
    return both * a + 2.0 / 3.0 * fraction * (1.0 - fraction) * b


@compiled
def compton_rate(energy: float) -> float:
    """Compton scatterings per cm: Klein and Nishina's total cross-section on free electrons."""
    k = energy / ELECTRON_MASS
    if k < 1e-3:
        return ELECTRONS * 8.0 / 3.0 * math.pi * ELECTRON_RADIUS**2
    log = math.log(1.0 + 2.0 * k)
    bracket = (1.0 + k) / (k * k) * (2.0 * (1.0 + k) / (1.0 + 2.0 * k) - log / k)
    bracket += 0.5 * log / k - (1.0 + 3.0 * k) / (1.0 + 2.0 * k) ** 2
    return ELECTRONS * 2.0 * math.pi * ELECTRON_RADIUS**2 * bracket


@compiled
def compton(energy: float, rng: np.random.Generator) -> tuple[float, float]:
    """Energy left to the photon and cosine of its angle (Butcher and Messel's method; Geant4 manual)."""
    least = 1.0 / (1.0 + 2.0 * energy / ELECTRON_MASS)
    a1 = -math.log(least)
    a2 = 0.5 * (1.0 - least * least)
    while True:
        if rng.random() * (a1 + a2) < a1:
            ratio = math.exp(-a1 * rng.random())
        else:
            ratio = math.sqrt(least * least + (1.0 - least * least) * rng.random())
        t = (1.0 - ratio) * ELECTRON_MASS / (energy * ratio)
        if rng.random() < 1.0 - ratio * t * (2.0 - t) / (1.0 + ratio * ratio):
            return energy * ratio, 1.0 - t


@compiled
def photoelectric_rate(energy: float) -> float:
    """Photoelectric absorptions per cm above the K edge of argon (3.2 keV).

    F. Biggs, R. Lighthill, Analytical approximations for x-ray cross sections III, SAND87-0070 (1988):
    sum of a_n / E^n with E in keV, in cm^2/g.
    """
    e = 1e3 * max(energy, K_SHELL_ENERGY)
    row = 0
    while e > PHOTOELECTRIC[row, 0]:
        row += 1
    one = 1.0 / e
    a = PHOTOELECTRIC[row]
    return DENSITY * one * (a[1] + one * (a[2] + one * (a[3] + one * a[4])))


@compiled
def photoelectron_cosine(energy: float, rng: np.random.Generator) -> float:
    """Cosine of the photoelectron's angle: Sauter's distribution, sampled as in PENELOPE (2.1.2)."""
    gamma = 1.0 + energy / ELECTRON_MASS
    beta = math.sqrt(1.0 - 1.0 / (gamma * gamma))
    a = 1.0 / beta - 1.0
    b = 0.5 * beta * gamma * (gamma - 1.0) * (gamma - 2.0)
    bound = 2.0 * (1.0 / a + b)
    while True:
        u = rng.random()
        nu = 2.0 * a / ((a + 2.0) ** 2 - 4.0 * u) * (2.0 * u + (a + 2.0) * math.sqrt(u))
        if rng.random() * bound < (2.0 - nu) * (1.0 / (a + nu) + b):
            return 1.0 - nu
