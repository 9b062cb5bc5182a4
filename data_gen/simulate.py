"""One event: primaries, transport, response."""

import numpy as np
from numpy.typing import NDArray

from data_gen.compiled import uninterrupted
from data_gen.configuration import Configuration
from data_gen.physics.particles import mass
from data_gen.physics.record import Balance, Process, Record, new_record, push_named
from data_gen.physics.transport import follow_all
from data_gen.response.readout import respond
from data_gen.sources.mixture import primaries
from data_gen.sources.primary import Primary, Sample
from lartpc.detector import DETECTORS
from lartpc.event import PARTICLE_DTYPE, Event

_STEPS = 1 << 18


def simulate(configuration: Configuration, seed: int, number: int, planes: tuple[str, ...] = ("W",)) -> Event:
    """Simulate one event; seed and number alone decide its random numbers.

    Args:
        configuration: what happens and how the detector answers.
        seed: of the data set, 0 or more.
        number: of the event within the data set, 0 or more.
        planes: names of the planes to read out.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, number))))
    record = transport(primaries(configuration, rng), configuration, rng)
    steps = record.steps[: record.counts[0]]
    images, hits, empty = respond(steps, configuration, planes, rng)
    of_particle = record.particles["sample"][hits["g4_id"]]
    hits["sample"] = np.where(hits["g4_id"] >= 0, of_particle, Sample.NOISE)
    return Event((1, 0, number), images, hits, particle_table(record), empty)


def transport(start: list[Primary], configuration: Configuration, rng: np.random.Generator) -> Record:
    """Follow primaries and all that they make through the box of argon around the active volume.

    Returns:
        The record, with ``counts`` rows filled; its capacity has grown as needed.
    """
    low = np.full(3, -configuration.margin)
    high = np.array(DETECTORS[configuration.detector].size) + configuration.margin
    record = new_record(_STEPS)
    for primary in start:
        while True:
            before = rng.bit_generator.state, record.counts.copy(), record.balance.copy()
            push_named(record, int(primary.pdg), float(primary.energy), *map(float, primary.position),
                       tuple(map(float, primary.direction)), float(primary.time), int(primary.deposit),
                       -1, int(Process.PRIMARY))  # fmt: skip
            uninterrupted(follow_all, record, low, high, configuration.labels.delta_ray_shower, rng)
            if not record.balance[Balance.FULL]:
                break
            rng.bit_generator.state = before[0]
            record = _enlarged(record, *before[1:])
        record.particles["sample"][before[1][2] : record.counts[2]] = primary.sample
    return record


def _enlarged(record: Record, counts: NDArray[np.int64], balance: NDArray[np.float64]) -> Record:
    """The record as it was at ``counts`` and ``balance``, in arrays of twice the size."""
    larger = new_record(2 * len(record.steps), 2 * len(record.stack), 2 * len(record.particles))
    larger.steps[: counts[0]] = record.steps[: counts[0]]
    larger.particles[: counts[2]] = record.particles[: counts[2]]
    larger.counts[:] = counts
    larger.balance[:] = balance
    return larger


def particle_table(record: Record) -> NDArray[np.void]:
    """(P,) of :data:`lartpc.event.PARTICLE_DTYPE`."""
    origins = record.particles[: record.counts[2]]
    particles = np.zeros(len(origins), PARTICLE_DTYPE)
    masses = np.array([mass(int(code)) for code in origins["pdg"]])
    particles["g4_id"] = np.arange(len(origins))
    particles["parent_id"] = origins["parent_id"]
    particles["type"] = origins["pdg"]
    particles["momentum"] = np.sqrt(origins["energy"] * (origins["energy"] + 2.0 * masses))
    particles["start_time"] = origins["t"]
    particles["start_position"] = np.stack([origins[axis] for axis in ("x", "y", "z")], axis=1)
    particles["end_position"] = np.stack([origins[axis] for axis in ("end_x", "end_y", "end_z")], axis=1)
    names = np.array([process.name.lower() for process in Process], "S16")
    particles["start_process"] = names[origins["process"]]
    return particles
