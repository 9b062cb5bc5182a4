"""Particles shot one by one through the transport, as the event simulation follows them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_gen.configuration import Configuration, Labels
from data_gen.physics.record import Balance
from data_gen.physics.steps import Deposit
from data_gen.simulate import transport
from data_gen.sources.primary import Primary

ENDLESS = Configuration(margin=1e4, labels=Labels(delta_ray_shower=0.0))
"""100 m of argon on all sides. Every delta ray has an id of its own, so that a track's steps are those of the
particle itself."""

ALONG_Z = (0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Shot:
    """What one primary left behind.

    Attributes:
        steps: (S,) of :data:`data_gen.physics.steps.STEP_DTYPE`.
        particles: (P,) of :data:`data_gen.physics.record.ORIGIN_DTYPE`; the primary is row 0.
        balance: energies in MeV, by :class:`data_gen.physics.record.Balance`.
    """

    steps: NDArray[np.void]
    particles: NDArray[np.void]
    balance: NDArray[np.float64]

    @property
    def own_steps(self) -> NDArray[np.void]:
        """Steps of the primary itself, in the order in which it made them."""
        return self.steps[(self.steps["g4_id"] == 0) & (self.steps["deposit"] == Deposit.TRACK)]

    @property
    def accounted(self) -> float:
        """Energy in MeV that was deposited, escaped, or went to neutrinos and nuclei."""
        gone = self.balance[[Balance.ESCAPED, Balance.NEUTRINOS, Balance.NUCLEAR]].sum()
        return float(self.steps["energy"].sum() + gone)


def shoot(
    pdg: int,
    energy: float,
    rng: np.random.Generator,
    configuration: Configuration = ENDLESS,
    position: tuple[float, float, float] = (0.0, 0.0, 0.0),
    direction: tuple[float, float, float] = ALONG_Z,
    deposit: Deposit = Deposit.TRACK,
) -> Shot:
    """Follow one primary and all that it makes.

    Args:
        pdg: PDG code.
        energy: kinetic energy, in MeV.
        rng: numpy Generator.
        configuration: with margin and labels.
        position: start, in cm.
        direction: unit vector.
        deposit: what its deposits count as.
    """
    primary = Primary(pdg, energy, np.array(position), np.array(direction), 0.0, deposit)
    record = transport([primary], configuration, rng)
    return Shot(record.steps[: record.counts[0]], record.particles[: record.counts[2]], record.balance)
