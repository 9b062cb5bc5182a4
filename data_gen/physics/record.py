"""What the transport works on: particles still to be followed, steps and particles recorded so far.

All arrays have a fixed capacity. A full one sets a flag and nothing more is written; the caller
enlarges the arrays and repeats the primary with the same random numbers.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_gen.compiled import compiled
from data_gen.physics.directions import Direction
from data_gen.physics.steps import STEP_DTYPE

STATE_DTYPE = np.dtype(
    [
        ("pdg", "i4"),
        ("energy", "f8"),  # kinetic, in MeV
        ("x", "f8"),  # cm
        ("y", "f8"),
        ("z", "f8"),
        ("ux", "f8"),  # unit vector of the direction
        ("uy", "f8"),
        ("uz", "f8"),
        ("t", "f8"),  # us, 0 at the trigger
        ("deposit", "i4"),  # data_gen.physics.steps.Deposit
        ("g4_id", "i4"),
        ("named", "i4"),  # 1 where the particle has its own row in the particle table
    ]
)

ORIGIN_DTYPE = np.dtype(
    [
        ("parent_id", "i4"),
        ("pdg", "i4"),
        ("energy", "f8"),
        ("t", "f8"),
        ("x", "f8"),
        ("y", "f8"),
        ("z", "f8"),
        ("end_x", "f8"),
        ("end_y", "f8"),
        ("end_z", "f8"),
        ("process", "i4"),  # a Process
        ("sample", "i4"),  # a data_gen.sources.primary.Sample
    ]
)


class Process(IntEnum):
    """How a particle of the particle table arose."""

    PRIMARY = 0
    DECAY = 1
    DELTA = 2
    INELASTIC = 3
    CAPTURE = 4
    RADIATION = 5


class Balance(IntEnum):
    """Where energy that was not deposited went, and where some came from (all in MeV)."""

    ESCAPED = 0
    NEUTRINOS = 1
    NUCLEAR = 2
    RELEASED = 3
    FULL = 4


_FULL = int(Balance.FULL)


class Record(NamedTuple):
    """Working arrays of the transport.

    Attributes:
        steps: of :data:`data_gen.physics.steps.STEP_DTYPE`.
        stack: particles still to be followed, of :data:`STATE_DTYPE`.
        particles: of :data:`ORIGIN_DTYPE`; the row number is the g4_id.
        counts: how many rows of the three are filled.
        balance: energies by :class:`Balance`; ``FULL`` is not 0 when an array was too short.
            Kinetic energy of the primary + RELEASED (rest mass set free less rest mass made)
            = deposits + ESCAPED + NEUTRINOS + NUCLEAR.
    """

    steps: NDArray[np.void]
    stack: NDArray[np.void]
    particles: NDArray[np.void]
    counts: NDArray[np.int64]
    balance: NDArray[np.float64]


def new_record(steps: int, stack: int = 20_000, particles: int = 20_000) -> Record:
    """Empty arrays of the given capacities."""
    return Record(
        np.zeros(steps, STEP_DTYPE),
        np.zeros(stack, STATE_DTYPE),
        np.zeros(particles, ORIGIN_DTYPE),
        np.zeros(3, np.int64),
        np.zeros(len(Balance)),
    )


@compiled
def deposit(
    record: Record,
    x: float,
    y: float,
    z: float,
    t: float,
    energy: float,
    length: float,
    kind: int,
    g4_id: int,
) -> None:
    """Record a step."""
    index = record.counts[0]
    if index >= record.steps.shape[0]:
        record.balance[_FULL] = 1.0
        return
    step = record.steps[index]
    step.x = x
    step.y = y
    step.z = z
    step.t = t
    step.energy = energy
    step.length = length
    step.deposit = kind
    step.g4_id = g4_id
    record.counts[0] = index + 1


@compiled
def push(
    record: Record,
    pdg: int,
    energy: float,
    x: float,
    y: float,
    z: float,
    direction: Direction,
    t: float,
    kind: int,
    g4_id: int,
    named: int,
) -> None:
    """Put a particle on the stack."""
    index = record.counts[1]
    if index >= record.stack.shape[0]:
        record.balance[_FULL] = 1.0
        return
    state = record.stack[index]
    state.pdg = pdg
    state.energy = energy
    state.x = x
    state.y = y
    state.z = z
    state.ux = direction[0]
    state.uy = direction[1]
    state.uz = direction[2]
    state.t = t
    state.deposit = kind
    state.g4_id = g4_id
    state.named = named
    record.counts[1] = index + 1


@compiled
def name(
    record: Record,
    pdg: int,
    energy: float,
    x: float,
    y: float,
    z: float,
    t: float,
    parent_id: int,
    process: int,
) -> int:
    """Give a particle a row of its own in the particle table; its g4_id."""
    index = record.counts[2]
    if index >= record.particles.shape[0]:
        record.balance[_FULL] = 1.0
        return index
    origin = record.particles[index]
    origin.parent_id = parent_id
    origin.pdg = pdg
    origin.energy = energy
    origin.t = t
    origin.x = x
    origin.y = y
    origin.z = z
    origin.end_x = x
    origin.end_y = y
    origin.end_z = z
    origin.process = process
    record.counts[2] = index + 1
    return index


@compiled
def push_named(
    record: Record,
    pdg: int,
    energy: float,
    x: float,
    y: float,
    z: float,
    direction: Direction,
    t: float,
    kind: int,
    parent_id: int,
    process: int,
) -> int:
    """Put a particle on the stack and give it a row of its own in the particle table; its g4_id."""
    index = name(record, pdg, energy, x, y, z, t, parent_id, process)
    if record.balance[_FULL] == 0.0:
        push(record, pdg, energy, x, y, z, direction, t, kind, index, 1)
    return index


@compiled
def outside(x: float, y: float, z: float, low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    """Whether a point has left the box."""
    return x < low[0] or x > high[0] or y < low[1] or y > high[1] or z < low[2] or z > high[2]


@compiled
def finish(record: Record, g4_id: int, named: int, x: float, y: float, z: float) -> None:
    """Note where a particle with a row of its own stopped or left."""
    if named:
        origin = record.particles[g4_id]
        origin.end_x = x
        origin.end_y = y
        origin.end_z = z
