"""One event: primaries, transport, response."""

import numpy as np
from numpy.typing import NDArray

from data_gen.argon import ALPHA_MASS, KAON_MASS, MUON_MASS, NEUTRAL_PION_MASS, PION_MASS, PROTON_MASS
from data_gen.configuration import Configuration
from data_gen.drift import drift
from data_gen.hits import find_hits
from data_gen.record import Balance, Process, Record, new_record, push_named
from data_gen.sources import ACTIVE, Primary, primaries
from data_gen.transport import follow_all
from data_gen.waveforms import add_charge, keep_regions, noise, noise_rms, pixels
from lartpc.detector import plane
from lartpc.event import PARTICLE_DTYPE, Event

_MASSES = {11: 0.51099895, 13: MUON_MASS, 22: 0.0, 111: NEUTRAL_PION_MASS, 211: PION_MASS, 321: KAON_MASS,
           2212: PROTON_MASS, 1000020040: ALPHA_MASS}  # fmt: skip
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
    images, hits = respond(steps, configuration, planes, rng)
    return Event((1, 0, number), images, hits, particle_table(record))


def transport(start: list[Primary], configuration: Configuration, rng: np.random.Generator) -> Record:
    """Follow primaries and all that they make through the box of argon around the active volume.

    Returns:
        The record, with ``counts`` rows filled; its capacity has grown as needed.
    """
    low, high = -configuration.margin * np.ones(3), ACTIVE + configuration.margin
    record = new_record(_STEPS)
    for primary in start:
        while True:
            before = rng.bit_generator.state, record.counts.copy(), record.balance.copy()
            push_named(record, int(primary.pdg), float(primary.energy), *map(float, primary.position),
                       tuple(map(float, primary.direction)), float(primary.time), int(primary.deposit),
                       -1, int(Process.PRIMARY))  # fmt: skip
            follow_all(record, low, high, configuration.labels.delta_ray_shower, rng)
            if not record.balance[Balance.FULL]:
                break
            rng.bit_generator.state = before[0]
            record = _enlarged(record, *before[1:])
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
    mass = np.array([_MASSES[abs(int(code))] for code in origins["pdg"]])
    particles["g4_id"] = np.arange(len(origins))
    particles["parent_id"] = origins["parent_id"]
    particles["type"] = origins["pdg"]
    particles["momentum"] = np.sqrt(origins["energy"] * (origins["energy"] + 2.0 * mass))
    particles["start_time"] = origins["t"]
    particles["start_position"] = np.stack([origins[axis] for axis in ("x", "y", "z")], axis=1)
    particles["end_position"] = np.stack([origins[axis] for axis in ("end_x", "end_y", "end_z")], axis=1)
    names = np.array([process.name.lower() for process in Process], "S16")
    particles["start_process"] = names[origins["process"]]
    return particles


def respond(
    steps: NDArray[np.void], configuration: Configuration, planes: tuple[str, ...], rng: np.random.Generator
) -> tuple[dict[str, NDArray[np.float16]], NDArray[np.void]]:
    """The detector's answer to energy deposits, wherever they come from.

    Args:
        steps: (S,) of :data:`data_gen.steps.STEP_DTYPE`.
        configuration: how the detector answers and how truth becomes labels.
        planes: names of the planes to read out.
        rng: for the noise.

    Returns:
        Images by plane, (1, wires, 1000) float16, and the hits of all planes.
    """
    response = configuration.response
    arrivals = drift(steps, response)
    images, tables = {}, []
    for name in planes:
        wires = plane(name)
        waveforms = noise(wires.wires, response.raw_noise, rng)
        truth = add_charge(arrivals, wires, waveforms)
        rms = noise_rms(response.raw_noise)
        keep_regions(waveforms, response.region_threshold * rms, response.region_padding)
        images[name] = pixels(waveforms)[None]
        threshold = response.hit_threshold * rms
        tables.append(
            find_hits(waveforms, truth, wires, threshold, response.pulse_ticks, configuration.labels)
        )
    hits = np.concatenate(tables)
    hits["hit_id"] = np.arange(len(hits))
    return images, hits
