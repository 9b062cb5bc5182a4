"""Bremsstrahlung of electrons and positrons.

The cross-section is Bethe and Heitler's with screening, in the form of EGS4 (W. R. Nelson, H. Hirayama,
D. W. O. Rogers, SLAC-265 (1985), section 2.7), with the Coulomb correction above 50 MeV, and scaled to the
radiative stopping powers of ICRU Report 37 by the correction A'(E, Z) of EGSnrc (aprime.data, NRC, after
D. W. O. Rogers et al., NRCC PIRS-0436 (1990)), interpolated between Z = 13 and 20. Koch and Motz's older
correction, EGS4's default, exceeds it by 40 % at 2 MeV.
Photons above :data:`PHOTON_CUT` are followed, the others deposit where they arise.
Energies in MeV, lengths in cm.
"""

import math

import numpy as np
from numpy.typing import NDArray

from data_gen.compiled import compiled
from data_gen.physics.argon import ATOMS, ELECTRON_MASS, ELECTRON_RADIUS, FINE_STRUCTURE, Z

PHOTON_CUT = 0.05
"""Smallest energy of an explicit bremsstrahlung photon: the photoelectric effect takes it within 1.5 cm."""

_CORRECTION = np.array(
    [  # kinetic energy, correction at Z = 13, at Z = 20
        (0.1, 2.2160, 2.4190),
        (0.15, 1.7292, 1.8864),
        (0.2, 1.4839, 1.6130),
        (0.3, 1.2415, 1.3391),
        (0.5, 1.0631, 1.1324),
        (0.7, 1.0001, 1.0566),
        (1.0, 0.96499, 1.0110),
        (1.5, 0.95249, 0.98961),
        (2.0, 0.95421, 0.98610),
        (3.0, 0.96213, 0.98775),
        (5.0, 0.97252, 0.99145),
        (7.0, 0.97820, 0.99333),
        (10.0, 0.98254, 0.99444),
        (20.0, 0.98654, 0.99382),
        (30.0, 0.98601, 0.99193),
        (40.0, 0.98473, 0.99008),
        (49.488, 0.98357, 0.98877),
        (50.0, 0.98631, 0.99553),
        (100.0, 0.98254, 0.99212),
        (1000.0, 0.97932, 0.99103),
        (10000.0, 0.98011, 0.99235),
    ]
)
_CORRECTION_ARGON = _CORRECTION[:, 1] + (Z - 13) / (20 - 13) * (_CORRECTION[:, 2] - _CORRECTION[:, 1])

_A2 = (FINE_STRUCTURE * Z) ** 2
COULOMB_CORRECTION = _A2 * (1.0 / (1.0 + _A2) + 0.20206 - 0.0369 * _A2 + 0.0083 * _A2**2 - 0.002 * _A2**3)
"""H. Davies, H. A. Bethe, L. C. Maximon, Phys. Rev. 93 (1954) 788."""
ELECTRON_TERM = math.log(1194.0 * Z ** (-2.0 / 3.0)) / (
    math.log(184.15 * Z ** (-1.0 / 3.0)) - COULOMB_CORRECTION
)
"""xi(Z) of SLAC-265: radiation in the field of the atomic electrons, Z (Z + xi) instead of Z^2."""
_PREFACTOR = ATOMS * FINE_STRUCTURE * ELECTRON_RADIUS**2 * Z * (Z + ELECTRON_TERM)
_FOUR_THIRDS_LOG_Z = 4.0 / 3.0 * math.log(Z)

_TABLE_LOW = 0.1
_TABLE_PER_DECADE = 40
_TABLE_SIZE = 7 * _TABLE_PER_DECADE + 1


@compiled
def screening(delta: float) -> tuple[float, float]:
    """Screening functions phi1, phi2 of SLAC-265 (J. C. Butcher, H. Messel, Nucl. Phys. 20 (1960) 15)."""
    if delta <= 1.0:
        return 20.867 + delta * (-3.242 + 0.625 * delta), 20.029 + delta * (-1.930 - 0.086 * delta)
    phi = 21.12 - 4.184 * math.log(delta + 0.952)
    return phi, phi


@compiled
def _shape(total: float, photon: float) -> float:
    """Value of k dsigma/dk over prefactor and empirical correction; ``total`` includes the mass."""
    left = total - photon
    if left <= ELECTRON_MASS:
        return 0.0
    delta = 136.0 * Z ** (-1.0 / 3.0) * ELECTRON_MASS * photon / (total * left)
    phi1, phi2 = screening(delta)
    shift = _FOUR_THIRDS_LOG_Z
    if total > 50.0:
        shift += 4.0 * COULOMB_CORRECTION
    ratio = left / total
    value = (1.0 + ratio * ratio) * (phi1 - shift) - 2.0 / 3.0 * ratio * (phi2 - shift)
    return max(value, 0.0)


@compiled
def _integrals(energy: float, correction: float) -> tuple[float, float]:
    """Rate above the cut, in 1/cm, and mean loss below it, in MeV/cm."""
    total = energy + ELECTRON_MASS
    points = 200
    rate = 0.0
    if energy > PHOTON_CUT:
        width = math.log(energy / PHOTON_CUT) / points
        for i in range(points):
            rate += _shape(total, PHOTON_CUT * math.exp((i + 0.5) * width)) * width
    top = min(PHOTON_CUT, energy)
    loss = 0.0
    for i in range(points):
        loss += _shape(total, (i + 0.5) / points * top) * top / points
    return _PREFACTOR * correction * rate, _PREFACTOR * correction * loss


def _tables() -> tuple[np.ndarray, np.ndarray]:
    energies = _TABLE_LOW * 10.0 ** (np.arange(_TABLE_SIZE) / _TABLE_PER_DECADE)
    corrections = np.interp(np.log(energies), np.log(_CORRECTION[:, 0]), _CORRECTION_ARGON)
    rows = [_integrals(energy, correction) for energy, correction in zip(energies, corrections, strict=True)]
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


_RATE, _LOSS = _tables()


@compiled
def _interpolated(table: NDArray[np.float64], energy: float) -> float:
    position = math.log10(max(energy, _TABLE_LOW) / _TABLE_LOW) * _TABLE_PER_DECADE
    index = min(int(position), _TABLE_SIZE - 2)
    weight = min(position - index, 1.0)
    return table[index] * (1.0 - weight) + table[index + 1] * weight


@compiled
def photon_rate(energy: float) -> float:
    """Bremsstrahlung photons above :data:`PHOTON_CUT` per cm, for a kinetic energy of 0.1 MeV to 1 TeV."""
    return _interpolated(_RATE, energy)


@compiled
def soft_loss(energy: float) -> float:
    """Mean loss to photons below :data:`PHOTON_CUT`, in MeV/cm."""
    return _interpolated(_LOSS, energy)


@compiled
def photon_energy(energy: float, rng: np.random.Generator) -> float:
    """Energy of a bremsstrahlung photon above the cut, from 1/k and rejection."""
    total = energy + ELECTRON_MASS
    bound = _shape(total, 1e-6)
    while True:
        photon = PHOTON_CUT * (energy / PHOTON_CUT) ** rng.random()
        if rng.random() * bound < _shape(total, photon):
            return photon


@compiled
def emission_cosine(total: float, rng: np.random.Generator) -> float:
    """Cosine of the angle of radiation, and of pair electrons, to the parent's direction.

    Tsai's distribution as parameterised by L. Urban (GEANT3 PHYS341; Geant4 manual, G4ModifiedTsai):
    u = theta * total / m from u (exp(-0.625 u) + 27 exp(-1.875 u)).
    """
    while True:
        slope = 0.625 if rng.random() < 0.25 else 1.875
        u = -math.log((1.0 - rng.random()) * (1.0 - rng.random())) / slope
        if u * ELECTRON_MASS / total < math.pi:
            return math.cos(u * ELECTRON_MASS / total)
