"""Cosmic muons that reach the argon, in two samples: those that stop in the active part and the others."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from data_gen.configuration import Configuration
from data_gen.physics.argon import MUON_MASS
from data_gen.physics.ranges import range_of_energy
from data_gen.physics.steps import Deposit
from data_gen.sources.cosmics import OMNIDIRECTIONAL_FLUX, cosmic_charges, cosmic_directions, cosmic_momenta
from data_gen.sources.primary import EARLIEST_US, READOUT_END_US, Primary, Sample, kinetic, times
from lartpc.detector import DETECTORS

_TRIALS = 200_000


def cosmic_muons(configuration: Configuration, sample: Sample, rng: np.random.Generator) -> list[Primary]:
    """Draw an event's muons of one of the two samples.

    Args:
        configuration: with the number of muons in units of the natural one.
        sample: COSMIC_MUONS, those that do not stop in the active argon, or STOPPING_MUONS.
        rng: numpy Generator.
    """
    sources = configuration.sources
    wanted = sources.stopping_muons if sample == Sample.STOPPING_MUONS else sources.cosmic_muons
    count = rng.poisson(wanted * _through_disc(configuration))
    starts, directions, energies, stops = _draw(configuration, count, rng)
    charges = cosmic_charges(len(starts), rng)
    moments = times(len(starts), rng)
    return [
        Primary(
            int(charges[i]), float(energies[i]), starts[i], directions[i], moments[i], Deposit.TRACK, sample
        )
        for i in np.flatnonzero(stops == (sample == Sample.STOPPING_MUONS))
    ]


@cache
def natural_numbers(detector: str, margin: float) -> dict[Sample, float]:
    """Mean number of muons of both samples in an event in nature, by integration over 200,000 muons.

    Args:
        detector: name of the detector.
        margin: argon around the active volume, in cm.
    """
    configuration = Configuration(detector=detector, margin=margin)
    *_, stops = _draw(configuration, _TRIALS, np.random.default_rng(0))
    each = _through_disc(configuration) / _TRIALS
    return {
        Sample.COSMIC_MUONS: each * np.count_nonzero(~stops),
        Sample.STOPPING_MUONS: each * np.count_nonzero(stops),
    }


def _box(configuration: Configuration) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners of the argon in which particles are followed."""
    size = np.array(DETECTORS[configuration.detector].size)
    return np.full(3, -configuration.margin), size + configuration.margin


def _through_disc(configuration: Configuration) -> float:
    """Muons in the time of a readout through a disc that faces each direction and shades the box."""
    low, high = _box(configuration)
    area = np.pi * 0.25 * np.sum((high - low) ** 2)
    return float(OMNIDIRECTIONAL_FLUX * area * 1e-6 * (READOUT_END_US - EARLIEST_US))


def _draw(
    configuration: Configuration, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Muons through the disc that meet the box: where they enter it, direction, energy, whether they stop.

    A muon stops where the range of its energy, in the continuous-slowing-down approximation along a
    straight line, ends in the active argon: a property of the muon at its start, so that the two samples
    together are the natural flux, each counted once.
    """
    low, high = _box(configuration)
    radius = 0.5 * np.linalg.norm(high - low)
    directions = cosmic_directions(count, rng)
    energies = kinetic(cosmic_momenta(directions, rng), MUON_MASS)
    offset, turn = radius * np.sqrt(rng.random(count)), 2.0 * np.pi * rng.random(count)
    across = np.cross(directions, [1.0, 0.0, 0.0])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    up = np.cross(directions, across)
    points = np.cos(turn)[:, None] * across + np.sin(turn)[:, None] * up
    points = 0.5 * (low + high) + offset[:, None] * points
    safe = np.where(np.abs(directions) < 1e-12, 1e-12, directions)
    to_low, to_high = (low - points) / safe, (high - points) / safe
    enter = np.minimum(to_low, to_high).max(axis=1) + 1e-9
    meets = enter < np.maximum(to_low, to_high).min(axis=1)
    directions, energies = directions[meets], energies[meets]
    starts = points[meets] + enter[meets, None] * directions
    ends = starts + range_of_energy(energies)[:, None] * directions
    size = np.array(DETECTORS[configuration.detector].size)
    return starts, directions, energies, np.all((ends >= 0.0) & (ends <= size), axis=1)
