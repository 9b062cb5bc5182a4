"""Interactions of photons: pair production, Compton scattering, photoelectric effect.

Rayleigh scattering, which deposits nothing, and triplets are left out. Energies in MeV, lengths in cm.
"""

import math

import numpy as np

from data_gen.argon import ATOMS, DENSITY, ELECTRON_MASS, ELECTRON_RADIUS, ELECTRONS, Z
from data_gen.bremsstrahlung import COULOMB_CORRECTION, screening
from data_gen.compiled import compiled


@compiled
def pair_rate(energy: float) -> float:
    """Pairs per cm, by GEANT3 PHYS211 and Geant4's Bethe-Heitler model (1.5 MeV to 100 GeV).

    It fits the tables of Hubbell, Gimm, Overbo (J. Phys. Chem. Ref. Data 9 (1980) 1023), within 5 %.
    """
    if energy <= 2.0 * ELECTRON_MASS:
        return 0.0
    x = math.log(max(energy, 1.5) / ELECTRON_MASS)
    f1 = 878.42 + x * (-1962.5 + x * (1294.9 + x * (-200.28 + x * (12.575 - x * 0.28333))))
    f2 = -10.342 + x * (17.692 + x * (-8.2381 + x * (1.3063 + x * (-0.090815 + x * 0.0023586))))
    f3 = -452.63 + x * (1116.1 + x * (-867.49 + x * (217.73 + x * (-20.467 + x * 0.65372))))
    microbarn = (Z + 1) * Z * (f1 + f2 * Z + f3 / Z)
    if energy < 1.5:
        microbarn *= ((energy - 2.0 * ELECTRON_MASS) / (1.5 - 2.0 * ELECTRON_MASS)) ** 2
    return max(microbarn, 0.0) * 1e-30 * ATOMS


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
    e = max(energy, 3.203e-3) * 1e3
    if e < 20.0:
        mass = -0.1446e2 / e + 0.4359e3 / e**2 + 0.6578e5 / e**3 - 0.7284e5 / e**4
    elif e < 100.0:
        mass = 0.8786 / e - 0.3001e3 / e**2 + 0.7682e5 / e**3 - 0.1219e6 / e**4
    elif e < 500.0:
        mass = 0.6779e-1 / e - 0.2695e2 / e**2 + 0.5069e5 / e**3 + 0.5281e6 / e**4
    else:
        mass = 0.2598e-1 / e + 0.3454e2 / e**2 + 0.1059e5 / e**3 + 0.1068e8 / e**4
    return mass * DENSITY


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
