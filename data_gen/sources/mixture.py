"""The primaries of an event, by sample."""

import numpy as np
from numpy.typing import NDArray

from data_gen.configuration import Configuration
from data_gen.physics.argon import DENSITY
from data_gen.physics.nuclides import CHAINS
from data_gen.physics.particles import mass
from data_gen.physics.steps import Deposit
from data_gen.sources.cosmic_sources import cosmic_muons, natural_numbers
from data_gen.sources.primary import (
    EARLIEST_US,
    READOUT_END_US,
    Primary,
    Sample,
    isotropic_directions,
    kinetic,
    times,
)
from data_gen.sources.radioactivity import ALPHA, decays
from lartpc.detector import DETECTORS
from lartpc.event import SAMPLE_DTYPE

_ELECTROMAGNETIC = (11, -11, 22)


def primaries(configuration: Configuration, rng: np.random.Generator) -> list[Primary]:
    """Draw the primaries of one event."""
    return [
        *cosmic_muons(configuration, Sample.COSMIC_MUONS, rng),
        *cosmic_muons(configuration, Sample.STOPPING_MUONS, rng),
        *_showers(configuration, rng),
        *_beam(configuration, rng),
        *_radioactivity(configuration, rng),
    ]


def sample_table(configuration: Configuration) -> NDArray[np.void]:
    """(6,) of :data:`lartpc.event.SAMPLE_DTYPE`, in the order of :class:`Sample`.

    Noise and radioactivity are as in nature; the latter's number is that of decays in the active argon.
    """
    sources = configuration.sources
    natural = {
        Sample.NOISE: 0.0,
        **natural_numbers(configuration.detector, configuration.margin),
        Sample.SHOWERS: 0.0,
        Sample.BEAM: 1.0,
        Sample.RADIOACTIVITY: _kilogram_seconds(configuration)
        * sum(len(CHAINS[source]) * activity for source, activity in sources.activities.items()),
    }
    generated = {
        **natural,
        Sample.COSMIC_MUONS: sources.cosmic_muons * natural[Sample.COSMIC_MUONS],
        Sample.STOPPING_MUONS: sources.stopping_muons * natural[Sample.STOPPING_MUONS],
        Sample.SHOWERS: sources.showers * len(DETECTORS[configuration.detector].volumes),
        Sample.BEAM: sources.beam,
    }
    rows = [(sample.name.lower(), generated[sample], natural[sample]) for sample in Sample]
    return np.array(rows, SAMPLE_DTYPE)


def _showers(configuration: Configuration, rng: np.random.Generator) -> list[Primary]:
    """Electrons and photons of any direction, anywhere in the active argon, while it is read out."""
    detector = DETECTORS[configuration.detector]
    count = rng.poisson(configuration.sources.showers * len(detector.volumes))
    energies = _log_uniform(configuration.sources.shower_energy, count, rng)
    codes = rng.choice([11, 22], count)
    positions = rng.random((count, 3)) * detector.size
    directions = isotropic_directions(count, rng)
    moments = times(count, rng)
    return [
        Primary(int(codes[i]), energies[i], positions[i], directions[i], moments[i], Deposit.SHOWER,
                Sample.SHOWERS)
        for i in range(count)
    ]  # fmt: skip


def _beam(configuration: Configuration, rng: np.random.Generator) -> list[Primary]:
    """Particles through the upstream face (z = 0) at the trigger, within 25 degrees of the z axis."""
    sources = configuration.sources
    count = rng.poisson(sources.beam)
    momenta = _log_uniform(sources.beam_momentum, count, rng)
    shares = np.array(list(sources.beam_particles.values()), float)
    codes = rng.choice(list(sources.beam_particles), count, p=shares / shares.sum())
    positions = rng.random((count, 3)) * DETECTORS[configuration.detector].size * [1.0, 1.0, 0.0]
    cosine = 1.0 - 0.1 * rng.random(count)
    azimuth = 2.0 * np.pi * rng.random(count)
    sine = np.sqrt(1.0 - cosine**2)
    directions = np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine], axis=1)
    energies = kinetic(momenta, np.array([mass(int(code)) for code in codes]))
    return [
        Primary(int(codes[i]), energies[i], positions[i], directions[i], 0.0,
                Deposit.SHOWER if codes[i] in _ELECTROMAGNETIC else Deposit.TRACK, Sample.BEAM)
        for i in range(count)
    ]  # fmt: skip


def _radioactivity(configuration: Configuration, rng: np.random.Generator) -> list[Primary]:
    """Decays anywhere in the active argon, at any time that can reach the readout.

    A nuclide and its daughters decay at places of their own: the daughters live for minutes.
    """
    exposure = _kilogram_seconds(configuration)
    size = DETECTORS[configuration.detector].size
    found = []
    for source, activity in configuration.sources.activities.items():
        for nuclide in CHAINS[source]:
            emitted = decays(nuclide, rng.poisson(activity * exposure), rng)
            positions = rng.random((len(emitted), 3)) * size
            moments = times(len(emitted), rng)
            for position, moment, particles in zip(positions, moments, emitted, strict=True):
                directions = isotropic_directions(len(particles), rng)
                found += [
                    Primary(particle.pdg, particle.energy, position, direction, moment + particle.delay,
                            Deposit.TRACK if particle.pdg == ALPHA else Deposit.SHOWER,
                            Sample.RADIOACTIVITY)
                    for particle, direction in zip(particles, directions, strict=True)
                ]  # fmt: skip
    return found


def _kilogram_seconds(configuration: Configuration) -> float:
    """Active argon times the time whose decays can reach the readout."""
    kilograms = np.prod(DETECTORS[configuration.detector].size) * DENSITY * 1e-3
    return float(kilograms * 1e-6 * (READOUT_END_US - EARLIEST_US))


def _log_uniform(bounds: tuple[float, float], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]), count))
