"""Argon-39: a beta emitter, half-life 269 years, end point 565 keV, no gamma rays."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import loggamma

from data_gen.argon import ELECTRON_MASS, FINE_STRUCTURE

ARGON39_ENDPOINT = 0.565
"""In MeV (ENSDF)."""
_DAUGHTER_Z = 19


def argon39_spectrum(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shape of the beta spectrum at kinetic energies in MeV, not normalised.

    Unique first forbidden: F(Z, W) p W q^2 (p^2 + q^2), with the Fermi function of a point nucleus
    (E. Fermi, Z. Phys. 88 (1934) 161; H. Behrens, W. Buehring, Electron Radial Wave Functions, 1982). The
    mean is 219 keV (ENSDF).
    """
    total = energy + ELECTRON_MASS
    momentum = np.sqrt(energy * (energy + 2.0 * ELECTRON_MASS))
    neutrino = ARGON39_ENDPOINT - energy
    gamma = np.sqrt(1.0 - (FINE_STRUCTURE * _DAUGHTER_Z) ** 2)
    eta = FINE_STRUCTURE * _DAUGHTER_Z * total / momentum
    fermi = momentum ** (2.0 * gamma - 2.0) * np.exp(np.pi * eta + 2.0 * loggamma(gamma + 1j * eta).real)
    return fermi * momentum * total * neutrino**2 * (momentum**2 + neutrino**2)


_ENERGY = np.linspace(1e-4, ARGON39_ENDPOINT, 2001)
_SPECTRUM = argon39_spectrum(_ENERGY)
_CUMULATIVE = np.concatenate([[0.0], np.cumsum(0.5 * (_SPECTRUM[1:] + _SPECTRUM[:-1]) * np.diff(_ENERGY))])


def argon39_energies(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(count,) kinetic energies of the electrons in MeV."""
    return np.interp(rng.random(count) * _CUMULATIVE[-1], _CUMULATIVE, _ENERGY)
