"""Electron spectra of beta decays."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import loggamma

from data_gen.physics.argon import ELECTRON_MASS, FINE_STRUCTURE


def spectrum(
    energy: NDArray[np.float64], endpoint: float, daughter: int, unique: bool = False
) -> NDArray[np.float64]:
    """Shape of a beta- spectrum, not normalised.

    F(Z, W) p W q^2, times (p^2 + q^2) for unique first forbidden transitions, with the Fermi function of
    a point nucleus (E. Fermi, Z. Phys. 88 (1934) 161; H. Behrens, W. Buehring, Electron Radial Wave
    Functions, 1982). Other forbidden transitions are given the allowed shape.

    Args:
        energy: kinetic energies in MeV, above 0.
        endpoint: largest kinetic energy, in MeV.
        daughter: atomic number of the daughter nucleus.
        unique: whether the transition is unique first forbidden.
    """
    total = energy + ELECTRON_MASS
    momentum = np.sqrt(energy * (energy + 2.0 * ELECTRON_MASS))
    neutrino = np.maximum(endpoint - energy, 0.0)
    gamma = np.sqrt(1.0 - (FINE_STRUCTURE * daughter) ** 2)
    eta = FINE_STRUCTURE * daughter * total / momentum
    fermi = momentum ** (2.0 * gamma - 2.0) * np.exp(np.pi * eta + 2.0 * loggamma(gamma + 1j * eta).real)
    shape = momentum**2 + neutrino**2 if unique else 1.0
    return fermi * momentum * total * neutrino**2 * shape


@lru_cache
def _cumulative(endpoint: float, daughter: int, unique: bool) -> tuple[NDArray, NDArray]:
    energy = np.linspace(1e-4, endpoint, 2001)
    density = spectrum(energy, endpoint, daughter, unique)
    parts = 0.5 * (density[1:] + density[:-1]) * np.diff(energy)
    return energy, np.concatenate([[0.0], np.cumsum(parts)])


def energies(
    count: int, endpoint: float, daughter: int, unique: bool, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(count,) kinetic energies of electrons in MeV, drawn from :func:`spectrum`."""
    energy, cumulative = _cumulative(endpoint, daughter, unique)
    return np.interp(rng.random(count) * cumulative[-1], cumulative, energy)
