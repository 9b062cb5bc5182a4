"""Energy loss of charged particles to atomic electrons: mean, fluctuations and delta rays.

Collisions with an energy transfer above :data:`DELTA_CUT` make a delta ray that is followed; those
below it deposit where they happen. Energies in MeV, lengths in cm.
"""

import math

import numpy as np

from data_gen.compiled import compiled
from data_gen.physics.argon import (
    DENSITY,
    DENSITY_EFFECT_A,
    DENSITY_EFFECT_C,
    DENSITY_EFFECT_K,
    DENSITY_EFFECT_X0,
    DENSITY_EFFECT_X1,
    ELECTRON_MASS,
    EXCITATION_ENERGY,
    IONISATION_PREFACTOR,
    A,
)

DELTA_CUT = 0.1
"""Smallest energy of an explicit delta ray; its range is 0.1 mm."""
SINGLE_CUT = 0.01
"""Smallest energy transfer that is drawn one by one within a step: above argon's K shell (3.2 keV),
where atomic electrons count as free."""
_LN10 = math.log(10.0)


@compiled
def density_effect(beta_gamma: float) -> float:
    """Density effect delta (R. M. Sternheimer, M. J. Berger, S. M. Seltzer, ADNDT 30 (1984) 261)."""
    x = math.log10(beta_gamma)
    if x < DENSITY_EFFECT_X0:
        return 0.0
    delta = 2.0 * _LN10 * x - DENSITY_EFFECT_C
    if x < DENSITY_EFFECT_X1:
        delta += DENSITY_EFFECT_A * (DENSITY_EFFECT_X1 - x) ** DENSITY_EFFECT_K
    return delta


@compiled
def largest_transfer(energy: float, mass: float) -> float:
    """Largest energy that a heavy particle of kinetic energy ``energy`` gives to an electron (PDG 34.4)."""
    gamma = 1.0 + energy / mass
    ratio = ELECTRON_MASS / mass
    return 2.0 * ELECTRON_MASS * (gamma * gamma - 1.0) / (1.0 + 2.0 * gamma * ratio + ratio * ratio)


@compiled
def heavy_stopping_power(energy: float, mass: float, cut: float) -> float:
    """Mean loss of a heavy particle of charge 1 in transfers below ``cut``, in MeV/cm.

    The restricted Bethe equation (PDG, Passage of particles through matter, 34.2.6); with ``cut``
    at or above the largest transfer it is the Bethe equation itself. Below 1 MeV/cm it is cut off.
    """
    gamma = 1.0 + energy / mass
    beta2 = 1.0 - 1.0 / (gamma * gamma)
    beta_gamma2 = gamma * gamma - 1.0
    largest = largest_transfer(energy, mass)
    cut = min(cut, largest)
    logarithm = 0.5 * math.log(2.0 * ELECTRON_MASS * beta_gamma2 * cut / EXCITATION_ENERGY**2)
    bracket = logarithm - 0.5 * beta2 * (1.0 + cut / largest) - 0.5 * density_effect(math.sqrt(beta_gamma2))
    return max(IONISATION_PREFACTOR / beta2 * bracket, 1.0)


@compiled
def electron_stopping_power(energy: float, positron: bool, cut: float) -> float:
    """Mean collision loss of an electron or positron in transfers below ``cut``, in MeV/cm.

    Rohrlich and Carlson's restricted form of Berger and Seltzer's formula for Moller and Bhabha
    scattering (F. Rohrlich, B. C. Carlson, Phys. Rev. 93 (1954) 38; Geant4 Physics Reference
    Manual, Ionisation of electrons and positrons).
    """
    tau = energy / ELECTRON_MASS
    gamma = tau + 1.0
    beta2 = 1.0 - 1.0 / (gamma * gamma)
    if positron:
        d = min(cut / ELECTRON_MASS, tau)
        y = 1.0 / (gamma + 1.0)
        tail = d**2 / 2.0 - tau * d**3 / 3.0 + d**4 / 4.0
        series = tau + 2.0 * d - 1.5 * d**2 * y - (d - d**3 / 3.0) * y**2 - tail * y**3
        f = math.log(tau * d) - beta2 / tau * series
    else:
        d = min(cut / ELECTRON_MASS, 0.5 * tau)
        f = -1.0 - beta2 + math.log((tau - d) * d) + tau / (tau - d)
        f += (0.5 * d * d + (2.0 * tau + 1.0) * math.log(1.0 - d / tau)) / (gamma * gamma)
    excitation = EXCITATION_ENERGY / ELECTRON_MASS
    bracket = math.log(2.0 * (tau + 2.0) / excitation**2) + f - density_effect(math.sqrt(gamma * gamma - 1.0))
    return 0.5 * IONISATION_PREFACTOR / beta2 * bracket


@compiled
def step_loss(mean: float, beta2: float, largest: float, length: float, rng: np.random.Generator) -> float:
    """Energy lost below :data:`DELTA_CUT` over ``length``, around its mean.

    Transfers between :data:`SINGLE_CUT` and :data:`DELTA_CUT` are drawn one by one from
    (1 - beta^2 T / Tmax) / T^2 (PDG 34.2.5); the many below add up to a gamma distribution of the
    right mean and variance, which keeps the loss positive and its skewness.
    """
    scale = 0.5 * IONISATION_PREFACTOR / beta2 * length  # Landau's xi
    top = min(DELTA_CUT, largest)
    singles = 0.0
    expected = 0.0
    if top > SINGLE_CUT:
        expected = scale * (math.log(top / SINGLE_CUT) - beta2 * (top - SINGLE_CUT) / largest)
        for _ in range(rng.poisson(scale * (1.0 / SINGLE_CUT - 1.0 / top))):
            transfer = 1.0 / (1.0 / SINGLE_CUT - rng.random() * (1.0 / SINGLE_CUT - 1.0 / top))
            if rng.random() > beta2 * transfer / largest:
                singles += transfer
        top = SINGLE_CUT
    soft = mean - expected
    if soft <= 0.0:
        return singles
    variance = scale * top * (1.0 - 0.5 * beta2 * top / largest)
    return singles + variance / soft * rng.standard_gamma(soft * soft / variance)


@compiled
def heavy_delta_rate(energy: float, mass: float) -> float:
    """Delta rays above :data:`DELTA_CUT` per cm from a heavy particle (PDG 34.2.5)."""
    largest = largest_transfer(energy, mass)
    if largest <= DELTA_CUT:
        return 0.0
    gamma = 1.0 + energy / mass
    beta2 = 1.0 - 1.0 / (gamma * gamma)
    integral = 1.0 / DELTA_CUT - 1.0 / largest - beta2 / largest * math.log(largest / DELTA_CUT)
    return 0.5 * IONISATION_PREFACTOR / beta2 * integral


@compiled
def heavy_delta_energy(energy: float, mass: float, rng: np.random.Generator) -> float:
    """Energy of a delta ray from a heavy particle; its largest transfer must exceed the cut."""
    largest = largest_transfer(energy, mass)
    gamma = 1.0 + energy / mass
    beta2 = 1.0 - 1.0 / (gamma * gamma)
    while True:
        transfer = 1.0 / (1.0 / DELTA_CUT - rng.random() * (1.0 / DELTA_CUT - 1.0 / largest))
        if rng.random() < 1.0 - beta2 * transfer / largest:
            return transfer


@compiled
def electron_delta_rate(energy: float, positron: bool) -> float:
    """Delta rays above :data:`DELTA_CUT` per cm from Moller or Bhabha scattering (Geant4 manual)."""
    gamma = 1.0 + energy / ELECTRON_MASS
    beta2 = 1.0 - 1.0 / (gamma * gamma)
    x = DELTA_CUT / energy
    if positron:
        if x >= 1.0:
            return 0.0
        b1, b2, b3, b4 = _bhabha_coefficients(gamma)
        integral = (1.0 / x - 1.0) / beta2 + b1 * math.log(x) + b2 * (1.0 - x)
        integral += -0.5 * b3 * (1.0 - x * x) + b4 * (1.0 - x**3) / 3.0
        return 0.5 * IONISATION_PREFACTOR / energy * integral
    if x >= 0.5:
        return 0.0
    g = (2.0 * gamma - 1.0) / (gamma * gamma)
    integral = (1.0 - g) * (0.5 - x) + 1.0 / x - 1.0 / (1.0 - x) - g * math.log((1.0 - x) / x)
    return 0.5 * IONISATION_PREFACTOR / (beta2 * energy) * integral


@compiled
def electron_delta_energy(energy: float, positron: bool, rng: np.random.Generator) -> float:
    """Energy of the slower electron after Moller, of the electron after Bhabha scattering."""
    gamma = 1.0 + energy / ELECTRON_MASS
    beta2 = 1.0 - 1.0 / (gamma * gamma)
    low = DELTA_CUT / energy
    high = 1.0 if positron else 0.5
    b1, b2, b3, b4 = _bhabha_coefficients(gamma)
    g = (2.0 * gamma - 1.0) / (gamma * gamma)
    while True:
        x = 1.0 / (1.0 / low - rng.random() * (1.0 / low - 1.0 / high))
        if positron:
            weight = 1.0 + beta2 * (-b1 * x + b2 * x**2 - b3 * x**3 + b4 * x**4)
            bound = 1.0 + beta2 * (-b1 * low + b2 - b3 * low**3 + b4)
        else:
            y = 1.0 - x
            weight = 1.0 - g * x + x * x * (1.0 - g + (1.0 - g * y) / (y * y))
            bound = 2.0 + 0.25 * (1.0 - g) - g  # at x = 1/2: 1 - g/2 + (1 - g)/4 + (1 - g/2)
        if rng.random() * bound < weight:
            return x * energy


@compiled
def recoil_cosine(energy: float, mass: float, transfer: float) -> float:
    """Cosine of the angle of an electron knocked on with kinetic energy ``transfer``, by kinematics."""
    momentum = math.sqrt(energy * (energy + 2.0 * mass))
    electron = math.sqrt(transfer * (transfer + 2.0 * ELECTRON_MASS))
    return min(1.0, transfer * (energy + mass + ELECTRON_MASS) / (electron * momentum))


@compiled
def electron_range(energy: float) -> float:
    """Range of an electron of 0.01 to 3 MeV, in cm (L. Katz, A. S. Penfold, Rev. Mod. Phys. 24 (1952) 28)."""
    return 0.412 * energy ** (1.265 - 0.0954 * math.log(energy)) / DENSITY


@compiled
def alpha_range(energy: float) -> float:
    """Range of an alpha particle of 4 to 8 MeV, in cm: 61 um at 5.5 MeV.

    In air (1.24 E - 2.62) cm, in other matter 3.2e-4 sqrt(A) / density of that (W. H. Bragg, R. Kleeman,
    Phil. Mag. 10 (1905) 318; R. D. Evans, The Atomic Nucleus, 1955).
    """
    return 3.2e-4 * math.sqrt(A) / DENSITY * (1.24 * max(energy, 4.0) - 2.62)


@compiled
def _bhabha_coefficients(gamma: float) -> tuple[float, float, float, float]:
    y = 1.0 / (gamma + 1.0)
    z = 1.0 - 2.0 * y
    return 2.0 - y * y, z * (3.0 + y * y), z * z + z**3, z**3
