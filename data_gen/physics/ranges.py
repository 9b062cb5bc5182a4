"""Range of muons in liquid argon in the continuous-slowing-down approximation, radiation included."""

import numpy as np
from numpy.typing import NDArray

from data_gen.compiled import compiled
from data_gen.physics.argon import MUON_MASS
from data_gen.physics.ionisation import heavy_stopping_power
from data_gen.physics.muon_radiation import mean_loss

_ENERGY = np.geomspace(1.0, 1e5, 2001)


@compiled
def _muon_stopping_powers(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    losses = np.empty(len(energies))
    for i in range(len(energies)):
        losses[i] = heavy_stopping_power(energies[i], MUON_MASS, 1e9)
    return losses


_INVERSE = 1.0 / (_muon_stopping_powers(_ENERGY) + mean_loss(_ENERGY))
_RANGE = _ENERGY[0] * _INVERSE[0] + np.concatenate(
    [[0.0], np.cumsum(0.5 * (_INVERSE[1:] + _INVERSE[:-1]) * np.diff(_ENERGY))]
)


def range_of_energy(energy: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Range in cm of muons of 1 MeV to 100 GeV kinetic energy."""
    return np.asarray(np.interp(energy, _ENERGY, _RANGE))


def energy_of_range(length: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Kinetic energy in MeV of muons of a range in cm; the inverse of :func:`range_of_energy`."""
    return np.asarray(np.interp(length, _RANGE, _ENERGY))
