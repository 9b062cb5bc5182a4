"""A particle at its start, the sample that it was drawn for, and when it can be seen."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from data_gen.physics.steps import Deposit
from lartpc.detector import ACTIVE_CM, DRIFT_SPEED, READOUT_TICKS, TICK_US, TRIGGER_TICK

READOUT_START_US = -TRIGGER_TICK * TICK_US
READOUT_END_US = READOUT_START_US + READOUT_TICKS * TICK_US
EARLIEST_US = READOUT_START_US - ACTIVE_CM[0] / DRIFT_SPEED
"""Charge released at the far end at this time reaches the wires when the readout starts."""


class Sample(IntEnum):
    """What an event is mixed of; the number is the row of the file's sample table."""

    NOISE = 0
    COSMIC_MUONS = 1
    STOPPING_MUONS = 2
    SHOWERS = 3
    BEAM = 4
    RADIOACTIVITY = 5


@dataclass(frozen=True)
class Primary:
    """A particle at its start.

    Attributes:
        pdg: PDG code.
        energy: kinetic energy, in MeV.
        position: x, y, z in cm, in the detector's axes.
        direction: unit vector.
        time: in us, 0 at the trigger.
        deposit: what its deposits count as.
        sample: that it was drawn for.
    """

    pdg: int
    energy: float
    position: NDArray[np.float64]
    direction: NDArray[np.float64]
    time: float
    deposit: Deposit
    sample: Sample = Sample.NOISE


def times(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(count,) times in us, uniform over those whose charge can reach the readout."""
    return rng.uniform(EARLIEST_US, READOUT_END_US, count)


def isotropic_directions(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(count, 3) unit vectors without preferred direction."""
    vectors = rng.standard_normal((count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def kinetic(momentum: NDArray[np.float64], mass: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Kinetic energy in MeV at a momentum in MeV/c and a mass in MeV."""
    return np.hypot(momentum, mass) - mass
