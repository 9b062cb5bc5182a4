"""Radioactive decays in liquid argon: what comes out of them, and when."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_gen.physics.nuclides import NUCLIDES, Branch
from data_gen.sources import beta

ALPHA = 1000020040
"""PDG code of the alpha particle."""
ARGON39_ENDPOINT = NUCLIDES["39Ar"].branches[0].beta
"""In MeV."""


class Emitted(NamedTuple):
    """A particle that a decay sets free.

    Attributes:
        pdg: PDG code: 11, 22 or :data:`ALPHA`.
        energy: kinetic energy, in MeV.
        delay: in us, after the decay.
    """

    pdg: int
    energy: float
    delay: float


def decays(nuclide: str, count: int, rng: np.random.Generator) -> list[list[Emitted]]:
    """What ``count`` decays set free, one list a decay.

    The particles of a decay start at one point, each in a direction of its own.

    Args:
        nuclide: a key of :data:`data_gen.physics.nuclides.NUCLIDES`.
        count: number of decays.
        rng: numpy Generator.

    Raises:
        KeyError: the nuclide is not in the table.
    """
    parent = NUCLIDES[nuclide]
    shares = np.array([branch.share for branch in parent.branches])
    chosen = rng.choice(len(shares), count, p=shares / shares.sum())
    emitted: list[list[Emitted]] = [[] for _ in range(count)]
    for number, branch in enumerate(parent.branches):
        rows = np.flatnonzero(chosen == number)
        if branch.beta:
            rays = beta.energies(len(rows), branch.beta, parent.daughter, branch.unique, rng)
            for row, energy in zip(rows, rays, strict=True):
                emitted[row].append(Emitted(11, float(energy), 0.0))
        for row in rows:
            emitted[row].extend(_lines(branch))
    if parent.then is not None:
        delays = rng.exponential(NUCLIDES[parent.then].half_life / np.log(2.0), count)
        for particles, after, delay in zip(emitted, decays(parent.then, count, rng), delays, strict=True):
            particles.extend(Emitted(pdg, energy, float(delay) + more) for pdg, energy, more in after)
    return emitted


def _lines(branch: Branch) -> list[Emitted]:
    """The particles of a branch that have one energy."""
    lines = [Emitted(22, energy, 0.0) for energy in branch.gammas]
    lines += [Emitted(11, energy, 0.0) for energy in branch.electrons]
    if branch.alpha:
        lines.append(Emitted(ALPHA, branch.alpha, 0.0))
    return lines


def argon39_energies(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(count,) kinetic energies of the electrons of 39Ar in MeV."""
    return beta.energies(count, ARGON39_ENDPOINT, 19, True, rng)
