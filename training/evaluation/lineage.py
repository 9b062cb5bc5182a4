"""Which particle a particle descends from, by an event's particle table."""

import math

import numpy as np
from numpy.typing import NDArray

MUON = 13
"""PDG code."""


def makers(hits: NDArray[np.void], particles: NDArray[np.void]) -> NDArray[np.int64]:
    """(H,) row in the particle table of the particle that made most of each hit; -1 where none is known.

    Args:
        hits: (H,) of lartpc.event.HIT_DTYPE.
        particles: (P,) of lartpc.event.PARTICLE_DTYPE.
    """
    if not len(particles):
        return np.full(len(hits), -1)
    return _rows(particles, hits["g4_id"])


def primaries(particles: NDArray[np.void]) -> NDArray[np.int64]:
    """(P,) row of the primary that each particle descends from."""
    return _climb(_parents(particles))


def michel_electrons(particles: NDArray[np.void]) -> NDArray[np.int64]:
    """(P,) row of each particle's ancestor, itself included, that a muon is the parent of; -1 without one.

    Of whatever makes a Michel hit it is the Michel electron.
    """
    parents = _parents(particles)
    of_muon = (parents >= 0) & (np.abs(particles["type"])[parents] == MUON)
    top = _climb(np.where(of_muon, -1, parents))
    return np.where(of_muon[top], top, -1)


def _parents(particles: NDArray[np.void]) -> NDArray[np.int64]:
    """(P,) row of each particle's parent, -1 where it has none."""
    return _rows(particles, particles["parent_id"])


def _rows(particles: NDArray[np.void], numbers: NDArray[np.integer]) -> NDArray[np.int64]:
    """Row of each number among the particles', -1 where it is none of them."""
    order = np.argsort(particles["g4_id"], kind="stable")
    known = particles["g4_id"][order]
    place = np.searchsorted(known, numbers).clip(max=len(known) - 1)
    return np.where(known[place] == numbers, order[place], -1)


def _climb(parents: NDArray[np.int64]) -> NDArray[np.int64]:
    """(P,) row where the way from each particle to its parent's parent and on ends."""
    top = np.where(parents >= 0, parents, np.arange(len(parents)))
    for _ in range(math.ceil(math.log2(len(parents) + 1)) + 1):  # each pass doubles the generations
        top = top[top]
    return top
