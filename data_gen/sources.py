"""The primaries of an event, by source."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_gen.argon import DENSITY, MUON_MASS, PION_MASS, PROTON_MASS
from data_gen.configuration import Configuration
from data_gen.cosmics import OMNIDIRECTIONAL_FLUX, cosmic_charges, cosmic_directions, cosmic_momenta
from data_gen.radioactivity import argon39_energies
from data_gen.ranges import energy_of_range
from data_gen.steps import Deposit
from lartpc.detector import ACTIVE_CM, DRIFT_SPEED, READOUT_TICKS, TICK_US, TRIGGER_TICK

READOUT_START_US = -TRIGGER_TICK * TICK_US
READOUT_END_US = READOUT_START_US + READOUT_TICKS * TICK_US
EARLIEST_US = READOUT_START_US - ACTIVE_CM[0] / DRIFT_SPEED
"""Charge released at the far end at this time reaches the wires when the readout starts."""
ACTIVE = np.array(ACTIVE_CM)


@dataclass(frozen=True)
class Primary:
    """A particle at its start.

    Attributes:
        pdg: PDG code.
        energy: kinetic energy, in MeV.
        position: x, y, z in cm.
        direction: unit vector.
        time: in us, 0 at the trigger.
        deposit: what its deposits count as.
    """

    pdg: int
    energy: float
    position: NDArray[np.float64]
    direction: NDArray[np.float64]
    time: float
    deposit: Deposit


def primaries(configuration: Configuration, rng: np.random.Generator) -> list[Primary]:
    """Draw the primaries of one event."""
    return [
        *_cosmic_muons(configuration, rng),
        *_stopping_muons(configuration, rng),
        *_showers(configuration, rng),
        *_beam_hadrons(configuration, rng),
        *_argon39(configuration, rng),
    ]


def _cosmic_muons(configuration: Configuration, rng: np.random.Generator) -> list[Primary]:
    """Muons through a disc that faces each direction and shades the box; those that miss the box are left."""
    low, high = -configuration.margin * np.ones(3), ACTIVE + configuration.margin
    radius = 0.5 * np.linalg.norm(high - low)
    seconds = 1e-6 * (READOUT_END_US - EARLIEST_US)
    rate = OMNIDIRECTIONAL_FLUX * np.pi * radius**2 * configuration.sources.cosmic_scale
    count = rng.poisson(rate * seconds)
    directions = cosmic_directions(count, rng)
    energies = _kinetic(cosmic_momenta(directions, rng), MUON_MASS)
    charges = cosmic_charges(count, rng)
    offsets = radius * np.sqrt(rng.random(count)), 2.0 * np.pi * rng.random(count)
    times = _times(count, rng)
    muons = []
    for i, direction in enumerate(directions):
        across = np.cross(direction, [1.0, 0.0, 0.0])
        across /= np.linalg.norm(across)
        up = np.cross(direction, across)
        turn = np.cos(offsets[1][i]) * across + np.sin(offsets[1][i]) * up
        point = 0.5 * (low + high) + offsets[0][i] * turn
        enter, leave = _crossing(point, direction, low, high)
        if enter < leave:
            start = point + enter * direction
            muons.append(Primary(charges[i], energies[i], start, direction, times[i], Deposit.TRACK))
    return muons


def _stopping_muons(configuration: Configuration, rng: np.random.Generator) -> list[Primary]:
    """Muons from outside with just the energy whose range ends at a point drawn in the active volume."""
    count = rng.poisson(configuration.sources.stopping_muons)
    directions = cosmic_directions(count, rng)
    charges = cosmic_charges(count, rng)
    stops = rng.random((count, 3)) * ACTIVE
    times = _times(count, rng)
    low, high = -configuration.margin * np.ones(3), ACTIVE + configuration.margin
    muons = []
    for i, direction in enumerate(directions):
        enter, _ = _crossing(stops[i], direction, low, high)
        start = stops[i] + enter * direction
        energy = float(energy_of_range(-enter))
        muons.append(Primary(charges[i], energy, start, direction, times[i], Deposit.TRACK))
    return muons


def _showers(configuration: Configuration, rng: np.random.Generator) -> list[Primary]:
    """Electrons and photons of any direction, anywhere in the active volume, while it is read out."""
    count = rng.poisson(configuration.sources.showers)
    energies = _log_uniform(configuration.sources.shower_energy, count, rng)
    codes = rng.choice([11, 22], count)
    positions = rng.random((count, 3)) * ACTIVE
    directions = _isotropic(count, rng)
    times = _times(count, rng)
    return [
        Primary(codes[i], energies[i], positions[i], directions[i], times[i], Deposit.SHOWER)
        for i in range(count)
    ]


def _beam_hadrons(configuration: Configuration, rng: np.random.Generator) -> list[Primary]:
    """Pions and protons through the upstream face (z = 0) at the trigger, within 25 degrees of the beam."""
    count = rng.poisson(configuration.sources.beam_hadrons)
    momenta = _log_uniform(configuration.sources.beam_momentum, count, rng)
    codes = rng.choice([211, -211, 2212], count)
    positions = rng.random((count, 3)) * ACTIVE * [1.0, 1.0, 0.0]
    cosine = 1.0 - 0.1 * rng.random(count)
    azimuth = 2.0 * np.pi * rng.random(count)
    sine = np.sqrt(1.0 - cosine**2)
    directions = np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine], axis=1)
    energies = _kinetic(momenta, np.where(codes == 2212, PROTON_MASS, PION_MASS))
    return [
        Primary(codes[i], energies[i], positions[i], directions[i], 0.0, Deposit.TRACK) for i in range(count)
    ]


def _argon39(configuration: Configuration, rng: np.random.Generator) -> list[Primary]:
    """Beta decays anywhere in the active volume, at any time that can reach the readout."""
    kilograms = ACTIVE.prod() * DENSITY * 1e-3
    seconds = 1e-6 * (READOUT_END_US - EARLIEST_US)
    count = rng.poisson(configuration.sources.argon39 * kilograms * seconds)
    energies = argon39_energies(count, rng)
    positions = rng.random((count, 3)) * ACTIVE
    directions = _isotropic(count, rng)
    times = _times(count, rng)
    return [
        Primary(11, energies[i], positions[i], directions[i], times[i], Deposit.SHOWER) for i in range(count)
    ]


def _times(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.uniform(EARLIEST_US, READOUT_END_US, count)


def _log_uniform(bounds: tuple[float, float], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]), count))


def _isotropic(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    vectors = rng.standard_normal((count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _kinetic(momentum: NDArray[np.float64], mass: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.hypot(momentum, mass) - mass


def _crossing(
    point: NDArray[np.float64],
    direction: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> tuple[float, float]:
    """Path lengths from ``point`` at which the line enters and leaves the box; enter > leave: it misses."""
    safe = np.where(np.abs(direction) < 1e-12, 1e-12, direction)
    to_low, to_high = (low - point) / safe, (high - point) / safe
    return float(np.minimum(to_low, to_high).max()) + 1e-9, float(np.maximum(to_low, to_high).min())
